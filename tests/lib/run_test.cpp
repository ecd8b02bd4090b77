// SPDX-License-Identifier: GPL-2.0-or-later
//
// Running programs: output, exit codes, time-out, what is left behind.

#include "util/clock.h"
#include "util/run.h"
#include "util/text.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

using namespace snapdiff;

static Command shell(const char *script)
{
	Command command;
	command.argv = {"sh", "-c", script};
	return command;
}

TEST(Run, GivesOutputAndExitCode)
{
	const Result<Finished> done = SystemRunner().run(shell("echo out; echo err >&2; exit 7"));
	ASSERT_TRUE(done);
	EXPECT_EQ(7, done->code);
	EXPECT_EQ("out\n", done->out);
	EXPECT_EQ("err\n", done->err);
}

TEST(Run, SaysASignalAsAShellDoes)
{
	const Result<Finished> done = SystemRunner().run(shell("kill -TERM $$"));
	ASSERT_TRUE(done);
	EXPECT_EQ(128 + SIGTERM, done->code);
}

TEST(Run, SaysThatThereIsNoSuchProgram)
{
	for (const char *name : {"no-such-program-anywhere", "/no/such/program"}) {
		Command command;
		command.argv = {name};
		const Result<Finished> done = SystemRunner().run(command);
		ASSERT_FALSE(done);
		EXPECT_EQ(ENOENT, done.error().errnum());
	}
}

TEST(Run, KillsTheWholeGroupWhenTimeIsOver)
{
	Command command = shell("sleep 1000 & echo $!; exec sleep 1000");
	command.timeoutMs = 300;
	const SystemClock clock;
	const int64_t start = clock.monotonicNs();
	const Result<Finished> done = SystemRunner().run(command);
	ASSERT_FALSE(done);
	EXPECT_EQ(ETIMEDOUT, done.error().errnum());
	EXPECT_EQ(ErrorKind::TimedOut, done.error().kind());
	EXPECT_LT(clock.monotonicNs() - start, 20'000'000'000);
}

TEST(Run, DoesNotWaitForADaemonThatKeepsThePipeOpen)
{
	const SystemClock clock;
	const int64_t start = clock.monotonicNs();
	const Result<Finished> done = SystemRunner().run(shell("sleep 25 & echo done"));
	ASSERT_TRUE(done);
	EXPECT_EQ("done\n", done->out);
	EXPECT_LT(clock.monotonicNs() - start, 20'000'000'000);
}

TEST(Run, BoundsTheOutput)
{
	Command command = shell("yes");
	command.outputLimit = 100000;
	const Result<Finished> done = SystemRunner().run(command);
	ASSERT_FALSE(done);
	EXPECT_EQ(EFBIG, done.error().errnum());
}

TEST(Run, TakesMoreOutputThanAPipeHolds)
{
	const Result<Finished> done =
		SystemRunner().run(shell("head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2"));
	ASSERT_TRUE(done);
	EXPECT_EQ(300000U, done->out.size());
	EXPECT_EQ(200000U, done->err.size());
}

TEST(Run, GivesNothingOfOurEnvironmentAndInputOn)
{
	setenv("SNAPDIFF_TEST_SECRET", "x", 1);
	Command command =
		shell("echo ${SNAPDIFF_TEST_SECRET:-none} $MINE; cat; ls /proc/self/fd | wc -l");
	command.environment = {"MINE=yes"};
	const Result<Finished> done = SystemRunner().run(command);
	ASSERT_TRUE(done);
	EXPECT_EQ("none yes\n4\n", done->out); // 0, 1, 2 and the folder that ls reads
}

TEST(Run, IsWrittenDownAsAShellWouldReadIt)
{
	Command command;
	command.argv = {"lvm", "lvs", "a b", "it's", ""};
	EXPECT_EQ("lvm lvs 'a b' 'it'\\''s' ''", commandLine(command));
}
