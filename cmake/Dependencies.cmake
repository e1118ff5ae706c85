# What others keep well. Debian packages, save llhttp, whose source comes as a
# pinned and hash-checked PyPI package when the system has none.

find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Threads REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(TOMLPP REQUIRED IMPORTED_TARGET tomlplusplus)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

if(HANSE_TESTS OR NOT DEFINED HANSE_TESTS)
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
endif()

find_package(llhttp QUIET CONFIG)
if(NOT TARGET llhttp::llhttp)
  set(HANSE_LLHTTP_DIR "${PROJECT_SOURCE_DIR}/.deps/llhttp-9.3.0.0/lib"
      CACHE PATH "The folder of llhttp's C sources")
  if(NOT EXISTS "${HANSE_LLHTTP_DIR}/llhttp.h")
    message(FATAL_ERROR
      "llhttp's sources are not in ${HANSE_LLHTTP_DIR}. `tools/setup.sh` fetches them "
      "(`make build` calls it), or point HANSE_LLHTTP_DIR at a copy of version 9.3.")
  endif()
  add_library(hanse_llhttp STATIC
    "${HANSE_LLHTTP_DIR}/api.c" "${HANSE_LLHTTP_DIR}/http.c" "${HANSE_LLHTTP_DIR}/llhttp.c")
  target_include_directories(hanse_llhttp SYSTEM PUBLIC "${HANSE_LLHTTP_DIR}")
  target_compile_options(hanse_llhttp PRIVATE -O2 -w)
  add_library(llhttp::llhttp ALIAS hanse_llhttp)
endif()
