// SPDX-License-Identifier: GPL-2.0-or-later
//
// Fingerprint: a 64-bit hash of a file's content (the XXH64 function, seed 0).

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace snapdiff::demo {

class Fingerprint
{
public:
	// Piece by piece; every piece but the last has a multiple of 32 bytes.
	void add(const void *data, size_t size);

	uint64_t value() const;

private:
	std::array<uint64_t, 4> lanes_ = {0x60ea27eeadc0b5d6, 0xc2b2ae3d27d4eb4f, 0,
					  0x61c8864e7a143579};
	std::array<unsigned char, 32> tail_ = {};
	size_t tailSize_ = 0;
	uint64_t total_ = 0;
};

} // namespace snapdiff::demo
