// SPDX-License-Identifier: GPL-2.0-or-later
// snapdiffd as a process of the test's, and a writer that it can keep up with.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

namespace snapdiff::lab {

// Changes all sectors of a device from one to before another; stops at the first error, which is a
// failure. At most 100 MB/s: the disks of the guest are the host's memory, and nothing could be
// promised of the fastest of them.
void changeSlowly(const std::string &path, uint64_t from, uint64_t to);

struct DaemonSettings
{
	std::string config = {};		   // as of configure()
	std::vector<std::string> environment = {}; // "NAME=value", besides the test's own
	std::string root = {};			   // a folder to change the root to
	std::string program = {};		   // instead of the one that was built
	std::string log = "/run/snapdiffd-test.log";
};

// What it says is in a file, by default below /run, which is a tmpfs. One that runs ends with the
// object. Waits end after so many seconds of a quiet machine (harness/patience.h).
class DaemonProcess
{
public:
	explicit DaemonProcess(DaemonSettings settings);
	~DaemonProcess();
	DaemonProcess(const DaemonProcess &) = delete;
	DaemonProcess &operator=(const DaemonProcess &) = delete;

	// The lines of its configuration, besides that it finds no bus. SIGHUP makes one that runs
	// read them, and look at LVM anew; also one that has not got so far as to listen.
	void configure(const std::string &lines) const;
	void start();
	// Sends the signal and waits for the end: the status as of waitpid(2), 0 if it did not run.
	// Also ends one that was stopped with SIGSTOP, and with SIGKILL one that does not want to.
	int stop(int signal);
	// Sends it without waiting for anything.
	void send(int signal) const;
	// True if it does not run, or not any more. Does not wait.
	bool ended();
	pid_t pid() const { return pid_; }

	// What it said since the last startOver(), and how often it said this.
	std::string log() const;
	size_t count(const std::string &words) const;
	void startOver() { from_ += log().size(); }
	// Until it has said this so often; a failure of the test, and false, if it takes longer.
	bool waitFor(const std::string &words, size_t number = 1, int seconds = 60) const;
	// Microseconds from wake-up to accepted, sorted.
	std::vector<unsigned> latencies() const;

	// "253:4" of every block device that it has open, as all that is in its reserve.
	std::set<std::string> openDevices() const;
	// Until it has so many of them open; a failure of the test, and false, if it takes longer.
	bool waitForReserve(size_t ranges, int seconds) const;

	static std::string builtProgram();

private:
	bool isRunning() const { return pid_ > 0; }
	[[noreturn]] void become();

	DaemonSettings settings_;
	pid_t pid_ = -1;
	size_t from_ = 0; // where in the file the log begins
};

} // namespace snapdiff::lab
