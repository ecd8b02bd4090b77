// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon as a process of a test, and volume groups for it to carve from.
#pragma once

#include "harness/disk.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

namespace snapdiff::lab {

// A volume group on slices of disks; not at a disk's beginning, where LVM would find it twice.
class Group
{
public:
	Group(std::string name, const std::vector<int> &disks, uint64_t sectorsEach);
	~Group();
	Group(const Group &) = delete;
	Group &operator=(const Group &) = delete;

	const std::string &name() const { return name_; }
	Disk &slice(size_t index) { return *slices_.at(index); }

private:
	std::string name_;
	std::vector<std::unique_ptr<Disk>> before_;
	std::vector<std::unique_ptr<Disk>> slices_;
};

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
