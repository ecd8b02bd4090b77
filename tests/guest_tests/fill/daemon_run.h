// SPDX-License-Identifier: GPL-2.0-or-later
// snapdiffd as a child that is configured, started, stopped and killed while stores fill up.
#pragma once

#include <cstddef>
#include <string>

#include <sys/types.h>

namespace snapdiff::lab {

class DaemonRun
{
public:
	// Does not start it. The configuration's lines, without a bus.
	DaemonRun(std::string program, const std::string &configuration);
	// With SIGTERM, if it still runs.
	~DaemonRun();
	DaemonRun(const DaemonRun &) = delete;
	DaemonRun &operator=(const DaemonRun &) = delete;

	void start();
	// Another configuration; SIGHUP makes a running one read it, and look at LVM anew.
	void configure(const std::string &configuration);
	void signal(int number) const;
	// Sends the signal and waits for the end: the status as of wait(2).
	int stop(int number);
	bool running() const { return pid_ > 0; }

	// Ranges that it holds ready: devices that it holds open.
	size_t reserve() const;
	bool waitForReserve(size_t ranges, int seconds) const;
	// How often its log says this.
	size_t count(const std::string &words) const;
	std::string log() const;

private:
	std::string program_;
	std::string config_;
	std::string log_;
	pid_t pid_ = -1;
};

} // namespace snapdiff::lab
