// SPDX-License-Identifier: GPL-2.0-or-later
//
// FakeCarver: volume groups and volumes in memory, which outlive the daemon's parts.

#pragma once

#include "carver.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace snapdiff::daemon {

// What LVM would have on its disks.
struct FakeLvm
{
	static constexpr uint64_t extent = 8192; // 4 MiB

	struct Group
	{
		uint64_t size = 0;
		uint64_t free = 0;
		dm::DeviceNumber disk;
		bool partial = false;
	};

	void addGroup(const std::string &vg, uint64_t sectors, dm::DeviceNumber disk);
	// A tagged LV that is there already.
	CarvedVolume &addVolume(const std::string &vg, uint64_t sectors, bool ours);
	bool has(const std::string &name) const;

	// A device that could be a supply.
	struct Device
	{
		dm::DeviceNumber number;
		uint64_t sectors = 0;
		dm::DeviceNumber disk;
		std::string refusal = {}; // why it is not unused
	};

	std::map<std::string, Device> devices; // by path
	std::map<std::string, Group> groups;
	std::map<std::string, uint64_t> restOf; // free on a second disk of the group
	std::vector<CarvedVolume> volumes;
	uint32_t nextMinor = 100;
	unsigned nextName = 0;
};

class FakeCarver : public Carver
{
public:
	explicit FakeCarver(FakeLvm &lvm) : lvm_(lvm) {}

	bool busy() const override { return busy_; }
	void ask(const CarverRequest &request) override;
	bool hasReply() const override { return reply_.has_value(); }
	std::optional<CarverReply> takeReply() override;
	ClaimedDevice takeClaimed() override { return {}; }

	// Does what was asked.  Without it nothing ever comes back.
	void work();

	std::vector<CarverRequest> requests;

	// Errors for the next requests of a kind; 0 lets one pass.
	std::map<CarverRequest::Kind, std::deque<int>> errors;
	// A VG on which every carve fails so.
	std::map<std::string, int> brokenGroups;

	// Called before and after the work; may throw to play a SIGKILL.
	std::function<void()> onWork;

private:
	CarverReply carry(const CarverRequest &request);
	CarverReply carve(const CarverRequest &request);
	CarverReply remove(const CarverRequest &request);
	CarverReply prove(const CarverRequest &request) const;
	CarverReply list(const CarverRequest &request) const;

	FakeLvm &lvm_;
	bool busy_ = false;
	CarverRequest request_;
	std::optional<CarverReply> reply_;
};

} // namespace snapdiff::daemon
