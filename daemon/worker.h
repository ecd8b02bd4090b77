// SPDX-License-Identifier: GPL-2.0-or-later
//
// Worker: the process that carries out what methods of org.snapdiff1 ask for, so that
// nothing of it is waited for by whoever extends.  One process for each operation.
//
// It is the program that root could run by hand: the same lib/ops, and the same
// promise that a SIGKILL leaves nothing suspended or frozen.  It goes on to its end
// when the daemon ends.

#pragma once

#include "operation.h"
#include "ops/context.h"

#include <optional>

namespace snapdiff::daemon {

// Does what is asked.
Outcome carryOut(const Operation &operation, ops::Context &context);

// The worker's process: one operation from the socket, its outcome back.  Returns the
// exit status.
int runWorker(int socket, unsigned lvmTimeoutMs);

// The daemon's side: one operation at a time.
class Worker
{
public:
	virtual ~Worker() = default;

	virtual bool busy() const = 0;

	// Not while busy.  A failure to start comes as the outcome.
	virtual void start(const Operation &operation) = 0;

	// The outcome of the last operation, once.
	virtual std::optional<Outcome> takeOutcome() = 0;
};

} // namespace snapdiff::daemon
