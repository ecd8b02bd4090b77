# SPDX-License-Identifier: GPL-2.0-or-later
# snapdiff_add_guest_test(): GoogleTest programs that run inside a guest with the kernel module.
#
# One ctest entry per kernel series and kind boots a guest and runs all programs of that kind; every
# case is an entry of its own that only reads its verdict out of the XML left behind
# (tests/guest/verdict). Kinds: "plain", and "udev", whose programs need LVM and so udevd. Two boots
# are two things that ctest does at a time.

set_property(GLOBAL PROPERTY snapdiff_guest_disks 5)
set(snapdiff_verdict ${PROJECT_SOURCE_DIR}/tests/guest/verdict)
# A guest often waits for its disks or a clock, so more at a time than there are processors are done
# sooner (scripts/check-parts.sh); the longest first.
set(snapdiff_boot_cost 1000)
# Kernels of our own find more and are slower: so many times.
set(snapdiff_own_kernels debug kcsan)
set(snapdiff_own_kernels_slowness 4)
# A program's seconds are what it needs on a quiet machine, with room to spare. They only end a hang,
# so on a busy one it may take so many times as long.
set(snapdiff_guest_patience 3)
option(SNAPDIFF_LONG_GUEST_TESTS "Guest tests that are too long for every ./check" OFF)
option(SNAPDIFF_ALL_ON_DEBUG_KERNEL "All guest tests on the debug kernel, not only chosen ones" OFF)

function(snapdiff_guest_results_folder kernel kind variable)
	set(${variable} ${PROJECT_BINARY_DIR}/guest-results/${kernel}-${kind} PARENT_SCOPE)
endfunction()

# The list of the programs of a kind.
function(snapdiff_guest_programs_file kernel kind variable)
	set(${variable} ${PROJECT_BINARY_DIR}/guest-programs-${kernel}-${kind} PARENT_SCOPE)
endfunction()

# "guest." for the first series, "guest-6.12." for others, "debug." for a kernel of our own.
function(snapdiff_guest_prefix kernel variable)
	list(GET SNAPDIFF_GUEST_KERNELS 0 first)
	set(prefix guest.)
	if(kernel IN_LIST snapdiff_own_kernels)
		set(prefix ${kernel}.)
	elseif(NOT kernel STREQUAL first)
		set(prefix guest-${kernel}.)
	endif()
	set(${variable} ${prefix} PARENT_SCOPE)
endfunction()

# The label that ./check --only knows.
function(snapdiff_guest_label kernel variable)
	set(label guest)
	if(kernel IN_LIST snapdiff_own_kernels)
		set(label ${kernel})
	endif()
	set(${variable} ${label} PARENT_SCOPE)
endfunction()

# Adds a program to those that the guest with this kernel runs: its line, and its seconds.
function(snapdiff_list_guest_program kernel kind timeout file)
	math(EXPR timeout "${timeout} * ${snapdiff_guest_patience}")
	if(kernel IN_LIST snapdiff_own_kernels)
		math(EXPR timeout "${timeout} * ${snapdiff_own_kernels_slowness}")
	endif()
	set_property(GLOBAL APPEND PROPERTY snapdiff_guest_programs_${kernel}_${kind}
		"${timeout} ${file}")
	get_property(seconds GLOBAL PROPERTY snapdiff_guest_seconds_${kernel}_${kind})
	if(NOT seconds)
		set(seconds 90)
	endif()
	math(EXPR seconds "${seconds} + ${timeout}")
	set_property(GLOBAL PROPERTY snapdiff_guest_seconds_${kernel}_${kind} ${seconds})
endfunction()

