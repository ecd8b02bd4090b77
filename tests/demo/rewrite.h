// SPDX-License-Identifier: GPL-2.0-or-later
//
// Rewrite: replaces every file of a volume and then fills the rest of it with new
// ones, in a thread of its own, at the pace of a busy server: as fast as it can go it
// would tell more about the emulation than about the product.

#pragma once

#include "files.h"

#include <atomic>
#include <string>
#include <thread>

namespace snapdiff::demo {

class Rewrite
{
public:
	// old: all are written over in place, or removed and replaced.
	Rewrite(std::string root, KnownFiles old, uint64_t seed);
	~Rewrite();

	bool done() const { return done_; }
	uint64_t writtenBytes() const { return written_; }

	// Waits; what is there now.  Trouble if a write failed.
	KnownFiles finish();

private:
	void work();
	void replaceAll();
	void fillUp();
	void add(const std::string &name, uint64_t bytes);
	void keepPace() const;

	std::string root_;
	KnownFiles old_;
	uint64_t seed_;
	KnownFiles now_;
	double began_;
	std::string failure_;
	std::atomic<uint64_t> written_ = 0;
	std::atomic<bool> done_ = false;
	std::atomic<bool> stop_ = false;
	std::thread thread_;
};

} // namespace snapdiff::demo
