// SPDX-License-Identifier: GPL-2.0-or-later
// snapdiffd as a process of the test's.
#include "support/daemon_process.h"

#include "harness/block_device.h"
#include "harness/disk.h"
#include "harness/patience.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::lab {

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
	std::ofstream(configPath) << settings_.config;
	unlink(settings_.log.c_str());
}

std::string DaemonProcess::builtProgram()
{
	return SNAPDIFFD;
}

void DaemonProcess::start()
{
	const std::string program = settings_.program.empty() ? builtProgram() : settings_.program;

	pid_ = fork();
	if (pid_ != 0)
		return;
	const int fd = open(settings_.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDERR_FILENO);
	for (std::string &variable : settings_.environment)
		putenv(variable.data());
	if (!settings_.root.empty() && (chroot(settings_.root.c_str()) < 0 || chdir("/") < 0))
		_exit(126);
	execl(program.c_str(), "snapdiffd", "--config", configPath, nullptr);
	_exit(127);
}

int DaemonProcess::stop(int signal)
{
	if (pid_ <= 0)
		return 0;
	int status = 0;
	kill(pid_, signal);
	waitpid(pid_, &status, 0);
	pid_ = -1;
	return status;
}

void DaemonProcess::send(int signal) const
{
	if (pid_ > 0)
		kill(pid_, signal);
}

std::string DaemonProcess::log() const
{
	std::ostringstream text;
	text << std::ifstream(settings_.log).rdbuf();
	return text.str();
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
	for (int i = 0; i < seconds * 10 * patience(); i++) {
		if (count(words) >= number)
			return true;
		usleep(100'000);
	}
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

} // namespace snapdiff::lab
