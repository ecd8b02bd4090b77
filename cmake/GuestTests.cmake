# SPDX-License-Identifier: GPL-2.0-or-later
# snapdiff_add_guest_test(): GoogleTest programs that run inside a guest with the kernel module.
#
# One ctest entry per kernel series boots the guest and runs all programs; every case is an entry
# of its own that only reads its verdict out of the XML left behind (tests/guest/verdict).

set_property(GLOBAL PROPERTY snapdiff_guest_programs "")
set_property(GLOBAL PROPERTY snapdiff_guest_disks 4)
set_property(GLOBAL PROPERTY snapdiff_guest_seconds 90)
set(snapdiff_verdict ${PROJECT_SOURCE_DIR}/tests/guest/verdict)

function(snapdiff_guest_results_folder kernel variable)
	set(${variable} ${PROJECT_BINARY_DIR}/guest-results/${kernel} PARENT_SCOPE)
endfunction()

# "guest." for the first series, "guest-6.12." for others.
function(snapdiff_guest_prefix kernel variable)
	list(GET SNAPDIFF_GUEST_KERNELS 0 first)
	set(prefix guest.)
	if(NOT kernel STREQUAL first)
		set(prefix guest-${kernel}.)
	endif()
	set(${variable} ${prefix} PARENT_SCOPE)
endfunction()

# snapdiff_add_guest_test(NAME
#	SOURCES FILE...     the program's files; main() comes from the harness
#	[LIBS LIBRARY...]   what it links besides the harness
#	[DISKS N]           how many virtio disks it needs (default 4)
#	[TIMEOUT SECONDS]   for the whole program (default 120)
#	[UDEV])             runs after udevd was started, as LVM needs it
function(snapdiff_add_guest_test name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "UDEV" "DISKS;TIMEOUT" "SOURCES;LIBS")
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 120)
	endif()
	set(udev plain)
	if(arg_UDEV)
		set(udev udev)
	endif()

	add_executable(${name} ${arg_SOURCES})
	target_link_libraries(${name} PRIVATE ${arg_LIBS} snapdiff_harness snapdiff_build_flags)
	# ctest runs this in place of the program; it lists the cases, and looks up their verdicts.
	set_target_properties(${name} PROPERTIES CROSSCOMPILING_EMULATOR ${snapdiff_verdict})
	foreach(kernel IN LISTS SNAPDIFF_GUEST_KERNELS)
		snapdiff_guest_results_folder(${kernel} results)
		snapdiff_guest_prefix(${kernel} prefix)
		gtest_discover_tests(${name}
			TEST_PREFIX ${prefix}
			TEST_LIST ${name}_${kernel}_tests
			EXTRA_ARGS --lab-results=${results}
			NO_PRETTY_VALUES
			DISCOVERY_TIMEOUT 60
			PROPERTIES LABELS guest TIMEOUT 60 FIXTURES_REQUIRED guest_${kernel})
	endforeach()

	set_property(GLOBAL APPEND PROPERTY snapdiff_guest_programs
		"${udev} ${arg_TIMEOUT} $<TARGET_FILE:${name}>")
	get_property(seconds GLOBAL PROPERTY snapdiff_guest_seconds)
	math(EXPR seconds "${seconds} + ${arg_TIMEOUT}")
	set_property(GLOBAL PROPERTY snapdiff_guest_seconds ${seconds})
	get_property(disks GLOBAL PROPERTY snapdiff_guest_disks)
	if(arg_DISKS AND arg_DISKS GREATER disks)
		set_property(GLOBAL PROPERTY snapdiff_guest_disks ${arg_DISKS})
	endif()
endfunction()

# To be called when all guest tests are known: writes their list, adds the entries that boot.
function(snapdiff_finish_guest_tests)
	get_property(programs GLOBAL PROPERTY snapdiff_guest_programs)
	get_property(disks GLOBAL PROPERTY snapdiff_guest_disks)
	get_property(seconds GLOBAL PROPERTY snapdiff_guest_seconds)
	if(NOT programs)
		return()
	endif()
	list(JOIN programs "\n" lines)
	set(list ${PROJECT_BINARY_DIR}/guest-programs)
	file(GENERATE OUTPUT ${list} CONTENT "${lines}\n")

	# The guest keeps its own time, ten times as long for ./check --full; this is a last resort.
	math(EXPR ctest_seconds "10 * ${seconds} + 60")
	foreach(kernel IN LISTS SNAPDIFF_GUEST_KERNELS)
		snapdiff_guest_results_folder(${kernel} results)
		snapdiff_guest_prefix(${kernel} prefix)
		add_test(NAME ${prefix}boot COMMAND ${PROJECT_SOURCE_DIR}/tests/guest/run-tests
			${kernel} ${PROJECT_BINARY_DIR} ${results} ${disks} ${seconds} ${list})
		set_tests_properties(${prefix}boot PROPERTIES LABELS guest
			FIXTURES_SETUP guest_${kernel} TIMEOUT ${ctest_seconds} RUN_SERIAL ON)
		add_test(NAME ${prefix}run_ends_well_with_a_clean_kernel_log
			COMMAND ${snapdiff_verdict} --whole-run ${results})
		set_tests_properties(${prefix}run_ends_well_with_a_clean_kernel_log PROPERTIES
			LABELS guest FIXTURES_REQUIRED guest_${kernel})
	endforeach()
endfunction()
