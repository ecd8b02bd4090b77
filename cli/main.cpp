// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff: the command line tool.

#include "cli/command_line.h"
#include "cli/verb.h"
#include "lvm/unread.h"

#include <iostream>

#include <unistd.h>

using namespace snapdiff;

static int run(const cli::Arguments &arguments)
{
	dm::LibDeviceMapper dm;
	SystemRunner runner;
	SystemClock clock;
	lvm::Lvm lvm(runner, lvm::Lvm::defaultTimeoutMs, lvm::unreadOrigins(dm));
	ops::Context context{dm, lvm, runner, clock, {}};

	if (isatty(STDERR_FILENO) && !arguments.quiet)
		context.progress = [](std::string_view what) { std::cerr << what << "\n"; };
	cli::Session session{context, arguments, std::cout, std::cerr};
	return static_cast<int>(cli::perform(session));
}

int main(int argc, char **argv)
{
	const cli::CommandLine line = cli::parseCommandLine({argv + 1, argv + argc});
	if (const auto *farewell = std::get_if<cli::Farewell>(&line)) {
		(farewell->exit == cli::Exit::Ok ? std::cout : std::cerr) << farewell->text;
		return static_cast<int>(farewell->exit);
	}
	return run(std::get<cli::Arguments>(line));
}
