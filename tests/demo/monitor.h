// SPDX-License-Identifier: GPL-2.0-or-later
//
// Monitor: asks the store itself for its summary, again and again, so that what
// happens is seen whatever the daemon says.

#pragma once

#include "dm/control.h"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace snapdiff::demo {

struct Watched
{
	uint64_t looks = 0;
	uint64_t heldEver = 0; // writes that had to wait for a place since the store was made
	uint64_t leastFreeBytes = UINT64_MAX;
	uint64_t otherModes = 0; // looks at which the mode was not "active"
};

class Monitor
{
public:
	// Of the store with this dm name.
	explicit Monitor(const std::string &store);
	~Monitor();

	// Ends the looking.
	void stop();

	Watched watched() const;

private:
	void work(dm::Control control);
	void note(const dm::Summary &summary);

	dm::DeviceNumber device_;
	std::atomic<bool> stop_ = false;
	mutable std::mutex mutex_;
	Watched watched_;
	std::string failure_;
	std::thread thread_;
};

// What the kernel says about the store.
struct StoreView
{
	uint64_t capacityBytes = 0;
	uint64_t usedBytes = 0;
	uint64_t copiedBytes = 0; // of all origins, since they were attached
	uint64_t ranges = 0;
	uint64_t liveSnapshots = 0;
	uint64_t invalidSnapshots = 0;
	uint64_t badChunks = 0;
};

StoreView viewOf(const std::string &store);

} // namespace snapdiff::demo
