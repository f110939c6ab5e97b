# SPDX-License-Identifier: Apache-2.0
# Functions that declare the rooms of the house and their tests.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(HEADGATE_CCACHE ccache)
if(HEADGATE_CCACHE)
  # Precompiled headers hash the same only when time stamps and defines are left out of the key.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${HEADGATE_CCACHE})
endif()

set(HEADGATE_SANITIZE "" CACHE STRING "address, thread or empty")
add_library(headgate_options INTERFACE)
target_include_directories(headgate_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(headgate_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Werror -gline-tables-only -fno-omit-frame-pointer)
target_link_options(headgate_options INTERFACE -fuse-ld=lld)
option(HEADGATE_SIM_HOOKS "Let the simulator make choices inside the code (base/buggify.hpp)" ON)
if(NOT HEADGATE_SIM_HOOKS)
  target_compile_definitions(headgate_options INTERFACE HEADGATE_WITHOUT_SIM_HOOKS)
endif()
if(HEADGATE_SANITIZE STREQUAL "address")
  target_compile_options(headgate_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined)
  # Counts the edges that the fuzz programs steer by; other programs ignore them.
  set(HEADGATE_ROOM_OPTIONS -fsanitize=fuzzer-no-link)
  target_link_options(headgate_options INTERFACE -fsanitize=address,undefined)
elseif(HEADGATE_SANITIZE STREQUAL "thread")
  target_compile_options(headgate_options INTERFACE -fsanitize=thread)
  target_link_options(headgate_options INTERFACE -fsanitize=thread)
endif()

# Two precompiled headers, one for rooms and one for tests; whoever adds defines of its own cannot
# share them. Without time stamps in them ccache finds what it has.
function(headgate_precompile name header)
  cmake_parse_arguments(PCH "" "" "LINKS;OPTIONS" ${ARGN})
  set(source ${CMAKE_BINARY_DIR}/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "" @ONLY)
  add_library(${name} OBJECT ${source})
  target_link_libraries(${name} PRIVATE headgate_options fmt::fmt ${PCH_LINKS})
  target_compile_options(${name} PRIVATE ${PCH_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/${header})
endfunction()
target_compile_options(headgate_options INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
headgate_precompile(headgate_precompiled precompiled.hpp OPTIONS ${HEADGATE_ROOM_OPTIONS})
# Tests are compiled once and run once: time spent on making them fast does not come back.
set(HEADGATE_TEST_OPTIONS -O0)
headgate_precompile(headgate_precompiled_test precompiled_test.hpp
  LINKS GTest::gtest GTest::gmock OPTIONS ${HEADGATE_TEST_OPTIONS})

# headgate_room(NAME SOURCES a.cpp ... MAY_USE lower rooms ... LIBRARIES private third parties ...)
# declares the static library headgate_NAME. Third-party libraries stay private to the room.
function(headgate_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;MAY_USE;LIBRARIES" ${ARGN})
  add_library(headgate_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(headgate_${name} PUBLIC headgate_options fmt::fmt)
  foreach(lower ${ROOM_MAY_USE})
    target_link_libraries(headgate_${name} PUBLIC headgate_${lower})
  endforeach()
  target_link_libraries(headgate_${name} PRIVATE ${ROOM_LIBRARIES})
  target_compile_options(headgate_${name} PRIVATE ${HEADGATE_ROOM_OPTIONS})
  if(NOT spdlog::spdlog IN_LIST ROOM_LIBRARIES)
    target_precompile_headers(headgate_${name} REUSE_FROM headgate_precompiled)
  endif()
endfunction()

# headgate_test(NAME SOURCES a_test.cpp ... LINKS targets ... LABELS labels ...) declares one
# GoogleTest program headgate_NAME_test; CTest runs it as one test per TEST(), or, where tests share
# what is dear to start, one per suite of SUITES; those not in the sanitizer builds.
# The sanitizer builds make only the programs they run: all under ASan, under TSan those with the
# label "threads" (scripts/test).
add_custom_target(headgate_asan_tests)
add_custom_target(headgate_tsan_tests)

function(headgate_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;LINKS;LABELS;SUITES" ${ARGN})
  add_executable(headgate_${name}_test ${TEST_SOURCES})
  target_link_libraries(headgate_${name}_test PRIVATE ${TEST_LINKS} headgate_options
    GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_options(headgate_${name}_test PRIVATE ${HEADGATE_TEST_OPTIONS})
  target_precompile_headers(headgate_${name}_test REUSE_FROM headgate_precompiled_test)
  # One label "unit,threads": of a list only the first would arrive, and ctest -L looks for parts.
  string(REPLACE ";" "," labels "${TEST_LABELS}")
  foreach(suite ${TEST_SUITES})
    add_test(NAME ${name}.${suite}
      COMMAND headgate_${name}_test --gtest_filter=${suite}.*:${suite}/*)
    set_tests_properties(${name}.${suite} PROPERTIES TIMEOUT 300 LABELS "${labels}")
  endforeach()
  if(NOT TEST_SUITES)
    gtest_discover_tests(headgate_${name}_test TEST_PREFIX ${name}.
      DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300 LABELS "${labels}")
  endif()
  if(NOT TEST_SUITES)
    add_dependencies(headgate_asan_tests headgate_${name}_test)
  endif()
  if("threads" IN_LIST TEST_LABELS)
    add_dependencies(headgate_tsan_tests headgate_${name}_test)
  endif()
endfunction()

# headgate_fuzz(NAME SOURCES a_fuzz.cpp LINKS targets ...) declares the libFuzzer program
# headgate_NAME_fuzz in the ASan build; CTest runs it for 20 s (label fuzz). Inputs to start from,
# and inputs that once failed, lie in tests/fuzz/NAME.
function(headgate_fuzz name)
  if(NOT HEADGATE_SANITIZE STREQUAL "address")
    return()
  endif()
  cmake_parse_arguments(FUZZ "" "" "SOURCES;LINKS" ${ARGN})
  set(target headgate_${name}_fuzz)
  set(seeds ${CMAKE_SOURCE_DIR}/tests/fuzz/${name})
  set(found ${CMAKE_CURRENT_BINARY_DIR}/${name}_corpus)
  add_executable(${target} ${FUZZ_SOURCES})
  target_link_libraries(${target} PRIVATE ${FUZZ_LINKS} headgate_options)
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  add_dependencies(headgate_asan_tests ${target})
  file(MAKE_DIRECTORY ${found})
  if(NOT EXISTS ${seeds})
    set(seeds "")
  endif()
  add_test(NAME fuzz.${name} COMMAND ${target} -max_total_time=20 -timeout=10 -rss_limit_mb=2048
    -print_final_stats=1 -artifact_prefix=${found}- ${found} ${seeds})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()

# headgate_embed(VARIABLE FOLDER folder FILES file... ARRAY name HEADER header) makes a source with
# the files' bytes, whose path is left in VARIABLE. The header declares the array.
function(headgate_embed variable)
  cmake_parse_arguments(EMBED "" "FOLDER;ARRAY;HEADER" "FILES" ${ARGN})
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${variable}.cpp)
  list(TRANSFORM EMBED_FILES PREPEND ${EMBED_FOLDER}/ OUTPUT_VARIABLE paths)
  list(JOIN EMBED_FILES "," joined)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -D OUTPUT=${output} -D ARRAY=${EMBED_ARRAY} -D HEADER=${EMBED_HEADER}
      -D FOLDER=${EMBED_FOLDER} -D FILES=${joined} -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${paths} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  set(${variable} ${output} PARENT_SCOPE)
endfunction()
