// SPDX-License-Identifier: GPL-2.0-or-later
//
// The log may hang: nobody who writes to it waits, and the end of the daemon waits a second.

#include "outlet.h"
#include "util/fd.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

namespace snapdiff::daemon {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// Our stderr is a pipe meanwhile.
class StderrPipe
{
public:
	StderrPipe()
	{
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			throw std::runtime_error("no pipe");
		read_ = Fd(ends[0]);
		write_ = Fd(ends[1]);
		std::fflush(stderr);
		before_ = Fd(dup(STDERR_FILENO));
		dup2(write_.get(), STDERR_FILENO);
	}
	~StderrPipe() { giveBack(); }

	// Until nothing more fits.
	void clog()
	{
		const std::string piece(4096, 'x');
		fcntl(write_.get(), F_SETFL, O_NONBLOCK);
		while (write(write_.get(), piece.data(), piece.size()) > 0) {
		}
		fcntl(write_.get(), F_SETFL, 0);
	}
	void giveBack()
	{
		std::fflush(stderr);
		dup2(before_.get(), STDERR_FILENO);
		write_.reset();
	}
	// Everything that was written, to its end.
	std::string drain()
	{
		std::string text;
		char piece[4096];
		for (ssize_t got; (got = read(read_.get(), piece, sizeof(piece))) > 0;)
			text.append(piece, static_cast<size_t>(got));
		return text;
	}

private:
	Fd read_;
	Fd write_;
	Fd before_;
};

} // namespace

TEST(Outlet, SendsAllThatIsQueuedBeforeItEnds)
{
	StderrPipe pipe;
	{
		Outlet outlet(false);
		for (int i = 0; i < 500; i++)
			outlet.log(Priority::Info, "line " + std::to_string(i));
	}
	pipe.giveBack();
	const std::string text = pipe.drain();
	size_t at = 0;
	for (int i = 0; i < 500; i++) {
		at = text.find("snapdiffd: line " + std::to_string(i) + "\n", at);
		ASSERT_NE(at, text.npos) << i;
	}
}

TEST(Outlet, ThatHangsKeepsNobodyWaitingAndSaysLaterWhatItLost)
{
	constexpr int many = 3000; // more than it keeps
	StderrPipe pipe;
	std::string text;
	std::thread reader;
	{
		Outlet outlet(false);
		pipe.clog();
		const auto began = Clock::now();
		for (int i = 0; i < many; i++)
			outlet.log(Priority::Info, "line " + std::to_string(i));
		EXPECT_LT(Clock::now() - began, 5s); // nobody reads: it would be for ever
		reader = std::thread([&] { text = pipe.drain(); });
	}
	pipe.giveBack();
	reader.join();
	EXPECT_NE(text.find("snapdiffd: line 0\n"), text.npos);
	EXPECT_EQ(text.find("snapdiffd: line " + std::to_string(many - 1) + "\n"), text.npos);
	EXPECT_NE(text.find(" lines of the log were lost\n"), text.npos);
}

TEST(Outlet, ThatHangsKeepsTheDaemonFromEndingForASecondOnly)
{
	StderrPipe pipe;
	const auto began = Clock::now();
	{
		Outlet outlet(false);
		pipe.clog();
		outlet.log(Priority::Info, "never read");
	}
	const auto took = Clock::now() - began;
	EXPECT_GE(took, 900ms);
	EXPECT_LT(took, 20s);
	// the thread is let go: it uses nothing of ours
	std::thread reader([&] { pipe.drain(); });
	std::this_thread::sleep_for(200ms);
	pipe.giveBack();
	reader.join();
}

} // namespace snapdiff::daemon
