// SPDX-License-Identifier: GPL-2.0-or-later
// snapdiffd as a process of the test's.
#pragma once

#include <csignal>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace snapdiff::lab {

// Changes all sectors of a device from one to before another; stops at the first error, which is a
// failure. At most 100 MB/s: the disks of the guest are the host's memory, and nothing could be
// promised of the fastest of them.
void changeSlowly(const std::string &path, uint64_t from, uint64_t to);

struct DaemonSettings
{
	std::string config;			   // text of snapdiffd.toml
	std::vector<std::string> environment = {}; // "NAME=value", besides the test's own
	std::string root = {};			   // a folder to change the root to
	std::string program = {};		   // instead of the one that was built
	std::string log = "/run/snapdiffd-test.log";
};

// What it says is in a file, by default below /run, which is a tmpfs.
class DaemonProcess
{
public:
	explicit DaemonProcess(DaemonSettings settings);
	~DaemonProcess() { stop(SIGTERM); }
	DaemonProcess(const DaemonProcess &) = delete;
	DaemonProcess &operator=(const DaemonProcess &) = delete;

	void start();
	// The status as of waitpid().
	int stop(int signal);
	// Without waiting for anything.
	void send(int signal) const;
	pid_t pid() const { return pid_; }

	std::string log() const;
	size_t count(const std::string &words) const;
	// Until the log has these words so often; a failure if it takes longer.
	bool waitFor(const std::string &words, size_t number, int seconds) const;
	// Microseconds from wake-up to accepted, sorted.
	std::vector<unsigned> latencies() const;

	static std::string builtProgram();
	static constexpr const char *configPath = "/run/snapdiffd-test.toml";

private:
	DaemonSettings settings_;
	pid_t pid_ = -1;
};

} // namespace snapdiff::lab
