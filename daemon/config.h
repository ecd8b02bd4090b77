// SPDX-License-Identifier: GPL-2.0-or-later
//
// Config: what /etc/snapdiff/snapdiffd.toml says.  docs/snapdiffd.8 explains every key.

#pragma once

#include "lvm/lvm.h"
#include "util/result.h"
#include "util/units.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::daemon {

constexpr const char *defaultConfigPath = "/etc/snapdiff/snapdiffd.toml";

enum class Policy {
	InOrder, // the first supply until it is empty, then the next
	Spread,	 // take turns over the supplies
};

std::string_view word(Policy policy);

// What may be said for one store; absent: as for all stores.
struct StoreConfig
{
	std::optional<uint64_t> lowWater; // sectors
	std::optional<uint64_t> maxSize;  // sectors of capacity
	std::optional<uint64_t> minSize;  // not given back below it

	// Only of a store's own table.
	std::optional<std::vector<std::string>> supplies; // in its order, and no others
	std::optional<unsigned> reserveRanges;		  // kept ready for it

	bool operator==(const StoreConfig &) const = default;
};

// What may be said for one volume group; absent: as for all.
struct SupplyConfig
{
	std::optional<uint64_t> leaveFree; // sectors

	bool operator==(const SupplyConfig &) const = default;
};

// A supply that begins with a slash is a block device, used whole; all others are
// volume groups.
inline bool isDeviceSupply(std::string_view supply)
{
	return supply.starts_with('/');
}

// [[origin]]: attached at boot, before its file system is mounted.
struct OriginConfig
{
	std::string device; // as people write it: vg0/home, /dev/vg0/home, a dm name
	std::string store;

	bool operator==(const OriginConfig &) const = default;
};

struct Config
{
	// Absent: the volume groups that stores have carved ranges from already.
	std::optional<std::vector<std::string>> supplies;
	Policy policy = Policy::InOrder;

	uint64_t rangeSize = sectorsOf(256U << 20);  // of a range that is carved
	uint64_t minRangeSize = sectorsOf(4U << 20); // the last one of a supply may be so small
	uint64_t rangeMaxSize = 16 * rangeSize;	     // while a store fills fast
	unsigned rangeSeconds = 10;		     // it holds what comes in so long
	unsigned reserveRanges = 4;		     // kept ready
	unsigned reserveMaxRanges = 8;		     // more of them are given back to LVM
	uint64_t leaveFree = 0;			     // in every volume group

	StoreConfig allStores;
	std::map<std::string, StoreConfig, std::less<>> stores;
	std::map<std::string, SupplyConfig, std::less<>> supply; // by volume group

	std::string bus = "system"; // system, session, or a D-Bus address
	unsigned lvmTimeoutMs = lvm::Lvm::defaultTimeoutMs;
	unsigned returnAfterMs = 30000;	   // an LV that nobody uses becomes reserve after so long
	unsigned giveBackAfterMs = 300000; // what is too much so long is given back

	std::vector<OriginConfig> origins;
	unsigned attachTimeoutMs = 15000; // for volumes that are not there yet at boot

	std::string metricsFile; // empty: none

	std::optional<uint64_t> lowWaterOf(std::string_view store) const;
	std::optional<uint64_t> maxSizeOf(std::string_view store) const;
	uint64_t leaveFreeOf(std::string_view vg) const;

	// The supplies that this store alone has, or null.
	const std::vector<std::string> *ownSuppliesOf(std::string_view store) const;
	unsigned reserveRangesOf(std::string_view store) const;
	std::optional<uint64_t> minSizeOf(std::string_view store) const;

	bool operator==(const Config &) const = default;
};

// Errors say "FILE:LINE: what".
Result<Config> parseConfig(std::string_view text, const std::string &file);

// The file, then PATH.d/*.toml in the order of their names; what is said later wins, key by
// key.  A file that is not there is an error only if it was asked for by name.  files: those
// that were read.
Result<Config> readConfig(const std::string &path, bool mustExist,
			  std::vector<std::string> *files = nullptr);

} // namespace snapdiff::daemon
