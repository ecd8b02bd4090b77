// SPDX-License-Identifier: GPL-2.0-or-later
#include "fingerprint.h"

#include <bit>
#include <cstring>

namespace snapdiff::demo {

namespace {

constexpr uint64_t prime1 = 0x9e3779b185ebca87;
constexpr uint64_t prime2 = 0xc2b2ae3d27d4eb4f;
constexpr uint64_t prime3 = 0x165667b19e3779f9;
constexpr uint64_t prime4 = 0x85ebca77c2b2ae63;
constexpr uint64_t prime5 = 0x27d4eb2f165667c5;

template<class Word>
Word load(const unsigned char *at)
{
	Word word;
	std::memcpy(&word, at, sizeof(word));
	return word;
}

uint64_t mixed(uint64_t lane, uint64_t input)
{
	return std::rotl(lane + input * prime2, 31) * prime1;
}

uint64_t merged(uint64_t hash, uint64_t lane)
{
	return (hash ^ mixed(0, lane)) * prime1 + prime4;
}

// What is left over: fewer than 32 bytes.
uint64_t finished(uint64_t hash, const unsigned char *at, size_t size)
{
	for (; size >= 8; at += 8, size -= 8)
		hash = std::rotl(hash ^ mixed(0, load<uint64_t>(at)), 27) * prime1 + prime4;
	if (size >= 4) {
		hash = std::rotl(hash ^ load<uint32_t>(at) * prime1, 23) * prime2 + prime3;
		at += 4;
		size -= 4;
	}
	for (; size > 0; at++, size--)
		hash = std::rotl(hash ^ *at * prime5, 11) * prime1;
	hash = (hash ^ (hash >> 33)) * prime2;
	hash = (hash ^ (hash >> 29)) * prime3;
	return hash ^ (hash >> 32);
}

} // namespace

void Fingerprint::add(const void *data, size_t size)
{
	const auto *at = static_cast<const unsigned char *>(data);

	total_ += size;
	for (; size >= 32; size -= 32)
		for (uint64_t &lane : lanes_) {
			lane = mixed(lane, load<uint64_t>(at));
			at += 8;
		}
	std::memcpy(tail_.data(), at, size);
	tailSize_ = size;
}

uint64_t Fingerprint::value() const
{
	uint64_t hash = prime5;

	if (total_ >= 32) {
		hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) +
		       std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
		for (const uint64_t lane : lanes_)
			hash = merged(hash, lane);
	}
	return finished(hash + total_, tail_.data(), tailSize_);
}

} // namespace snapdiff::demo
