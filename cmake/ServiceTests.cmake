# SPDX-License-Identifier: GPL-2.0-or-later
# snapdiff_add_service_test(): a GoogleTest program that runs in a guest with systemd as its init, in
# which the product is installed. Two boots, apart from those of all other guest tests.

# snapdiff_add_service_test(NAME SOURCES FILE...)
function(snapdiff_add_service_test name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES")
	list(GET SNAPDIFF_GUEST_KERNELS 0 kernel)
	set(results ${PROJECT_BINARY_DIR}/guest-results/service)
	set(guest ${PROJECT_SOURCE_DIR}/tests/guest)

	add_executable(${name} ${arg_SOURCES})
	target_link_libraries(${name} PRIVATE snapdiff_harness snapdiff_build_flags)
	set_target_properties(${name} PROPERTIES CROSSCOMPILING_EMULATOR ${guest}/verdict)
	add_test(NAME service.boot COMMAND ${guest}/run-service
		${kernel} ${PROJECT_BINARY_DIR} ${results} $<TARGET_FILE:${name}>)
	# The guests keep their own time; this is a last resort.
	set_tests_properties(service.boot PROPERTIES LABELS guest FIXTURES_SETUP guest_service
		TIMEOUT 3700 COST 700)
	gtest_discover_tests(${name}
		TEST_PREFIX service.
		EXTRA_ARGS --lab-results=${results}
		NO_PRETTY_VALUES
		DISCOVERY_TIMEOUT 60
		PROPERTIES LABELS guest TIMEOUT 60 FIXTURES_REQUIRED guest_service)

	add_test(NAME service.run_ends_well_with_a_clean_kernel_log
		COMMAND ${guest}/verdict --whole-run ${results})
	add_test(NAME service.a_volume_that_is_not_there_is_told_and_keeps_no_boot_from_its_end
		COMMAND ${guest}/verdict --whole-run ${results}/plain)
	add_test(NAME service.nothing_fails_on_the_way_down
		COMMAND ${guest}/shutdown --clean ${results})
	add_test(NAME service.going_down_takes_no_longer_with_origins_and_snapshots
		COMMAND ${guest}/shutdown --time ${results})
	set_tests_properties(
		service.run_ends_well_with_a_clean_kernel_log
		service.a_volume_that_is_not_there_is_told_and_keeps_no_boot_from_its_end
		service.nothing_fails_on_the_way_down
		service.going_down_takes_no_longer_with_origins_and_snapshots
		PROPERTIES LABELS guest FIXTURES_REQUIRED guest_service)
endfunction()
