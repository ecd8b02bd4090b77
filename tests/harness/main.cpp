// SPDX-License-Identifier: GPL-2.0-or-later
// main() of all guest test programs.

#include "harness/kernel_log.h"
#include "harness/random.h"

#include <fstream>
#include <gmock/gmock.h>
#include <iostream>
#include <iterator>
#include <string>

namespace {

// Guest tests overwrite whole disks by name, so they run nowhere but in the lab's guest.
bool insideTheLab()
{
	std::ifstream file("/proc/cmdline");
	const std::string line{std::istreambuf_iterator<char>(file), {}};
	return line.find("snapdiff.lab") != std::string::npos;
}

} // namespace

int main(int argc, char **argv)
{
	testing::InitGoogleMock(&argc, argv);
	if (!testing::GTEST_FLAG(list_tests)) {
		if (!insideTheLab()) {
			std::cerr << argv[0]
				  << " overwrites disks and runs only in the lab's guest.\n"
				  << "Run it with: tests/guest/run -- " << argv[0] << "\n";
			return 2;
		}
		snapdiff::lab::printSeedOnFailure();
		snapdiff::lab::judgeKernelLogOfEachTest();
	}
	return RUN_ALL_TESTS();
}
