// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runner: runs another program.  No shell, no terminal, bounded in time and output.

#include "util/run.h"

#include "util/clock.h"
#include "util/fd.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

// glibc 2.36 forgets to say that this is C.
extern "C" {
#include <sys/pidfd.h>
}

namespace snapdiff {

namespace {

struct Pipe
{
	Fd read;
	Fd write;
};

Result<Pipe> makePipe()
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return Error(errno, "make a pipe");
	Pipe pipe{Fd(ends[0]), Fd(ends[1])};
	// Only our end: a program may not expect EAGAIN from its standard output.
	if (fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) < 0)
		return Error(errno, "make a pipe");
	return pipe;
}

Result<std::string> findProgram(const std::string &name)
{
	constexpr std::array<const char *, 4> folders = {"/usr/sbin/", "/usr/bin/", "/sbin/",
							 "/bin/"};

	if (name.find('/') != name.npos)
		return name;
	for (const char *folder : folders) {
		std::string path = folder + name;
		if (access(path.c_str(), X_OK) == 0)
			return path;
	}
	return Error(ENOENT, "run " + name, "no such program in /usr/sbin, /usr/bin, /sbin, /bin");
}

std::vector<char *> pointers(std::vector<std::string> &words)
{
	std::vector<char *> list;
	list.reserve(words.size() + 1);
	for (std::string &word : words)
		list.push_back(word.data());
	list.push_back(nullptr);
	return list;
}

// Owns the two structs of posix_spawn.
struct SpawnPlan
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;

	SpawnPlan()
	{
		posix_spawn_file_actions_init(&files);
		posix_spawnattr_init(&attributes);
	}
	~SpawnPlan()
	{
		posix_spawnattr_destroy(&attributes);
		posix_spawn_file_actions_destroy(&files);
	}
	SpawnPlan(const SpawnPlan &) = delete;
	SpawnPlan &operator=(const SpawnPlan &) = delete;
};

Result<pid_t> spawn(const std::string &program, const Command &command, int out, int err)
{
	std::vector<std::string> argv = command.argv;
	std::vector<std::string> environment = command.environment;
	environment.emplace_back("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	environment.emplace_back("LC_ALL=C.UTF-8");

	SpawnPlan plan;
	posix_spawn_file_actions_addopen(&plan.files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&plan.files, out, 1);
	posix_spawn_file_actions_adddup2(&plan.files, err, 2);
	posix_spawn_file_actions_addclosefrom_np(&plan.files, 3);

	// A group of its own, so that a time-out reaches what it started as well; and
	// signals as a program expects them, whatever our caller blocks or ignores.
	sigset_t none;
	sigset_t all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setpgroup(&plan.attributes, 0);
	posix_spawnattr_setsigmask(&plan.attributes, &none);
	posix_spawnattr_setsigdefault(&plan.attributes, &all);
	posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
							   POSIX_SPAWN_SETSIGDEF);

	pid_t pid = -1;
	const int error = posix_spawn(&pid, program.c_str(), &plan.files, &plan.attributes,
				      pointers(argv).data(), pointers(environment).data());
	if (error)
		return Error(error, "run " + program);
	return pid;
}

// A started program; its end means that its group is killed and waited for, but not for
// long: a process that a disk keeps in the kernel ends when the disk answers.
class Child
{
public:
	Child(pid_t pid, std::vector<pid_t> &leftBehind)
		: pid_(pid), pidfd_(pidfd_open(pid, 0)), leftBehind_(leftBehind)
	{
	}
	~Child()
	{
		constexpr int endMs = 1000;

		if (pid_ <= 0)
			return;
		kill(-pid_, SIGKILL);
		pollfd end = {pidfd_.get(), POLLIN, 0};
		if (pidfd_.valid() && poll(&end, 1, endMs) == 0)
			leftBehind_.push_back(pid_);
		else
			(void)collect();
	}
	Child(const Child &) = delete;
	Child &operator=(const Child &) = delete;

	int pidfd() const { return pidfd_.get(); }

	int collect()
	{
		int status = 0;
		while (waitpid(pid_, &status, 0) < 0 && errno == EINTR)
			;
		pid_ = -1;
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}

private:
	pid_t pid_;
	Fd pidfd_;
	std::vector<pid_t> &leftBehind_;
};

// Reads what is there.  False: the other end is closed, or reading fails.
bool drain(int fd, std::string &text, size_t limit)
{
	char buffer[16384];
	for (;;) {
		const ssize_t got = read(fd, buffer, sizeof(buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 && errno == EAGAIN;
		text.append(buffer, static_cast<size_t>(got));
		if (text.size() > limit)
			return true;
	}
}

Result<Finished> follow(Child &child, const Command &command, Pipe &out, Pipe &err)
{
	const std::string doing = "run " + command.argv[0];
	const SystemClock clock;
	const int64_t deadline = clock.monotonicNs() + int64_t{command.timeoutMs} * 1'000'000;
	Finished finished;

	for (;;) {
		const int64_t left = (deadline - clock.monotonicNs() + 999'999) / 1'000'000;
		if (left <= 0)
			return Error(ETIMEDOUT, doing,
				     "not done after " + std::to_string(command.timeoutMs) +
					     " ms; it was killed");
		std::array<pollfd, 3> waits = {{{out.read.get(), POLLIN, 0},
						{err.read.get(), POLLIN, 0},
						{child.pidfd(), POLLIN, 0}}};
		if (poll(waits.data(), waits.size(), static_cast<int>(left)) < 0 && errno != EINTR)
			return Error(errno, doing);

		// The exit is looked at first: what it wrote before is then all there.
		// Pipes that a daemon of its holds open are not waited for.
		const bool ended = waits[2].revents != 0;
		if (out.read.valid() && !drain(out.read.get(), finished.out, command.outputLimit))
			out.read.reset();
		if (err.read.valid() && !drain(err.read.get(), finished.err, command.outputLimit))
			err.read.reset();
		if (finished.out.size() > command.outputLimit ||
		    finished.err.size() > command.outputLimit)
			return Error(EFBIG, doing, "it printed more than expected and was killed");
		if (ended) {
			finished.code = child.collect();
			return finished;
		}
	}
}

} // namespace

Result<Finished> SystemRunner::run(const Command &command)
{
	Result<std::string> program = findProgram(command.argv.at(0));
	if (!program)
		return std::move(program).error();
	Result<Pipe> out = makePipe();
	Result<Pipe> err = makePipe();
	if (!out || !err)
		return std::move(out ? err : out).error().within("run " + command.argv[0]);

	Result<pid_t> pid = spawn(*program, command, out->write.get(), err->write.get());
	if (!pid)
		return std::move(pid).error();
	std::erase_if(leftBehind_, [](pid_t left) { return waitpid(left, nullptr, WNOHANG) != 0; });
	Child child(*pid, leftBehind_);
	if (child.pidfd() < 0)
		return Error(errno, "run " + command.argv[0]);
	out->write.reset();
	err->write.reset();
	return follow(child, command, *out, *err);
}

std::string commandLine(const Command &command)
{
	constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789_@%+=:,./-";
	std::string line;

	for (const std::string &word : command.argv) {
		if (!line.empty())
			line += ' ';
		if (!word.empty() && word.find_first_not_of(plain) == word.npos) {
			line += word;
			continue;
		}
		line += '\'';
		for (const char c : word)
			line += c == '\'' ? std::string("'\\''") : std::string(1, c);
		line += '\'';
	}
	return line;
}

} // namespace snapdiff
