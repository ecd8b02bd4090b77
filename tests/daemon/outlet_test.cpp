// SPDX-License-Identifier: GPL-2.0-or-later
//
// The log may hang: nobody who writes to it waits, and the end of the daemon waits a second.

#include "outlet.h"
#include "util/fd.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
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

TEST(Outlet, ThatHangsKeepsNoStateFromSystemd)
{
	const std::string name = "snapdiff-outlet-" + std::to_string(getpid());
	sockaddr_un address = {};
	address.sun_family = AF_UNIX;
	std::memcpy(address.sun_path + 1, name.data(), name.size()); // an abstract name
	const Fd systemd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	ASSERT_EQ(bind(systemd.get(), reinterpret_cast<sockaddr *>(&address),
		       static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
		  0);
	setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);

	StderrPipe pipe;
	std::thread reader;
	{
		Outlet outlet(false);
		pipe.clog();
		for (int i = 0; i < 3000; i++)
			outlet.log(Priority::Info, "never read");
		for (const std::string state : {"READY=1", "WATCHDOG=1"}) {
			outlet.notify(state);
			pollfd comes = {systemd.get(), POLLIN, 0};
			ASSERT_EQ(::poll(&comes, 1, 20000), 1) << state;
			char text[64] = {};
			EXPECT_GT(recv(systemd.get(), text, sizeof(text) - 1, 0), 0);
			EXPECT_EQ(text, state);
		}
		reader = std::thread([&] { pipe.drain(); });
	}
	unsetenv("NOTIFY_SOCKET");
	pipe.giveBack();
	reader.join();
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