# snapdiff_add_guest_test(NAME
#	SOURCES FILE...     the program's files; main() comes from the harness
#	[LIBS LIBRARY...]   what it links besides the harness
#	[DISKS N]           how many virtio disks it needs (default 4 of 2 GiB and a huge one)
#	[TIMEOUT SECONDS]   for the whole program (default 120)
#	[UDEV]              runs after udevd was started, as LVM needs it
#	[LONG]              only in ./check --full
#	[ON_DEBUG_KERNEL])  runs on kernels of our own always, not only in ./check --full
function(snapdiff_add_guest_test name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "UDEV;LONG;ON_DEBUG_KERNEL" "DISKS;TIMEOUT"
		"SOURCES;LIBS")
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 120)
	endif()
	set(kind plain)
	if(arg_UDEV)
		set(kind udev)
	endif()

	add_executable(${name} ${arg_SOURCES})
	target_link_libraries(${name} PRIVATE ${arg_LIBS} snapdiff_harness snapdiff_build_flags)
	if(arg_LONG AND NOT SNAPDIFF_LONG_GUEST_TESTS)
		return()
	endif()
	# ctest runs this in place of the program; it lists the cases, and looks up their verdicts.
	set_target_properties(${name} PROPERTIES CROSSCOMPILING_EMULATOR ${snapdiff_verdict})
	foreach(kernel IN LISTS SNAPDIFF_GUEST_KERNELS)
		if(kernel IN_LIST snapdiff_own_kernels AND NOT arg_ON_DEBUG_KERNEL AND NOT
		   (kernel STREQUAL debug AND SNAPDIFF_ALL_ON_DEBUG_KERNEL))
			continue()
		endif()
		snapdiff_guest_results_folder(${kernel} ${kind} results)
		snapdiff_guest_prefix(${kernel} prefix)
		snapdiff_guest_label(${kernel} label)
		gtest_discover_tests(${name}
			TEST_PREFIX ${prefix}
			TEST_LIST ${name}_${kernel}_tests
			EXTRA_ARGS --lab-results=${results}
			NO_PRETTY_VALUES
			DISCOVERY_TIMEOUT 60
			PROPERTIES LABELS ${label} TIMEOUT 60 FIXTURES_REQUIRED guest_${kernel}_${kind})
		snapdiff_list_guest_program(${kernel} ${kind} ${arg_TIMEOUT} $<TARGET_FILE:${name}>)
	endforeach()

	get_property(disks GLOBAL PROPERTY snapdiff_guest_disks)
	if(arg_DISKS AND arg_DISKS GREATER disks)
		set_property(GLOBAL PROPERTY snapdiff_guest_disks ${arg_DISKS})
	endif()
endfunction()

