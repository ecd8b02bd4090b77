// SPDX-License-Identifier: GPL-2.0-or-later
//
// Picture: everything that the daemon shows to the outside at one moment, as plain
// values.  org.snapdiff1.xml says what each of them means; the names are the same.

#pragma once

#include "config.h"
#include "model/store.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace snapdiff::daemon {

struct ReservePicture
{
	std::string device;
	std::string supply;
	uint64_t length = 0;
	uint32_t group = 0;
	bool last = false;

	bool operator==(const ReservePicture &) const = default;
};

struct SupplyPicture
{
	std::string name;
	std::string state;
	uint64_t size = 0;
	uint64_t carvable = 0;
	std::string problem;

	bool operator==(const SupplyPicture &) const = default;
};

struct TimedText
{
	uint64_t timeUs = 0;
	std::string text;

	bool operator==(const TimedText &) const = default;
};

struct ManagerPicture
{
	std::string version;
	bool moduleLoaded = false;
	std::string moduleVersion;
	bool moduleUsable = false;
	uint64_t lastLook = 0;
	uint32_t reserveRanges = 0;
	uint64_t reserveSectors = 0;
	uint32_t reserveWanted = 0;
	std::vector<ReservePicture> reserve;
	uint64_t carvableSectors = 0;
	std::vector<SupplyPicture> supplies;
	std::vector<std::pair<std::string, std::string>> problems; // subject, sentence
	std::vector<TimedText> lastErrors;			   // newest first
	uint64_t extensions = 0;

	std::string health() const { return problems.empty() ? "ok" : "degraded"; }
};

struct RangePicture
{
	std::string device;
	std::string disk;
	dm::RangeStatus status;

	bool operator==(const RangePicture &) const = default;
};

struct StorePicture
{
	std::string name;
	std::string number;
	dm::Summary summary;
	uint64_t chunkSize = 0;
	uint64_t holdLimitMs = 0;
	uint64_t stallLimitMs = 0;
	uint64_t bufferLimit = 0;
	std::string fullPolicy;
	std::string discardPolicy;
	uint64_t buffered = 0;
	uint64_t memoryBytes = 0;
	uint64_t reserveSectors = 0;
	uint64_t carvableSectors = 0;
	double fillRateShort = -1;
	double fillRateLong = -1;
	int64_t secondsToFull = -1;
	int64_t secondsToFullShort = -1;
	int64_t secondsToFullLong = -1;
	int64_t secondsToExhaustion = -1;
	uint64_t worstCase = 0;
	bool cannotOverflow = false;
	std::string severity;
	std::string reason;
	uint64_t extensions = 0;
	std::vector<RangePicture> ranges;
	std::vector<model::Origin> origins;
	std::vector<dm::SnapshotStatus> snapshots;

	std::string device() const { return "/dev/mapper/" + name; }
};

struct Picture
{
	ManagerPicture manager;
	std::vector<StorePicture> stores; // by name
};

} // namespace snapdiff::daemon
