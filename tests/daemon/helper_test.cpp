// SPDX-License-Identifier: GPL-2.0-or-later
//
// Helpers: over a socket of systemd's when there is one, as child processes otherwise.

#include "helper.h"

#include "carver_process.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::daemon {
namespace {

// A socket as systemd's: each connection becomes "snapdiffd --helper".
class Units
{
public:
	Units()
	{
		char name[] = "/tmp/snapdiff-helper.XXXXXX";
		folder_ = mkdtemp(name);
		sockaddr_un address = {};
		address.sun_family = AF_UNIX;
		std::memcpy(address.sun_path, path().c_str(), path().size());
		listener_ = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
		EXPECT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr *>(&address),
			       sizeof(address)),
			  0);
		EXPECT_EQ(listen(listener_.get(), 8), 0);
		setenv(helperVariable, path().c_str(), 1);
	}
	~Units()
	{
		unsetenv(helperVariable);
		std::filesystem::remove_all(folder_);
	}
	Units(const Units &) = delete;
	Units &operator=(const Units &) = delete;

	std::string path() const { return folder_ + "/helper"; }

	// Starts the unit of the next connection.
	pid_t serve() const
	{
		const Fd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
		const pid_t pid = fork();
		if (pid == 0) {
			dup2(connection.get(), STDIN_FILENO);
			execl(SNAPDIFFD, "snapdiffd", "--helper", nullptr);
			_exit(127);
		}
		return pid;
	}

private:
	std::string folder_;
	Fd listener_;
};

int statusOf(pid_t pid)
{
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Helpers, AreUnitsWhereSystemdListensAndEndWhenTheDaemonClosesTheConnection)
{
	const Units units;
	pid_t pid = -1;
	{
		CarverProcess carver("/nonexistent", 1000);
		std::thread unit([&] { pid = units.serve(); });
		CarverRequest request;
		request.kind = CarverRequest::Kind::Volumes;
		carver.ask(request);
		unit.join();
		for (int i = 0; i < 1000 && !carver.hasReply(); i++) {
			pollfd wait = {carver.fd(), POLLIN, 0};
			if (poll(&wait, 1, 10) > 0)
				carver.readable();
		}
		// Whether there is an lvm here or not, it is an answer.
		ASSERT_TRUE(carver.hasReply());
	}
	EXPECT_EQ(statusOf(pid), 0);
}

TEST(Helpers, ASocketThatNobodyListensToIsAFailureWithANextStepAndNoChildIsStarted)
{
	setenv(helperVariable, "/nonexistent/helper", 1);
	const Result<Helper> helper = startHelper(SNAPDIFFD, carverRole, "1000");
	unsetenv(helperVariable);
	ASSERT_FALSE(helper);
	EXPECT_NE(helper.error().message().find("/nonexistent/helper"), std::string::npos);
	EXPECT_FALSE(helper.error().next().empty());
}

TEST(Helpers, AreChildrenWhereNobodyElseStartsThem)
{
	Result<Helper> helper = startHelper(SNAPDIFFD, carverRole, "1000");
	ASSERT_TRUE(helper);
	ASSERT_GT(helper->pid, 0);
	helper->socket.reset();
	EXPECT_EQ(statusOf(helper->pid), 0);
}

TEST(Helpers, AUnitThatIsToldNonsenseEnds)
{
	for (const char *greeting : {"cook 1000\n", "carver soon\n", "carver\n", ""}) {
		const Units units;
		Fd ours(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
		sockaddr_un address = {};
		address.sun_family = AF_UNIX;
		std::memcpy(address.sun_path, units.path().c_str(), units.path().size());
		ASSERT_EQ(connect(ours.get(), reinterpret_cast<const sockaddr *>(&address),
				  sizeof(address)),
			  0);
		ASSERT_EQ(write(ours.get(), greeting, std::strlen(greeting)),
			  static_cast<ssize_t>(std::strlen(greeting)));
		const pid_t pid = units.serve();
		if (!*greeting)
			ours.reset();
		EXPECT_EQ(statusOf(pid), 1) << greeting;
	}
}

} // namespace
} // namespace snapdiff::daemon
