// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runner: runs another program.  No shell, no terminal, bounded in time and output.

#pragma once

#include "util/result.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff {

struct Command
{
	// argv[0] is the program; without a slash it is looked for in
	// /usr/sbin:/usr/bin:/sbin:/bin (not in $PATH: we run as root).
	std::vector<std::string> argv;

	// "NAME=value": the whole environment besides PATH and LC_ALL=C.UTF-8.
	std::vector<std::string> environment;

	unsigned timeoutMs = 30000;

	// Output beyond this many bytes per stream ends the run with EFBIG.
	size_t outputLimit = 16U << 20;
};

struct Finished
{
	// As a shell says it: exit code, or 128 + signal.
	int code = 0;
	std::string out;
	std::string err;

	bool ok() const { return code == 0; }
};

class Runner
{
public:
	virtual ~Runner() = default;

	// A program that ran and failed is a Finished.  Errors: ENOENT (no such
	// program), ETIMEDOUT (its process group was killed), EFBIG, and what fork
	// and exec say.  Nothing is left running, unless the kernel keeps it for more than
	// a second after it was killed.
	virtual Result<Finished> run(const Command &command) = 0;
};

class SystemRunner : public Runner
{
public:
	Result<Finished> run(const Command &command) override;

private:
	std::vector<pid_t> leftBehind_; // killed, and not yet waited for
};

// "lvm lvs vg0": for messages and --dry-run; quoted where a shell would need it.
std::string commandLine(const Command &command);

} // namespace snapdiff
