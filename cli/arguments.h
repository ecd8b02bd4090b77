// SPDX-License-Identifier: GPL-2.0-or-later
//
// Arguments: what a person typed, as values; which verb takes which of them stands
// in the table of verbs.

#pragma once

#include "util/units.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace snapdiff::cli {

// Options that only some verbs take.
enum class Option {
	Name,	     // --name SNAPSHOT
	Store,	     // --store NAME
	Vg,	     // --vg VG, several
	Device,	     // --device PATH, several
	Size,	     // --size SIZE
	Chunk,	     // --chunk SIZE
	NoFreeze,    // --no-freeze
	Timeout,     // --timeout MS, of the take
	Force,	     // --force
	Origin,	     // --origin ORIGIN
	On,	     // --on DIRECTORY
	Keep,	     // --keep-images
	RemoveStore, // --remove-store NAME
	Report,	     // --noheadings -o --units
	Units,	     // --units alone
	Events,	     // --count N --for SECONDS
	DryRun,	     // --dry-run
	Yes,	     // --yes
};

struct Arguments
{
	std::string verb;
	std::vector<std::string> objects;

	bool json = false;
	bool quiet = false;

	std::string name;
	std::string store;
	std::vector<std::string> vgs;
	std::vector<std::string> devices;
	std::optional<uint64_t> sizeBytes;
	std::optional<uint64_t> chunkSectors;
	bool noFreeze = false;
	unsigned timeoutMs = 2000;
	bool force = false;
	std::string origin;
	std::string on;
	bool keepImages = false;
	std::string removeStore;
	bool noHeadings = false;
	std::vector<std::string> fields;
	UnitChoice units = UnitChoice::Human;
	std::optional<uint64_t> eventCount;
	std::optional<uint64_t> seconds;
	bool dryRun = false;
	bool yes = false;
};

} // namespace snapdiff::cli
