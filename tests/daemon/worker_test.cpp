// SPDX-License-Identifier: GPL-2.0-or-later
//
// The worker's text, and the daemon's side of the process: one that answers, dies,
// hangs, babbles, or is not there.

#include "worker_process.h"

#include "loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::daemon {
namespace {

using testing::HasSubstr;

Operation fullOperation()
{
	Operation operation;
	operation.verb = Operation::Verb::Create;
	operation.store = "store-1";
	operation.snapshot = "monday";
	operation.origins = {"vg0-home", "vg0-db"};
	operation.vgs = {"vg0"};
	operation.devices = {"/dev/sdc"};
	operation.size = 1234567;
	operation.chunk = 128;
	operation.timeoutMs = 777;
	operation.ranges = 3;
	operation.freeze = false;
	operation.force = true;
	operation.keepImages = true;
	return operation;
}

TEST(OperationText, ComesBackAsItWas)
{
	for (int number = 0; number <= static_cast<int>(Operation::Verb::Reload); number++) {
		Operation operation = fullOperation();
		operation.verb = static_cast<Operation::Verb>(number);
		const std::string line = format(operation);
		EXPECT_EQ(line.find('\n'), line.size() - 1);
		const Result<Operation> again = parseOperation(line);
		ASSERT_TRUE(again) << line;
		EXPECT_EQ(*again, operation);
	}
}

TEST(OperationText, OutcomesComeBackAsTheyWere)
{
	Outcome outcome;
	outcome.store = "s";
	outcome.snapshot = "monday";
	outcome.newStore = true;
	outcome.names = {"a", "b"};
	outcome.origins = {"vg0-home"};
	outcome.frozen = {"/home"};
	outcome.frozenUs = 12;
	outcome.takeUs = 3;
	outcome.ranges = {{"vg0-snapdiff.1", 8192, true}};
	outcome.mounted = {{"vg0-home", "/dev/mapper/vg0-home@monday", "/run/snapdiff/m/h"}};
	const Result<Outcome> again = parseOutcome(format(outcome));
	ASSERT_TRUE(again);
	EXPECT_EQ(again->store, "s");
	EXPECT_EQ(again->snapshot, "monday");
	EXPECT_TRUE(again->newStore);
	EXPECT_EQ(again->names, outcome.names);
	EXPECT_EQ(again->origins, outcome.origins);
	EXPECT_EQ(again->frozen, outcome.frozen);
	EXPECT_EQ(again->frozenUs, 12U);
	EXPECT_EQ(again->takeUs, 3U);
	EXPECT_EQ(again->ranges, outcome.ranges);
	EXPECT_EQ(again->mounted, outcome.mounted);
	EXPECT_FALSE(again->error);
}

TEST(OperationText, ErrorsKeepTheirKindTheirWordsAndTheNextStep)
{
	const Error error = Error(EBUSY, "delete monday", "it is open")
				    .as(ErrorKind::NoSpace)
				    .advise("Close it.");
	const Result<Outcome> again = parseOutcome(format(failed(error)));
	ASSERT_TRUE(again);
	ASSERT_TRUE(again->error);
	EXPECT_EQ(again->error->errnum(), EBUSY);
	EXPECT_EQ(again->error->kind(), ErrorKind::NoSpace);
	EXPECT_EQ(again->error->message(), "delete monday: it is open");
	EXPECT_EQ(again->error->next(), "Close it.");
	EXPECT_EQ(errorWord(*again), "NoSpace");
}

TEST(OperationText, WhatIsNotQuiteOneIsNone)
{
	const std::string good = format(fullOperation());
	const auto with = [&](const std::string &what, const std::string &by) {
		std::string text = good;
		const size_t at = text.find(what);
		EXPECT_NE(at, text.npos) << what;
		return text.replace(at, what.size(), by);
	};
	for (const std::string &bad :
	     {std::string(), std::string("{}"), std::string("[1]"), std::string("nonsense"),
	      std::string("{\"verb\":\"take\"}"), with("\"create\"", "\"destroy\""),
	      with("1234567", "-1"), with("1234567", "\"1\""), with("777", "99999999999"),
	      with("[\"vg0\"]", "[7]"), with("[\"vg0\"]", "\"vg0\""), with("false", "0"),
	      with("{", "{\"more\":1,")})
		EXPECT_FALSE(parseOperation(bad)) << bad;
	for (const char *bad : {"", "{}", "[]", "{\"error\":1}", "{\"error\":{\"errno\":1}}",
				"{\"error\":{\"errno\":1,\"kind\":99,\"doing\":\"\",\"why\":\"\","
				"\"next\":\"\"}}"})
		EXPECT_FALSE(parseOutcome(bad)) << bad;
}

// A program in place of the worker: a script whose socket is its standard input.
class Script
{
public:
	explicit Script(const std::string &body)
	{
		char name[] = "/tmp/snapdiff-worker-XXXXXX";
		close(mkstemp(name));
		path = name;
		std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
		chmod(path.c_str(), 0700);
	}
	~Script() { unlink(path.c_str()); }
	std::string path;
};

std::optional<Outcome> runToEnd(WorkerProcess &worker, int limitMs = 20000)
{
	const int64_t end = monotonicNs() + int64_t{limitMs} * 1'000'000;
	while (monotonicNs() < end) {
		pollfd wait = {worker.fd(), POLLIN, 0};
		if (worker.fd() >= 0 && poll(&wait, 1, 20) > 0)
			worker.readable();
		else
			worker.checkDeadline();
		if (!worker.busy())
			return worker.takeOutcome();
	}
	return std::nullopt;
}

TEST(TheWorkerProcess, GetsTheOperationAndGivesItsOutcome)
{
	const std::string seen = "/tmp/snapdiff-worker-seen-" + std::to_string(getpid());
	Outcome outcome;
	outcome.snapshot = "monday";
	const Script script("read -r line <&0\nprintf '%s\\n' \"$line $1\" > " + seen +
			    "\nprintf '%s' '" + format(outcome) + "' >&0\nexec sleep 60");
	WorkerProcess worker(script.path, 1234);
	worker.start(fullOperation());
	EXPECT_TRUE(worker.busy());
	const auto came = runToEnd(worker);
	ASSERT_TRUE(came);
	ASSERT_FALSE(came->error) << came->error->message();
	EXPECT_EQ(came->snapshot, "monday");
	std::ostringstream text;
	text << std::ifstream(seen).rdbuf();
	unlink(seen.c_str());
	EXPECT_THAT(text.str(), HasSubstr("\"monday\""));
	EXPECT_THAT(text.str(), HasSubstr("--worker=1234"));
	EXPECT_FALSE(worker.takeOutcome()) << "an outcome comes once";
}

TEST(TheWorkerProcess, ThatDiesHasFailed)
{
	const Script script("read -r line <&0\nkill -9 $$");
	WorkerProcess worker(script.path, 1000);
	worker.start(fullOperation());
	const auto came = runToEnd(worker);
	ASSERT_TRUE(came && came->error);
	EXPECT_EQ(errorWord(*came), "Failed");
	EXPECT_THAT(came->error->message(), HasSubstr("ended in the middle"));
	EXPECT_THAT(came->error->next(), HasSubstr("snapdiff status"));
}

TEST(TheWorkerProcess, ThatHangsIsKilledAndTheNextIsAnotherOne)
{
	const std::string pidFile = "/tmp/snapdiff-worker-pid-" + std::to_string(getpid());
	const Script script("echo $$ > " + pidFile + "\nexec sleep 600");
	WorkerProcess worker(script.path, 0);
	worker.setSlack(300);
	Operation operation = fullOperation();
	operation.timeoutMs = 0;
	worker.start(operation);
	const auto came = runToEnd(worker);
	ASSERT_TRUE(came && came->error);
	EXPECT_EQ(errorWord(*came), "TimedOut");
	pid_t pid = 0;
	std::ifstream(pidFile) >> pid;
	unlink(pidFile.c_str());
	ASSERT_GT(pid, 0);
	for (int i = 0; i < 200 && kill(pid, 0) == 0; i++) {
		usleep(20000);
		worker.checkDeadline();
	}
	EXPECT_EQ(kill(pid, 0), -1) << "it is killed and waited for";

	worker.start(operation);
	EXPECT_TRUE(worker.busy());
	EXPECT_TRUE(runToEnd(worker));
}

TEST(TheWorkerProcess, ThatBabblesIsStopped)
{
	const Script words("echo hello >&0\nexec sleep 60");
	WorkerProcess worker(words.path, 1000);
	worker.start(fullOperation());
	auto came = runToEnd(worker);
	ASSERT_TRUE(came && came->error);
	EXPECT_THAT(came->error->message(), HasSubstr("not understood"));

	const Script flood("tr '\\0' 'x' >&0 < /dev/zero");
	WorkerProcess other(flood.path, 1000);
	other.start(fullOperation());
	came = runToEnd(other);
	ASSERT_TRUE(came && came->error);
	EXPECT_THAT(came->error->message(), HasSubstr("endless"));
}

TEST(TheWorkerProcess, ThatIsNotThereIsAFailure)
{
	WorkerProcess worker("/nonexistent/snapdiffd", 1000);
	worker.start(fullOperation());
	EXPECT_FALSE(worker.busy());
	const auto came = worker.takeOutcome();
	ASSERT_TRUE(came && came->error);
	EXPECT_EQ(came->error->errnum(), ENOENT);
}

TEST(TheRealWorker, AnswersWhatItDoesNotUnderstandWithAnError)
{
	int ends[2];
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	const Fd ours(ends[0]);
	Fd theirs(ends[1]);
	const pid_t pid = fork();
	if (pid == 0) {
		dup2(theirs.get(), STDIN_FILENO);
		execl(SNAPDIFFD, "snapdiffd", "--worker=1000", nullptr);
		_exit(127);
	}
	theirs.reset();
	ASSERT_EQ(write(ours.get(), "{\"verb\":\"rm\"}\n", 14), 14);
	char text[4096] = {};
	ssize_t length = 0;
	for (ssize_t got = 1; got > 0; length += got)
		got = read(ours.get(), text + length,
			   sizeof(text) - 1 - static_cast<size_t>(length));
	int status = 0;
	waitpid(pid, &status, 0);
	EXPECT_EQ(WEXITSTATUS(status), 1);
	const auto outcome = parseOutcome(text);
	ASSERT_TRUE(outcome && outcome->error) << text;
	EXPECT_EQ(outcome->error->errnum(), EPROTO);
}

} // namespace
} // namespace snapdiff::daemon
