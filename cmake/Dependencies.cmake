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

if(HANSE_TESTS)
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

# The owners of the precompiled headers, see Compiler.cmake.
if(HANSE_PRECOMPILED)
  set(hanse_empty "${CMAKE_BINARY_DIR}/precompiled.cpp")
  file(CONFIGURE OUTPUT "${hanse_empty}" CONTENT "")
  set(hanse_common <algorithm> <array> <expected> <functional> <map> <memory> <optional>
      <span> <string> <string_view> <utility> <variant> <vector> <fmt/format.h>)
  add_library(hanse_precompiled_code OBJECT "${hanse_empty}")
  target_link_libraries(hanse_precompiled_code PRIVATE hanse_flags fmt::fmt)
  target_precompile_headers(hanse_precompiled_code PRIVATE ${hanse_common})
  if(HANSE_TESTS)
    add_library(hanse_precompiled_tests OBJECT "${hanse_empty}")
    target_link_libraries(hanse_precompiled_tests PRIVATE hanse_flags fmt::fmt GTest::gmock GTest::gtest)
    target_compile_options(hanse_precompiled_tests PRIVATE ${HANSE_TEST_FLAGS})
    target_precompile_headers(hanse_precompiled_tests PRIVATE
      ${hanse_common} <gtest/gtest.h> <gmock/gmock.h>)
  endif()
endif()
