// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon as a process of a test.
#include "support/daemon_run.h"

#include "harness/patience.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::lab {

static constexpr const char *configFile = "/tmp/snapdiffd-run.toml";
static constexpr const char *logFile = "/tmp/snapdiffd-run.log";

DaemonRun::DaemonRun(std::string program) : program_(std::move(program))
{
	unlink(logFile);
}

void DaemonRun::configure(const std::string &lines)
{
	std::ofstream(configFile) << "bus = \"unix:path=/nonexistent\"\nreturn_after = 1\n"
				  << lines;
}

void DaemonRun::start()
{
	pid_ = fork();
	if (pid_ != 0)
		return;
	const int fd = open(logFile, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDERR_FILENO);
	execl(program_.c_str(), "snapdiffd", "--config", configFile, nullptr);
	_exit(127);
}

bool DaemonRun::ended()
{
	if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_)
		pid_ = -1;
	return pid_ <= 0;
}

bool DaemonRun::stop()
{
	if (pid_ <= 0)
		return true;
	::kill(pid_, SIGTERM);
	for (int i = 0; i < 200 * patience(); i++) {
		int status = 0;
		if (waitpid(pid_, &status, WNOHANG) == pid_) {
			pid_ = -1;
			return status == 0;
		}
		usleep(100'000);
	}
	kill();
	return false;
}

void DaemonRun::kill()
{
	if (pid_ <= 0)
		return;
	::kill(pid_, SIGKILL);
	waitpid(pid_, nullptr, 0);
	pid_ = -1;
}

std::string DaemonRun::log() const
{
	std::ostringstream text;
	text << std::ifstream(logFile).rdbuf();
	return text.str();
}

bool DaemonRun::hasSaid(const std::string &words) const
{
	return log().find(words, from_) != std::string::npos;
}

bool DaemonRun::says(const std::string &words, int seconds) const
{
	for (int i = 0; i < seconds * 10 * patience(); i++) {
		if (hasSaid(words))
			return true;
		usleep(100'000);
	}
	ADD_FAILURE() << "waited in vain for: " << words << "\n" << log();
	return false;
}

std::set<std::string> DaemonRun::openDevices() const
{
	namespace fs = std::filesystem;
	std::set<std::string> found;
	std::error_code error;

	for (fs::directory_iterator entry("/proc/" + std::to_string(pid_) + "/fd", error);
	     !error && entry != fs::directory_iterator(); entry.increment(error)) {
		struct stat info = {};
		if (stat(entry->path().c_str(), &info) == 0 && S_ISBLK(info.st_mode))
			found.insert(std::to_string(major(info.st_rdev)) + ":" +
				     std::to_string(minor(info.st_rdev)));
	}
	return found;
}

} // namespace snapdiff::lab
