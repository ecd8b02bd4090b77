// SPDX-License-Identifier: GPL-2.0-or-later
//
// FakeKernel: stores with capacity, fill and low water as levels, for tests without
// device-mapper.  It refuses what the kernel refuses, and remembers every range that
// it was ever given, so that a range given twice is found.

#pragma once

#include "dm/device_mapper.h"
#include "kernel.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace snapdiff::daemon {

struct FakeStore
{
	std::string name;
	dm::StoreStatus status;
	uint32_t eventNr = 1;
	std::vector<std::string> messages;

	const dm::Summary &summary() const { return status.summary; }
};

class FakeKernel : public Kernel
{
public:
	// A store with one range of so many sectors.
	FakeStore &addStore(dm::DeviceNumber number, const std::string &name, uint64_t capacity,
			    uint64_t lowWater);
	void removeStore(dm::DeviceNumber number);
	FakeStore &store(dm::DeviceNumber number) { return stores.at(number); }

	// Takes free sectors; what does not fit undoes shrinks, and then is held.
	void fill(dm::DeviceNumber number, uint64_t sectors);

	// A delete: so many sectors are free again, from the oldest ranges on.
	void release(dm::DeviceNumber number, uint64_t sectors);

	// Begins or undoes a shrink; 0 or an errno.
	int shrink(FakeStore &store, std::string_view words);
	// Moves up to so many sectors out of shrinking ranges; those that are empty go.
	void evacuate(dm::DeviceNumber number, uint64_t sectors);

	void setLowWater(FakeStore &store, uint64_t sectors);

	// Kernel
	int fd() const override { return -1; }
	int armPoll() override;
	int visitDevices(DeviceVisitor &visitor) override;
	int summary(dm::DeviceNumber store, dm::Summary &summary) override;
	int message(dm::DeviceNumber store, std::string_view text) override;
	int64_t now() const override { return nowNs; }
	Result<> grow() override;

	std::map<dm::DeviceNumber, FakeStore> stores;
	std::map<dm::DeviceNumber, std::string> otherDevices;
	std::set<dm::DeviceNumber> missingDevices; // an extend with one of them gets ENODEV
	std::deque<int> extendErrors;		   // for the next extends, before anything else
	int listError = 0;
	int64_t nowNs = 1'000'000'000;
	int64_t extendNs = 100'000; // how long an extend takes
	unsigned arms = 0;
	unsigned summaries = 0;
	unsigned grown = 0;

	// Called before every call; may throw to play a SIGKILL.
	std::function<void()> onCall;

private:
	int extend(FakeStore &store, std::string_view words);
	uint64_t place(FakeStore &store, uint64_t sectors);
	void settle(FakeStore &store);
	void called();
};

// The same stores for what libdevmapper is used for.
class FakeDeviceMapper : public dm::DeviceMapper
{
public:
	explicit FakeDeviceMapper(FakeKernel &kernel) : kernel_(kernel) {}

	Result<std::optional<dm::TargetVersion>> targetVersion(const std::string &target) override;
	Result<std::vector<dm::Device>> devices() override;
	Result<dm::DeviceInfo> info(const std::string &name) override;
	Result<dm::DeviceInfo> info(dm::DeviceNumber number) override;
	Result<dm::Table> table(const std::string &name, bool inactive) override;
	Result<dm::Table> status(const std::string &name) override;
	Result<std::vector<dm::DeviceNumber>> dependencies(const std::string &name) override;
	Result<> create(const dm::NewDevice &device) override;
	Result<> load(const std::string &name, const dm::Table &table, bool readOnly) override;
	Result<> clear(const std::string &name) override;
	Result<> resume(const std::string &name, dm::Visibility visibility) override;
	Result<> remove(const std::string &name) override;
	Result<std::string> message(const std::string &name, const std::string &text) override;
	Result<uint32_t> wait(const std::string &name, uint32_t lastEvent) override;

	int shrinkError = 0; // for every shrink
	uint32_t moduleMajor = 1;
	bool moduleLoaded = true;

private:
	FakeStore *find(const std::string &name);

	FakeKernel &kernel_;
};

} // namespace snapdiff::daemon
