// SPDX-License-Identifier: GPL-2.0-or-later
// A history: the random choices of one run of a property, drawn one after the other.
//
// Short histories are lists of numbers that rapidcheck made and can shrink; they end in zeroes.
// Long ones come from a seed, many times faster, and shrink by their length.
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

	// Is there one more step? Asked once for each.
	bool step()
	{
		if (!left_ || (!seeded_ && at_ >= choices_.size()))
			return false;
		left_--;
		return true;
	}

	std::uint32_t below(std::uint32_t limit) { return limit ? next() % limit : 0; }
	std::uint32_t between(std::uint32_t low, std::uint32_t high)
	{
		return low + below(high - low + 1);
	}
	bool oneIn(std::uint32_t n) { return below(n) == n - 1; }

private:
	std::uint32_t next()
	{
		if (seeded_)
			return static_cast<std::uint32_t>(random_());
		return at_ < choices_.size() ? choices_[at_++] : 0;
	}

	std::vector<std::uint32_t> choices_;
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
