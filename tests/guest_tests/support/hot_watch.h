// SPDX-License-Identifier: GPL-2.0-or-later
// What the library hot_watch.cpp, preloaded into the daemon, sees of its hot path: a page that it
// shares with the test through a file.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace snapdiff::lab {

// A window begins where ppoll() returns because of the first descriptor, the control device, and
// ends where the kernel has accepted a range.
struct HotBoard
{
	static constexpr size_t mostExtensions = 1024;

	struct Extension
	{
		std::atomic<int64_t> wokeNs;
		std::atomic<int64_t> acceptedNs;
		std::atomic<uint64_t> allocations; // calls to malloc() and free() in the window
	};

	std::atomic<uint64_t> count;
	std::array<Extension, mostExtensions> extensions;
};

// The test's side.
class HotWatch
{
public:
	HotWatch();
	~HotWatch();
	HotWatch(const HotWatch &) = delete;
	HotWatch &operator=(const HotWatch &) = delete;

	// What the daemon has to be started with.
	static std::vector<std::string> environment();

	uint64_t count() const { return board_->count.load(); }
	const HotBoard::Extension &extension(uint64_t index) const
	{
		return board_->extensions[index % HotBoard::mostExtensions];
	}
	bool waitForCount(uint64_t wanted, int seconds) const;

	static constexpr const char *variable = "SNAPDIFF_HOT_WATCH_FILE";
	static constexpr const char *path = "/run/snapdiff-hot-watch";

private:
	HotBoard *board_;
};

} // namespace snapdiff::lab
