# SPDX-License-Identifier: GPL-2.0-or-later
# snapdiff_add_unit_test(): a GoogleTest program whose cases are ctest entries of their own.

find_package(GTest REQUIRED)
include(GoogleTest)

# snapdiff_add_unit_test(NAME
#	SOURCES FILE...        the program's files
#	[LIBS LIBRARY...]      what it links besides GoogleTest
#	[LABEL unit]           ctest label: unit (default) or gui
#	[TIMEOUT SECONDS]      for each case (default 240): it only ends a hang
#	[ENVIRONMENT VAR=VALUE...]
#	[OWN_MAIN])            the sources bring their own main()
function(snapdiff_add_unit_test name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "OWN_MAIN" "LABEL;TIMEOUT" "SOURCES;LIBS;ENVIRONMENT")
	if(NOT arg_LABEL)
		set(arg_LABEL unit)
	endif()
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 240)
	endif()
	# The same test in another build is another entry.
	set(prefix ${arg_LABEL})
	if(SNAPDIFF_SANITIZER_LABEL)
		set(prefix ${SNAPDIFF_SANITIZER_LABEL}.${arg_LABEL})
		set(arg_LABEL ${SNAPDIFF_SANITIZER_LABEL})
	endif()
	set(main GTest::gmock_main)
	if(arg_OWN_MAIN)
		set(main GTest::gmock)
	endif()

	add_executable(${name} ${arg_SOURCES})
	target_link_libraries(${name} PRIVATE ${arg_LIBS} ${main} GTest::gtest snapdiff_build_flags)
	set(properties LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
	if(arg_ENVIRONMENT)
		list(APPEND properties ENVIRONMENT "${arg_ENVIRONMENT}")
	endif()
	# A case that skips itself is shown as skipped: gtest_discover_tests() sees to that.
	gtest_discover_tests(${name}
		TEST_PREFIX ${prefix}.
		NO_PRETTY_VALUES
		DISCOVERY_TIMEOUT 60
		PROPERTIES ${properties})
endfunction()