# snapdiff_add_own_guest_test(NAME
#	SOURCES FILE...     as above
#	[LIBS LIBRARY...]
#	[OPTIONS WORD...]   of tests/guest/run: memory, disks
#	[TIMEOUT SECONDS])  the guest keeps it, ten times as long for ./check --full
#
# A program in a guest of its own, because the machine must be another one than for all the others:
# one entry for the whole program.
function(snapdiff_add_own_guest_test name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBS;OPTIONS")
	add_executable(${name} ${arg_SOURCES})
	target_link_libraries(${name} PRIVATE ${arg_LIBS} snapdiff_harness snapdiff_build_flags)
	list(GET SNAPDIFF_GUEST_KERNELS 0 kernel)
	math(EXPR seconds "${arg_TIMEOUT} * ${snapdiff_guest_patience}")
	math(EXPR ctest_seconds "10 * ${seconds} + 60")
	snapdiff_guest_prefix(${kernel} prefix)
	add_test(NAME ${prefix}${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/guest/run-alone
		${seconds} --kernel ${kernel} --build ${PROJECT_BINARY_DIR}
		--results ${PROJECT_BINARY_DIR}/guest-results/${name} ${arg_OPTIONS}
		-- $<TARGET_FILE:${name}>)
	set_tests_properties(${prefix}${name} PROPERTIES LABELS guest TIMEOUT ${ctest_seconds}
		COST 500)
endfunction()

# Writes the list of the kernel's programs of a kind, adds the entries that boot and judge the run.
function(snapdiff_add_guest_run kernel kind)
	get_property(programs GLOBAL PROPERTY snapdiff_guest_programs_${kernel}_${kind})
	get_property(disks GLOBAL PROPERTY snapdiff_guest_disks)
	get_property(seconds GLOBAL PROPERTY snapdiff_guest_seconds_${kernel}_${kind})
	if(NOT programs)
		return()
	endif()
	list(JOIN programs "\n" lines)
	snapdiff_guest_programs_file(${kernel} ${kind} list)
	file(GENERATE OUTPUT ${list} CONTENT "${lines}\n")

	# The guest keeps its own time, ten times as long for ./check --full; this is a last resort.
	math(EXPR ctest_seconds "10 * ${seconds} + 60")
	snapdiff_guest_results_folder(${kernel} ${kind} results)
	snapdiff_guest_prefix(${kernel} prefix)
	snapdiff_guest_label(${kernel} label)
	add_test(NAME ${prefix}${kind}_boot COMMAND ${PROJECT_SOURCE_DIR}/tests/guest/run-tests
		${kernel} ${kind} ${PROJECT_BINARY_DIR} ${results} ${disks} ${seconds} ${list})
	set_tests_properties(${prefix}${kind}_boot PROPERTIES LABELS ${label}
		FIXTURES_SETUP guest_${kernel}_${kind} TIMEOUT ${ctest_seconds}
		COST ${snapdiff_boot_cost})
	add_test(NAME ${prefix}${kind}_run_ends_well_with_a_clean_kernel_log
		COMMAND ${snapdiff_verdict} --whole-run ${results})
	set_tests_properties(${prefix}${kind}_run_ends_well_with_a_clean_kernel_log PROPERTIES
		LABELS ${label} FIXTURES_REQUIRED guest_${kernel}_${kind})
endfunction()

# snapdiff_add_machine_test(SCRIPT NAME): a script that starts and ends guests itself, with the
# arguments KERNEL BUILD RESULTS.
function(snapdiff_add_machine_test script name)
	list(GET SNAPDIFF_GUEST_KERNELS 0 kernel)
	snapdiff_guest_prefix(${kernel} prefix)
	add_test(NAME ${prefix}${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/guest/${script}
		${kernel} ${PROJECT_BINARY_DIR} ${PROJECT_BINARY_DIR}/guest-results/${script})
	set_tests_properties(${prefix}${name} PROPERTIES LABELS guest TIMEOUT 7200 COST 500)
endfunction()

# To be called when all guest tests are known.
function(snapdiff_finish_guest_tests)
	foreach(kernel IN LISTS SNAPDIFF_GUEST_KERNELS)
		snapdiff_add_guest_run(${kernel} plain)
		snapdiff_add_guest_run(${kernel} udev)
	endforeach()
	list(GET SNAPDIFF_GUEST_KERNELS 0 kernel)
	get_property(programs GLOBAL PROPERTY snapdiff_guest_programs_${kernel}_plain)
	if(programs)
		snapdiff_add_mutants()
	endif()
endfunction()

# Modules with a defect on purpose (tests/guest/mutants): one boot for all, an entry for each, which
# passes if the test that the mutant names fails with it; and modules with a handicap, whose test must
# pass.  By itself, because a race that a test has to
# win is lost more often beside others.
function(snapdiff_add_mutants)
	list(GET SNAPDIFF_GUEST_KERNELS 0 kernel)
	get_property(disks GLOBAL PROPERTY snapdiff_guest_disks)
	snapdiff_guest_programs_file(${kernel} plain list)
	set(results ${PROJECT_BINARY_DIR}/guest-results/mutants)
	set(folder ${PROJECT_SOURCE_DIR}/tests/guest/mutants)
	file(GLOB mutants CONFIGURE_DEPENDS ${folder}/*.mutant)
	file(GLOB handicaps CONFIGURE_DEPENDS ${folder}/*.handicap)
	add_custom_target(mutants
		COMMAND ${PROJECT_SOURCE_DIR}/scripts/build-mutants ${kernel}
			${folder} ${PROJECT_BINARY_DIR}/mutants/${kernel}
		COMMENT "Kernel modules with defects"
		USES_TERMINAL
		VERBATIM)
	add_test(NAME mutant.boot COMMAND ${PROJECT_SOURCE_DIR}/tests/guest/run-mutants
		${kernel} ${PROJECT_BINARY_DIR} ${results} ${disks} ${list})
	set_tests_properties(mutant.boot PROPERTIES LABELS guest FIXTURES_SETUP guest_mutants
		TIMEOUT 3660 COST 600 RUN_SERIAL ON)
	foreach(file IN LISTS mutants handicaps)
		get_filename_component(name ${file} NAME_WE)
		if(file IN_LIST mutants)
			set(test mutant.${name}_is_found)
			set(word --mutant)
		else()
			set(test handicap.${name}_is_borne)
			set(word --handicap)
		endif()
		add_test(NAME ${test} COMMAND ${snapdiff_verdict} ${word} ${results} ${name})
		set_tests_properties(${test} PROPERTIES LABELS guest FIXTURES_REQUIRED guest_mutants)
	endforeach()
endfunction()
