// SPDX-License-Identifier: GPL-2.0-or-later
// Commands that a test gives a shell.
#include "support/command.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include <sys/wait.h>

namespace snapdiff::lab {

namespace {

struct Ended
{
	int status = -1; // as of statusOf()
	std::string text;
};

Ended run(const std::string &command)
{
	// LVM complains of what a test has open, and of what the shell inherits with it.
	const std::string all = "export LVM_SUPPRESS_FD_WARNINGS=1; (" + command + ") 2>&1";
	Ended ended;
	std::array<char, 4096> piece = {};
	FILE *pipe = popen(all.c_str(), "re");

	while (pipe && fgets(piece.data(), static_cast<int>(piece.size()), pipe))
		ended.text += piece.data();
	const int status = pipe ? pclose(pipe) : -1;
	if (WIFEXITED(status))
		ended.status = WEXITSTATUS(status);
	while (ended.text.ends_with('\n'))
		ended.text.pop_back();
	return ended;
}

} // namespace

std::string runCommand(const std::string &command)
{
	Ended ended = run(command);
	EXPECT_EQ(ended.status, 0) << command << "\n" << ended.text;
	return std::move(ended.text);
}

int statusOf(const std::string &command)
{
	return run(command).status;
}

std::string outputOf(const std::string &command)
{
	return run(command).text;
}

} // namespace snapdiff::lab
