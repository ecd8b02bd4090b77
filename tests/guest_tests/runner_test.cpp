// SPDX-License-Identifier: GPL-2.0-or-later
// Programs that the library runs, on a disk that does not answer.

#include "harness/patience.h"
#include "support/stack.h"
#include "util/run.h"

#include <cerrno>
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

using namespace snapdiff;
using namespace snapdiff::lab;
using namespace std::chrono_literals;

TEST(Runner, IsNotKeptByAProgramThatADiskKeepsInTheKernel)
{
	const Disk below(0, 2048);
	DmDevice hanging("hanging", "0 2048 linear " + below.number() + " 0");
	ASSERT_EQ(hanging.suspend(DmDevice::Suspend::NoFlush), 0);
	SystemRunner runner;
	Command command;
	command.argv = {"dd", "if=" + hanging.path(), "of=/dev/null", "iflag=direct", "count=1"};
	command.timeoutMs = 500;
	auto running = std::async(std::launch::async, [&] { return runner.run(command); });
	{
		// Whatever goes wrong, nobody may wait for ever.
		const std::shared_ptr<void> atTheEnd(
			nullptr, [&](void *) { EXPECT_EQ(hanging.resume(), 0); });
		ASSERT_EQ(running.wait_for(5s * patience()), std::future_status::ready);
		const Result<Finished> result = running.get();
		ASSERT_FALSE(result);
		EXPECT_EQ(result.error().errnum(), ETIMEDOUT);
		EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), 0) << "it was not in the kernel";
	}
	// It ends when the disk answers, and the next run collects it.
	Command next;
	next.argv = {"true"};
	bool gone = false;
	for (int i = 0; i < 50 * patience() && !gone; i++) {
		usleep(100'000);
		EXPECT_TRUE(runner.run(next));
		siginfo_t info = {}; // left as it is, for whoever has to collect it
		gone = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
	}
	EXPECT_TRUE(gone) << "a zombie is left";
}
