# hanse_module(DEPS <folder>... LIBS <target>...)
#
# Declares the folder it is called from as one module: a static library of its
# *.cpp (and of strategies/ and the like below it), and one test program of its
# *_test.cpp. The folder's place is its name: src/core/gate is hanse_core_gate.
# DEPS are folders below src/, LIBS are other people's targets.
function(hanse_module)
  cmake_parse_arguments(M "" "" "DEPS;LIBS;TEST_DEPS;TEST_LIBS" ${ARGN})
  file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}/src" "${CMAKE_CURRENT_SOURCE_DIR}")
  string(REPLACE "/" "_" suffix "${folder}")
  set(name "hanse_${suffix}")

  # CONFIGURE_DEPENDS: a new file is found by the next build, without an edit.
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench)\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "/testing/")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  if(HANSE_SANITIZE)
    # These count, see base/testing/allocations.h; sanitizers bring their own operator new.
    list(FILTER tests EXCLUDE REGEX "/allocations?_test\\.cpp$")
  endif()
  set(deps "")
  foreach(dep IN LISTS M_DEPS)
    string(REPLACE "/" "_" dep_suffix "${dep}")
    list(APPEND deps "hanse_${dep_suffix}")
  endforeach()

  if(sources)
    # Strategies register by being linked, so a module is an object library:
    # an archive would drop the objects that nobody names.
    add_library(${name} OBJECT ${sources})
    target_link_libraries(${name} PUBLIC hanse_flags ${deps} ${M_LIBS})
    hanse_precompiled(${name} hanse_precompiled_code)
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE hanse_flags ${deps} ${M_LIBS})
  endif()
  add_dependencies(${name} hanse_layers)
  set_property(GLOBAL APPEND PROPERTY HANSE_MODULES ${name})

  if(HANSE_TESTS AND tests)
    hanse_test(${name}_test SOURCES ${tests} MODULES ${folder} ${M_DEPS} ${M_TEST_DEPS}
               LIBS ${M_TEST_LIBS})
  endif()
endfunction()

# hanse_link(<target> <folder>...): links modules and everything below them.
# Object libraries hand on their usage requirements but not their objects, so
# the closure is walked here. That waits until all folders have spoken, for a
# module may be declared after whoever needs it.
function(hanse_link target)
  # EVAL, for DEFER alone reads the variables when it is too late.
  cmake_language(EVAL CODE
    "cmake_language(DEFER DIRECTORY [[${PROJECT_SOURCE_DIR}]] CALL hanse_link_now ${target} ${ARGN})")
endfunction()

function(hanse_link_now target)
  set(pending "")
  foreach(folder IN LISTS ARGN)
    string(REPLACE "/" "_" suffix "${folder}")
    list(APPEND pending "hanse_${suffix}")
  endforeach()
  set(seen "")
  while(pending)
    list(POP_FRONT pending module)
    if(module IN_LIST seen)
      continue()
    endif()
    list(APPEND seen ${module})
    if(NOT TARGET ${module})
      message(FATAL_ERROR "${target} needs ${module}, which no folder declares")
    endif()
    get_target_property(below ${module} INTERFACE_LINK_LIBRARIES)
    foreach(item IN LISTS below)
      if(item MATCHES "^hanse_(base|core|adapters|drivers|apps)")
        list(APPEND pending ${item})
      endif()
    endforeach()
  endwhile()
  foreach(module IN LISTS seen)
    target_link_libraries(${target} PRIVATE ${module})
    get_target_property(type ${module} TYPE)
    if(type STREQUAL "OBJECT_LIBRARY")
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${module}>)
    endif()
  endforeach()
endfunction()

# hanse_test(<name> SOURCES <file>... MODULES <folder>... LIBS <target>...)
#
# Where HANSE_TEST_PROGRAMS does not name it, it is neither built nor run.
function(hanse_test name)
  cmake_parse_arguments(T "" "" "SOURCES;MODULES;LIBS" ${ARGN})
  if(T_SOURCES MATCHES "allocations?_test\\.cpp")
    list(APPEND T_SOURCES "${PROJECT_SOURCE_DIR}/src/base/testing/allocations.cpp")
  endif()
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE hanse_flags GTest::gmock GTest::gtest GTest::gtest_main ${T_LIBS})
  hanse_link(${name} ${T_MODULES})
  target_compile_definitions(${name} PRIVATE HANSE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE ${HANSE_TEST_FLAGS})
  hanse_precompiled(${name} hanse_precompiled_tests)
  if(NOT name MATCHES "${HANSE_TEST_PROGRAMS}")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL TRUE)
    return()
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${HANSE_TEST_PREFIX}"
                       PROPERTIES TIMEOUT 300 LABELS "${HANSE_TEST_LABEL}")
endfunction()

# hanse_fuzz(<name> MODULES <folder>... LIBS <target>...)
#
# <name>_fuzz.cpp is a fuzz target of the folder it is called from. As a test
# it takes its seeds, tests/fuzz/<name>/, and then tries inputs of its own for
# a short time.
function(hanse_fuzz name)
  cmake_parse_arguments(F "" "" "MODULES;LIBS" ${ARGN})
  if(NOT HANSE_FUZZ)
    return()
  endif()
  set(target hanse_${name}_fuzz)
  add_executable(${target} ${name}_fuzz.cpp)
  add_dependencies(hanse_fuzz_targets ${target})
  target_link_libraries(${target} PRIVATE hanse_flags ${F_LIBS})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  hanse_link(${target} ${F_MODULES})
  hanse_precompiled(${target} hanse_precompiled_code)
  set(test "${HANSE_TEST_PREFIX}${name}")
  add_test(NAME "${test}"
    COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/tests/fuzz/run.py" "$<TARGET_FILE:${target}>"
            "${PROJECT_SOURCE_DIR}/tests/fuzz/${name}" "${CMAKE_BINARY_DIR}/fuzz/${name}"
            --seconds ${HANSE_FUZZ_SECONDS})
  set_tests_properties("${test}" PROPERTIES TIMEOUT 300 LABELS "${HANSE_TEST_LABEL}")
endfunction()
