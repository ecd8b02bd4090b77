// SPDX-License-Identifier: GPL-2.0-or-later
//
// Helper: where the daemon's other processes come from.  A helper talks to the daemon over
// one socket, which is its standard input, and ends when the daemon closes it.
//
// Under systemd the daemon has few rights, and what it starts has no more.  So systemd starts
// the helpers, as units of their own: the daemon connects to the socket that the environment
// names, and the first line says what the helper is to be.  Without that socket a helper is a
// child process, the same program with the same words.

#pragma once

#include "util/fd.h"

#include <string>

#include <sys/types.h>

namespace snapdiff::daemon {

constexpr const char *helperVariable = "SNAPDIFF_HELPER"; // in the environment: the socket

// What helpers can be, and what each is told with it.
constexpr std::string_view carverRole = "carver";   // how long an lvm may run, in ms
constexpr std::string_view metricsRole = "metrics"; // the file
constexpr std::string_view workerRole = "worker";   // how long an lvm may run, in ms

struct Helper
{
	Fd socket;
	pid_t pid = -1; // of a child; systemd looks after those that it starts
};

// program: the daemon's own file.  Not for the hot path.
Result<Helper> startHelper(const std::string &program, std::string_view role,
			   const std::string &argument);

// The helper of a unit: reads what it is to be, and is it.  Returns the exit status.
int runHelper(int socket);

} // namespace snapdiff::daemon
