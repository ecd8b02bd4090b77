// SPDX-License-Identifier: GPL-2.0-or-later
// A history: the random choices of one run of a property, drawn one after the other.
//
// Short histories are lists of numbers that rapidcheck made and can shrink; they end in zeroes.
// Long ones come from a seed, many times faster, and shrink by their length. Those of a fuzzer are
// bytes.
#pragma once

#include <cstdint>
#include <random>
#include <rapidcheck.h>
#include <vector>

class History
{
public:
	explicit History(std::vector<std::uint32_t> choices)
		: choices_(std::move(choices)), left_(choices_.size())
	{
	}
	History(std::uint32_t seed, std::size_t steps) : random_(seed), seeded_(true), left_(steps)
	{
	}

	// A fuzzer's: the bytes stay the caller's. Such a history has steps as long as it has
	// bytes.
	History(const std::uint8_t *bytes, std::size_t size) : bytes_(bytes), left_(size) {}

	// Is there one more step? Asked once for each.
	bool step()
	{
		if (bytes_)
			return at_ < left_;
		if (!left_ || (!seeded_ && at_ >= choices_.size()))
			return false;
		left_--;
		return true;
	}

	std::uint32_t below(std::uint32_t limit) { return limit ? next(limit) % limit : 0; }
	std::uint32_t between(std::uint32_t low, std::uint32_t high)
	{
		return low + below(high - low + 1);
	}
	bool oneIn(std::uint32_t n) { return below(n) == n - 1; }

private:
	std::uint32_t next(std::uint32_t limit)
	{
		if (seeded_)
			return static_cast<std::uint32_t>(random_());
		if (bytes_)
			return nextBytes(limit);
		return at_ < choices_.size() ? choices_[at_++] : 0;
	}

	// No more bytes than the choice needs, so that a changed byte is a changed choice.
	std::uint32_t nextBytes(std::uint32_t limit)
	{
		std::uint32_t value = 0;

		for (std::uint32_t rest = limit - 1; rest; rest >>= 8)
			value = value << 8 | (at_ < left_ ? bytes_[at_++] : 0);
		return value;
	}

	std::vector<std::uint32_t> choices_;
	const std::uint8_t *bytes_ = nullptr;
	std::size_t at_ = 0;
	std::minstd_rand random_;
	bool seeded_ = false;
	std::size_t left_;
};

inline History shortHistory()
{
	using Choices = std::vector<std::uint32_t>;

	return History(*rc::gen::scale(
		3, rc::gen::container<Choices>(rc::gen::inRange<std::uint32_t>(0, 1 << 30))));
}

inline History longHistory(std::size_t steps)
{
	auto seed = *rc::gen::inRange<std::uint32_t>(1, 1 << 30);
	auto length = *rc::gen::inRange<std::size_t>(steps / 2, steps);

	return History(seed, length);
}
