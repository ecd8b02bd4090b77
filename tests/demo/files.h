// SPDX-License-Identifier: GPL-2.0-or-later
//
// Files: written with content that no two of them share, and known by their hash.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace snapdiff::demo {

struct KnownFile
{
	std::string name; // below the file system's root
	uint64_t bytes = 0;
	uint64_t hash = 0;
};

using KnownFiles = std::vector<KnownFile>;

uint64_t bytesIn(const KnownFiles &files);

// Writes one file over whatever is there, fsyncs it, and returns what it is now.
KnownFile writeFile(const std::string &root, const std::string &name, uint64_t bytes,
		    uint64_t seed);

// Files of differing sizes, about so many bytes together.
KnownFiles writeFiles(const std::string &root, const std::string &folder, uint64_t bytes,
		      uint64_t seed);

struct FileFindings
{
	uint64_t files = 0;
	uint64_t bytes = 0;
	uint64_t matching = 0;
	std::string firstWrong; // name and what is wrong with it; empty: none
};

// Reads every file from the device, past the page cache, and compares.
FileFindings compareFiles(const std::string &root, const KnownFiles &files);

} // namespace snapdiff::demo
