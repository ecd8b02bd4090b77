// SPDX-License-Identifier: GPL-2.0-or-later
//
// Helper: connects to systemd's socket, or starts a child.

#include "helper.h"

#include "carver.h"
#include "metrics_writer.h"
#include "util/text.h"
#include "worker.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

namespace snapdiff::daemon {

namespace {

constexpr int helperSocket = STDIN_FILENO;

Result<pid_t> spawn(const std::string &program, const std::string &option, int socket)
{
	std::string name = "snapdiffd";
	std::string word = option;
	char *const argv[] = {name.data(), word.data(), nullptr};

	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&files, socket, helperSocket);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);

	// The daemon's blocked signals are not the helper's; its own group keeps a ^C
	// at a terminal away from an lvm in the middle of its work.
	sigset_t none;
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);

	pid_t pid = -1;
	const int error = posix_spawn(&pid, program.c_str(), &files, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	if (error)
		return Error(error, "start " + word);
	return pid;
}

Result<Helper> startChild(const std::string &program, const std::string &option)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return Error(errno, "make a socket");
	Fd ours(ends[0]);
	const Fd theirs(ends[1]);
	const Result<pid_t> pid = spawn(program, option, theirs.get());
	if (!pid)
		return pid.error();
	return Helper{std::move(ours), *pid};
}

Result<Helper> connectUnit(const char *path, const std::string &greeting)
{
	const std::string doing = std::string("connect to ") + path;
	sockaddr_un address = {};

	address.sun_family = AF_UNIX;
	if (std::strlen(path) >= sizeof(address.sun_path))
		return Error(ENAMETOOLONG, doing);
	std::memcpy(address.sun_path, path, std::strlen(path));
	Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (!socket.valid() || connect(socket.get(), reinterpret_cast<const sockaddr *>(&address),
				       sizeof(address)) < 0)
		return Error(errno, doing)
			.advise("\"systemctl start snapdiffd-helper.socket\" makes it.");
	// A fresh socket takes a line at once.
	if (send(socket.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL) !=
	    static_cast<ssize_t>(greeting.size()))
		return Error(errno, doing);
	return Helper{std::move(socket), -1};
}

// The first line and nothing after it, which is for whoever the helper becomes.
std::optional<std::string> readGreeting(int socket)
{
	constexpr size_t longest = 4096;
	std::string line;

	for (char letter; line.size() < longest;) {
		const ssize_t got = read(socket, &letter, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return {};
		if (letter == '\n')
			return line;
		line += letter;
	}
	return {};
}

} // namespace

Result<Helper> startHelper(const std::string &program, std::string_view role,
			   const std::string &argument)
{
	const char *path = std::getenv(helperVariable);

	if (path && *path)
		return connectUnit(path, std::string(role) + " " + argument + "\n");
	return startChild(program, "--" + std::string(role) + "=" + argument);
}

int runHelper(int socket)
{
	const auto greeting = readGreeting(socket);
	if (!greeting)
		return 1;
	const size_t blank = greeting->find(' ');
	const std::string_view role = std::string_view(*greeting).substr(0, blank);
	const std::string argument = blank == greeting->npos ? "" : greeting->substr(blank + 1);

	if (role == carverRole || role == workerRole) {
		const auto timeout = parseNumber(argument);
		if (!timeout || *timeout > UINT32_MAX)
			return 1;
		const auto lvmTimeoutMs = static_cast<unsigned>(*timeout);
		if (role == carverRole)
			return runCarver(socket, lvmTimeoutMs);
		return runWorker(socket, lvmTimeoutMs);
	}
	if (role == metricsRole)
		return runMetricsWriter(socket, argument);
	return 1;
}

} // namespace snapdiff::daemon
