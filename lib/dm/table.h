// SPDX-License-Identifier: GPL-2.0-or-later
//
// Table and message codecs: what user space says to the three targets, as values.
// The grammar stands in dm-target/uapi/dm-snapdiff.h.  Parsers read what
// "dmsetup table" answers (target name not included) and are strict.

#pragma once

#include "dm/status.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::dm {

enum class FullPolicy { DropOldest, DropAll };
enum class DiscardPolicy { Ignore, Copy };

std::string_view word(FullPolicy policy);
std::string_view word(DiscardPolicy policy);

struct RangeSpec
{
	std::string device; // path or MAJOR:MINOR
	uint64_t start = 0;
	uint64_t length = 0;
	Group group;

	bool operator==(const RangeSpec &) const = default;
};

struct StoreTable
{
	uint64_t chunk = 128; // 64 KiB
	uint64_t lowWater = 0;
	uint64_t holdMs = 60000;
	uint64_t stallMs = 30000;
	uint64_t buffer = 131072;
	FullPolicy full = FullPolicy::DropOldest;
	DiscardPolicy discard = DiscardPolicy::Ignore;
	std::vector<RangeSpec> ranges;

	bool operator==(const StoreTable &) const = default;
};

struct OriginTable
{
	std::string store; // device of the store: path or MAJOR:MINOR
	std::string name;
	std::string device; // the underlying device
	uint64_t start = 0;

	bool operator==(const OriginTable &) const = default;
};

struct ImageTable
{
	std::string store;
	std::string snapshot;
	std::string origin;
	Access access = Access::ReadOnly;

	bool operator==(const ImageTable &) const = default;
};

std::string format(const StoreTable &table);
std::string format(const OriginTable &table);
std::string format(const ImageTable &table);

Result<StoreTable> parseStoreTable(std::string_view line);
Result<OriginTable> parseOriginTable(std::string_view line);
Result<ImageTable> parseImageTable(std::string_view line);

// Messages.  Names and numbers are taken as they are; the kernel judges them.
std::string extendMessage(const RangeSpec &range);
// The range's group is ignored.
std::string shrinkMessage(const RangeSpec &range, bool cancel);
// An empty list of origins stands for all of them.
std::string takeMessage(std::string_view snapshot, unsigned timeoutMs,
			std::span<const std::string> origins);
std::string deleteMessage(std::string_view snapshot);
std::string detachMessage(std::string_view origin, bool force);
std::string setMessage(std::string_view key, std::string_view value);

} // namespace snapdiff::dm
