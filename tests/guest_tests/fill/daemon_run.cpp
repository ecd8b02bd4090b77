// SPDX-License-Identifier: GPL-2.0-or-later
// snapdiffd as a child.

#include "fill/daemon_run.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::lab {

DaemonRun::DaemonRun(std::string program, const std::string &configuration)
	: program_(std::move(program)), config_("/tmp/snapdiffd-fill.toml"),
	  log_("/tmp/snapdiffd-fill.log")
{
	unlink(log_.c_str());
	configure(configuration);
}

DaemonRun::~DaemonRun()
{
	if (!running())
		return;
	// A stopped one would never see it.
	signal(SIGCONT);
	stop(SIGTERM);
}

void DaemonRun::configure(const std::string &configuration)
{
	std::ofstream(config_) << configuration << "bus = \"unix:path=/nonexistent\"\n";
	if (running())
		signal(SIGHUP);
}

void DaemonRun::start()
{
	// A SIGHUP that comes before the daemon listens waits for it instead of ending it: blocked
	// already here, since it may come as soon as there is a process.
	sigset_t reload;
	sigset_t before;
	sigemptyset(&reload);
	sigaddset(&reload, SIGHUP);
	sigprocmask(SIG_BLOCK, &reload, &before);
	pid_ = fork();
	if (pid_ != 0) {
		sigprocmask(SIG_SETMASK, &before, nullptr);
		return;
	}
	const int fd = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDERR_FILENO);
	execl(program_.c_str(), "snapdiffd", "--config", config_.c_str(), nullptr);
	_exit(127);
}

void DaemonRun::signal(int number) const
{
	if (running())
		kill(pid_, number);
}

int DaemonRun::stop(int number)
{
	int status = 0;
	if (!running())
		return status;
	kill(pid_, number);
	waitpid(pid_, &status, 0);
	pid_ = -1;
	return status;
}

size_t DaemonRun::reserve() const
{
	std::set<std::string> ranges;
	std::error_code error;
	const std::string folder = "/proc/" + std::to_string(pid_) + "/fd";
	for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
	     at.increment(error)) {
		std::error_code gone;
		const auto path = std::filesystem::read_symlink(at->path(), gone);
		if (!gone && path.native().starts_with("/dev/dm-"))
			ranges.insert(path);
	}
	return ranges.size();
}

bool DaemonRun::waitForReserve(size_t ranges, int seconds) const
{
	for (int i = 0; i < seconds * 10; i++) {
		if (reserve() >= ranges)
			return true;
		std::this_thread::sleep_for(std::chrono::milliseconds(100));
	}
	ADD_FAILURE() << "no " << ranges << " ranges in reserve after " << seconds << " s\n"
		      << log();
	return false;
}

std::string DaemonRun::log() const
{
	std::ostringstream text;
	text << std::ifstream(log_).rdbuf();
	return text.str();
}

size_t DaemonRun::count(const std::string &words) const
{
	const std::string text = log();
	size_t number = 0;
	for (size_t at = 0; (at = text.find(words, at)) != text.npos; at += words.size())
		number++;
	return number;
}

} // namespace snapdiff::lab
