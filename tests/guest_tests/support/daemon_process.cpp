// SPDX-License-Identifier: GPL-2.0-or-later
// snapdiffd as a process of the test's.
#include "support/daemon_process.h"

#include "harness/block_device.h"
#include "harness/disk.h"
#include "harness/patience.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

constexpr const char *configFile = "/run/snapdiffd-test.toml";

// Looks every 0.1 s, for so many seconds of a quiet machine.
template<class Condition>
bool waitUntil(int seconds, Condition condition)
{
	for (int i = 0; i < seconds * 10 * patience(); i++) {
		if (condition())
			return true;
		usleep(100'000);
	}
	return false;
}

} // namespace

void changeSlowly(const std::string &path, uint64_t from, uint64_t to)
{
	const BlockDevice device(path);
	const Buffer buffer(mib, 0x5a);
	for (uint64_t at = from; at < to; at += mib) {
		ASSERT_EQ(device.write(at, buffer), 0) << "sector " << at;
		usleep(10'000);
	}
}

DaemonProcess::DaemonProcess(DaemonSettings settings) : settings_(std::move(settings))
{
	unlink(settings_.log.c_str());
	configure(settings_.config);
}

DaemonProcess::~DaemonProcess()
{
	stop(SIGTERM);
}

std::string DaemonProcess::builtProgram()
{
	return SNAPDIFFD;
}

void DaemonProcess::configure(const std::string &lines) const
{
	std::ofstream(configFile) << "bus = \"unix:path=/nonexistent\"\n" << lines;
	send(SIGHUP);
}

void DaemonProcess::start()
{
	// A SIGHUP that comes before the daemon listens waits for it instead of ending it: blocked
	// already here, since it may come as soon as there is a process.
	sigset_t reload;
	sigset_t before;
	sigemptyset(&reload);
	sigaddset(&reload, SIGHUP);
	sigprocmask(SIG_BLOCK, &reload, &before);
	pid_ = fork();
	if (pid_ == 0)
		become();
	sigprocmask(SIG_SETMASK, &before, nullptr);
}

void DaemonProcess::become()
{
	const std::string program = settings_.program.empty() ? builtProgram() : settings_.program;
	const int fd = open(settings_.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	dup2(fd, STDERR_FILENO);
	for (std::string &variable : settings_.environment)
		putenv(variable.data());
	if (!settings_.root.empty() && (chroot(settings_.root.c_str()) < 0 || chdir("/") < 0))
		_exit(126);
	execl(program.c_str(), "snapdiffd", "--config", configFile, nullptr);
	_exit(127);
}

int DaemonProcess::stop(int signal)
{
	int status = 0;
	const auto collected = [&] { return waitpid(pid_, &status, WNOHANG) == pid_; };

	if (!isRunning())
		return status;
	send(signal);
	// One that is stopped would never see it.
	send(SIGCONT);
	if (signal == SIGKILL || !waitUntil(20, collected)) {
		send(SIGKILL);
		waitpid(pid_, &status, 0);
	}
	pid_ = -1;
	return status;
}

void DaemonProcess::send(int signal) const
{
	if (isRunning())
		kill(pid_, signal);
}

bool DaemonProcess::ended()
{
	if (isRunning() && waitpid(pid_, nullptr, WNOHANG) == pid_)
		pid_ = -1;
	return !isRunning();
}

std::string DaemonProcess::log() const
{
	std::ostringstream text;
	text << std::ifstream(settings_.log).rdbuf();
	return text.str().substr(from_);
}

size_t DaemonProcess::count(const std::string &words) const
{
	const std::string text = log();
	size_t number = 0;
	for (size_t at = 0; (at = text.find(words, at)) != text.npos; at += words.size())
		number++;
	return number;
}

bool DaemonProcess::waitFor(const std::string &words, size_t number, int seconds) const
{
	if (waitUntil(seconds, [&] { return count(words) >= number; }))
		return true;
	ADD_FAILURE() << "waited in vain for: " << words << "\n" << log();
	return false;
}

std::vector<unsigned> DaemonProcess::latencies() const
{
	std::vector<unsigned> found;
	std::istringstream lines(log());
	for (std::string line; std::getline(lines, line);)
		if (const size_t at = line.find(" within "); at != line.npos)
			found.push_back(static_cast<unsigned>(
				std::strtoul(line.c_str() + at + 8, nullptr, 10)));
	std::sort(found.begin(), found.end());
	return found;
}

std::set<std::string> DaemonProcess::openDevices() const
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

bool DaemonProcess::waitForReserve(size_t ranges, int seconds) const
{
	if (waitUntil(seconds, [&] { return openDevices().size() >= ranges; }))
		return true;
	ADD_FAILURE() << openDevices().size() << " of " << ranges << " ranges are in reserve\n"
		      << log();
	return false;
}

} // namespace snapdiff::lab
