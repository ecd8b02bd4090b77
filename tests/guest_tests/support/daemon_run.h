// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon as a process of a test.
#pragma once

#include <set>
#include <string>

#include <sys/types.h>

namespace snapdiff::lab {

// One that runs ends with the object.
class DaemonRun
{
public:
	explicit DaemonRun(std::string program);
	~DaemonRun() { stop(); }
	DaemonRun(const DaemonRun &) = delete;
	DaemonRun &operator=(const DaemonRun &) = delete;

	// Lines of the configuration, besides those that every test wants.
	void configure(const std::string &lines);
	void start();
	// SIGTERM, and SIGKILL if that does not help. True: it ended by itself, with status 0.
	bool stop();
	void kill();
	// It ended: collects it. False: it runs.
	bool ended();
	pid_t pid() const { return pid_; }

	std::string log() const;
	// False, and a failure of the test, if these words are not said in time; from where the
	// last startOver() was.
	bool says(const std::string &words, int seconds = 60) const;
	bool hasSaid(const std::string &words) const;
	void startOver() { from_ = log().size(); }

	// "253:4" of every block device that the process has open.
	std::set<std::string> openDevices() const;

private:
	std::string program_;
	pid_t pid_ = -1;
	size_t from_ = 0;
};

} // namespace snapdiff::lab
