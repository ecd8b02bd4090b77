// SPDX-License-Identifier: GPL-2.0-or-later
// The peers: dm-snapshot and dm-thin under LVM.

#include "peers.h"

#include "support/command.h"
#include "support/dm_control.h"

#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <stdexcept>

#include <sys/types.h>

namespace snapdiff::bench {

namespace {

constexpr const char *localConfiguration = "/etc/lvm/lvmlocal.conf";
constexpr const char *pidFile = "/run/dmeventd.pid";

// The words of a device's status, without start, length and target.
std::string statusOf(const std::string &device)
{
	static const lab::DmControl control;
	std::string text;
	const int error = control.read(device, lab::DmControl::Text::Status, text);
	if (error)
		throw lab::DmError("status of " + device, error);
	std::istringstream words(text);
	std::string skipped;
	words >> skipped >> skipped >> skipped >> std::ws;
	std::getline(words, text);
	return text;
}

bool overThreshold(uint64_t used, uint64_t size)
{
	return used * 100 >= size * threshold;
}

} // namespace

Dmeventd::Dmeventd()
{
	const std::string wanted = std::to_string(threshold);
	std::ofstream(localConfiguration) << "activation {\n"
					     "	monitoring = 1\n"
					     "	snapshot_autoextend_threshold = "
					  << wanted
					  << "\n	snapshot_autoextend_percent = 20\n"
					     "	thin_pool_autoextend_threshold = "
					  << wanted
					  << "\n	thin_pool_autoextend_percent = 20\n"
					     "}\n";
}

Dmeventd::~Dmeventd()
{
	std::ofstream(localConfiguration).flush();
	pid_t pid = 0;
	if (std::ifstream(pidFile) >> pid && pid > 1)
		kill(pid, SIGTERM);
}

LvmSnapshot::LvmSnapshot(const lab::VolumeGroup &group, unsigned originMib, unsigned snapshotMib,
			 unsigned chunkKib)
	: group_(group.name())
{
	lab::runCommand("lvcreate -q -y -Wy -L " + std::to_string(originMib) + "m -n base " +
			group_ + " " + group.slice(0).path());
	lab::runCommand("lvcreate -q -y -s -c " + std::to_string(chunkKib) + "k -L " +
			std::to_string(snapshotMib) + "m -n snap " + group_ + "/base " +
			group.slice(1).path());
	// Otherwise its split boundary is stale: it would copy too little and look fast.
	lab::runCommand("dmsetup suspend " + group_ + "-base");
	lab::runCommand("dmsetup resume " + group_ + "-base");
	const std::string monitored =
		lab::runCommand("lvs --noheadings -o seg_monitor " + group_ + "/snap");
	EXPECT_NE(monitored.find("monitored"), monitored.npos)
		<< "dmeventd does not watch the snapshot: " << monitored;
}

LvmSnapshot::~LvmSnapshot()
{
	lab::runCommand("lvremove -q -ff -y " + group_ + "/base");
}

// "USED/SIZE METADATA", "Invalid", "Overflow" or "Merge failed".
Space LvmSnapshot::space() const
{
	const std::string text = statusOf(group_ + "-snap");
	std::istringstream words(text);
	uint64_t used = 0;
	uint64_t size = 0;
	char slash = 0;
	if (!(words >> used >> slash >> size) || slash != '/')
		return {.lost = true};
	return {.size = size, .low = overThreshold(used, size)};
}

LvmThin::LvmThin(const lab::VolumeGroup &group, unsigned volumeMib, unsigned poolMib)
	: group_(group.name())
{
	lab::runCommand("lvcreate -q -y -c 64k -L " + std::to_string(poolMib) +
			"m --type thin-pool -n pool " + group_ + " " + group.slice(1).path());
	lab::runCommand("lvcreate -q -y -V " + std::to_string(volumeMib) + "m --thinpool pool" +
			" -n thin " + group_);
}

LvmThin::~LvmThin()
{
	lab::runCommand("lvremove -q -ff -y " + group_ + "/pool");
}

// "TRANSACTION USED/TOTAL (metadata) USED/TOTAL (data, chunks) ROOT rw ..."
Space LvmThin::space() const
{
	const std::string text = statusOf(group_ + "-pool-tpool");
	std::istringstream words(text);
	std::string transaction;
	std::string metadata;
	uint64_t used = 0;
	uint64_t size = 0;
	char slash = 0;
	if (!(words >> transaction >> metadata >> used >> slash >> size) || slash != '/')
		throw std::runtime_error("not a thin pool's status: " + text);
	return {.size = size, .low = overThreshold(used, size), .lost = used == size};
}

} // namespace snapdiff::bench
