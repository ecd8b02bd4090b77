// SPDX-License-Identifier: GPL-2.0-or-later
// A process that does something over and over until its scope ends.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::lab {

class BusyProcess
{
public:
	// Work that is done once and for all leaves with _exit().
	template<class Work>
	explicit BusyProcess(Work work) : pid_(fork())
	{
		EXPECT_GE(pid_, 0) << "cannot fork: " << errno;
		if (pid_ != 0)
			return;
		for (;;)
			work();
	}
	// Waits until it is gone, which who is held in the kernel is only when nothing holds it.
	~BusyProcess()
	{
		if (pid_ < 0)
			return;
		kill(pid_, SIGKILL);
		waitpid(pid_, nullptr, 0);
	}
	BusyProcess(const BusyProcess &) = delete;
	BusyProcess &operator=(const BusyProcess &) = delete;

private:
	pid_t pid_;
};

} // namespace snapdiff::lab
