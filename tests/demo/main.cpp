// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff-demo: the part of ./demo that runs in the guest.

#include "story.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

namespace {

constexpr const char *usage = "Usage: snapdiff-demo tell|prepare FOLDER\n"
			      "The part of ./demo that runs in the guest.\n"
			      "\n"
			      "  tell      the main job, with a verdict\n"
			      "  prepare   only volumes, file systems and snapdiffd\n"
			      "  FOLDER    for pictures and logs\n";

// It writes over whole disks, so it runs in our guest only.
bool isLab()
{
	std::ifstream file("/proc/cmdline");
	const std::string words{std::istreambuf_iterator<char>(file), {}};
	return words.find("snapdiff.lab") != std::string::npos;
}

} // namespace

int main(int argc, char **argv)
{
	const std::string what = argc == 3 ? argv[1] : "";

	if (what != "tell" && what != "prepare") {
		std::fputs(usage, stderr);
		return 2;
	}
	if (!isLab()) {
		std::fputs("snapdiff-demo: this is not the guest, whose disks it may write over.\n"
			   "Run ./demo instead.\n",
			   stderr);
		return 2;
	}
	try {
		snapdiff::demo::Story story(argv[2]);
		if (what == "tell")
			return story.tell();
		story.prepare();
		return 0;
	} catch (const std::exception &problem) {
		std::fprintf(stderr, "snapdiff-demo: %s\n", problem.what());
		return 1;
	}
}
