# The compiler and its flags, for every target of the project.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR
    "Hanse is built with clang 19 or newer, but this is ${CMAKE_CXX_COMPILER_ID} "
    "${CMAKE_CXX_COMPILER_VERSION}. g++ 12.2, the one that Debian 12 brings, miscompiles "
    "everyday coroutines, so GNU is refused rather than trusted. Use the presets: "
    "cmake --preset release (they name clang++-19; tools/setup.sh installs it).")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# Nothing here uses C++ modules; scanning for them doubles the build's steps.
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

if(CMAKE_BUILD_TYPE STREQUAL "")
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(HANSE_CCACHE ccache)
if(HANSE_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${HANSE_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${HANSE_CCACHE}")
endif()

option(HANSE_WARNINGS_ARE_ERRORS "What the compiler warns of does not build" ON)
set(HANSE_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize takes them")

add_library(hanse_flags INTERFACE)
target_compile_options(hanse_flags INTERFACE
  -Wall -Wextra $<$<BOOL:${HANSE_WARNINGS_ARE_ERRORS}>:-Werror> -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough
  # Decisions must not depend on how the compiler fuses multiplications.
  -ffp-contract=off
  -fno-omit-frame-pointer
  $<$<CONFIG:Release>:-O2>)
target_link_options(hanse_flags INTERFACE -fuse-ld=lld)
target_include_directories(hanse_flags INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_compile_definitions(hanse_flags INTERFACE HANSE_VERSION="${PROJECT_VERSION}")
if(HANSE_SANITIZE)
  # For every object, third-party C included, so that no report is lost.
  add_compile_options(-fsanitize=${HANSE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HANSE_SANITIZE})
endif()
if(HANSE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# What ships is laid out for what a gateway under load really does: which way
# branches go, what is worth inlining, what is never called. `make profile`
# measures it anew; see docs/decisions/0007-profile.md. Code that has changed
# since is compiled without.
set(HANSE_PROFILE "use" CACHE STRING "use the measured profile, make one, or none")
set(HANSE_PROFILE_FILE "${PROJECT_SOURCE_DIR}/cmake/release.profdata")
if(NOT EXISTS "${HANSE_PROFILE_FILE}" AND HANSE_PROFILE STREQUAL "use")
  set(HANSE_PROFILE none)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT HANSE_PROFILE STREQUAL "none")
  if(HANSE_PROFILE STREQUAL "make")
    add_compile_options(-fprofile-generate)
    add_link_options(-fprofile-generate)
  else()
    # Named by its content: what is compiled depends on it, and ninja looks at names.
    file(SHA256 "${HANSE_PROFILE_FILE}" digest)
    string(SUBSTRING "${digest}" 0 12 digest)
    configure_file("${HANSE_PROFILE_FILE}" "${PROJECT_BINARY_DIR}/profile-${digest}" COPYONLY)
    add_compile_options(-fprofile-use=${PROJECT_BINARY_DIR}/profile-${digest}
                        -Wno-profile-instr-out-of-date -Wno-profile-instr-unprofiled
                        -Wno-backend-plugin)
  endif()
  # Functions of one file are named by it, without where it lies.
  add_compile_options("SHELL:-mllvm -static-func-full-module-prefix=false")
endif()

# What most files include, parsed once. Only builds that nobody ships have it:
# the release build has to compile every file as it stands, so that an include
# that is missing is missed.
option(HANSE_PRECOMPILED "Parse common headers once" OFF)
function(hanse_precompiled target owner)
  if(HANSE_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM ${owner})
    # The standard library keeps quiet about its own use of what is deprecated
    # (std::stable_sort's buffer); precompiled, clang does not hear that.
    target_compile_options(${target} PRIVATE -Wno-deprecated-declarations)
  endif()
endfunction()

if(HANSE_PRECOMPILED AND HANSE_CCACHE)
  # ccache's manual wants both for precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros;${HANSE_CCACHE}")
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
endif()
