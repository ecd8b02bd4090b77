// SPDX-License-Identifier: GPL-2.0-or-later
// A writer that fills a copy-on-write storage step by step while somebody extends it: how long each
// extension takes, and what the writer notices of it.
#pragma once

#include "load.h"

#include <functional>
#include <string>

namespace snapdiff::bench {

// What is asked of a storage again and again; from several threads at once.
struct Space
{
	uint64_t size = 0;
	bool low = false;
	bool lost = false;
};

struct ExtensionsPlan
{
	std::string device;		      // the writer's
	uint64_t stride = 8;		      // sectors from write to write; each writes 4 KiB
	unsigned extensions = 0;	      // so many and then it ends
	unsigned pauseMs = 0;		      // between writes while an extension is awaited
	unsigned waitSeconds = 30;	      // for one extension, at most
	unsigned tailMs = 20;		      // so long after it writes still count as under it
	std::chrono::microseconds every{250}; // how often the size is looked at
	std::function<Space()> space;
};

struct Extensions
{
	// From the submission of the write that met the mark to the larger size, ms.
	Samples latency;
	// Of the writes under an extension, and of all others.
	Samples during;
	Samples without;
	bool lost = false;
	unsigned missed = 0; // did not come in time

	void add(const Extensions &other);
};

// Ends early when the storage is lost, an extension does not come, or the device is written.
Extensions measureExtensions(const ExtensionsPlan &plan);

} // namespace snapdiff::bench
