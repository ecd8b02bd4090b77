// SPDX-License-Identifier: GPL-2.0-or-later
// Store, origin and image as objects that live in scopes: each makes its device, checks what must
// always hold, and takes itself down in the order that makes sense.
#pragma once

#include "harness/block_device.h"
#include "harness/disk.h"
#include "harness/dm_device.h"
#include "harness/kernel_log.h"
#include "harness/patience.h"
#include "support/status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace snapdiff::lab {

struct StoreOptions
{
	uint32_t chunk = 8;
	uint64_t lowWater = 0;
	// Longer than any test waits for a write that something else must release.
	uint32_t holdMs = 600000;
	uint32_t stallMs = 30000;
	uint32_t buffer = 131072;
	// As in the table: "full=drop-all discard=copy".
	std::string features = {};
};

// Words of a range as a table and the message extend want them.
std::string rangeWords(const Disk &disk, uint64_t start, uint64_t length,
		       const std::string &group = "0");
std::string rangeWords(const Disk &disk);

std::string storeTable(const StoreOptions &options, const std::vector<std::string> &ranges);

class Store
{
public:
	Store(const StoreOptions &options, const std::vector<std::string> &ranges);
	// Checks the accounting, then removes the device.
	~Store();
	Store(const Store &) = delete;
	Store &operator=(const Store &) = delete;

	DmDevice &device() { return device_; }
	const DmDevice &device() const { return device_; }
	const std::string &number() const { return number_; }
	const StoreOptions &options() const { return options_; }

	StoreStatus status() const;
	Summary summary() const;
	DmAnswer send(const std::string &text) const { return device_.message(text); }
	// The reason of the last refusal.
	std::string why() const;

	// These throw DmError, with the reason, if the message is refused.
	void demand(const std::string &text) const;
	void take(const std::string &snapshot, const std::string &origins = "*") const;
	void drop(const std::string &snapshot) const { demand("delete " + snapshot); }
	void extend(const std::string &range) const { demand("extend " + range); }

	// The whole status, with what must hold held; a failure if it does not.
	StoreStatus checked() const;
	// Waits until a condition on the summary holds; false after the time limit.
	template<class Condition>
	bool waitExactly(Condition condition, int limitMs) const
	{
		for (int waited = 0;; waited += 5) {
			if (condition(summary()))
				return true;
			if (waited >= limitMs)
				return false;
			sleepMs(5);
		}
	}
	// The same with patience.
	template<class Condition>
	bool waitFor(Condition condition, int limitMs = 5000) const
	{
		return waitExactly(condition, limitMs * patience());
	}
	// Waits until segments are written (buffered is 0); the oldest may be 10 s old by then.
	bool waitUntilWritten(int limitMs = 15000) const;

private:
	static void sleepMs(int ms);
	void checkTheEnd() const;

	StoreOptions options_;
	DmDevice device_;
	std::string number_;
};

class Origin
{
public:
	// All of a disk's slice unless told otherwise.
	Origin(Store &store, const std::string &name, const Disk &below);
	Origin(Store &store, const std::string &name, const std::string &below, uint64_t start,
	       uint64_t sectors);
	// Deletes its snapshots first, so that its removal costs none.
	~Origin();
	Origin(const Origin &) = delete;
	Origin &operator=(const Origin &) = delete;

	DmDevice &device() { return device_; }
	const DmDevice &device() const { return device_; }
	const std::string &name() const { return name_; }
	const std::string &table() const { return table_; }
	std::string path() const { return device_.path(); }
	uint64_t sectors() const { return sectors_; }
	OriginStatus status() const { return store_.status().origin(name_); }
	// Deletes what contains it and lets it go without a trace in the kernel log.
	void letGo();

private:
	Store &store_;
	std::string name_;
	uint64_t sectors_;
	std::string table_;
	DmDevice device_;
};

std::string imageTable(const Store &store, const std::string &snapshot, const Origin &origin,
		       const std::string &access = "ro");

class Image
{
public:
	Image(Store &store, const std::string &snapshot, const Origin &origin,
	      const std::string &access = "ro");

	DmDevice &device() { return device_; }
	const DmDevice &device() const { return device_; }
	std::string path() const { return device_.path(); }
	uint64_t sectors() const { return sectors_; }
	// Another snapshot's image on the same device; cheaper than a new device.
	void show(const std::string &snapshot);
	// "SNAPSHOT ORIGIN STATE CAUSE ro|rw OVERLAY TO_COME"
	std::string status() const;

private:
	const Store &store_;
	const Origin &origin_;
	uint64_t sectors_;
	DmDevice device_;
};

// Lines that the module logs about what a test provokes.
constexpr const char *refusedMessage = "device-mapper: snapdiff: .*message .* refused";
constexpr const char *invalidSnapshot = "device-mapper: snapdiff: snapshot .* (is invalid|dropped)";
constexpr const char *ioErrors = "Buffer I/O error|I/O error, dev";

// SNAPDIFF_FULL=1: the larger counts.
bool fullCounts();

} // namespace snapdiff::lab
