// SPDX-License-Identifier: GPL-2.0-or-later
// What a fuzzer is made of: values out of its bytes, and a condition whose breach it reports.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

// Ends the program, which libFuzzer takes for a finding and keeps the input.
#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,            \
				     #condition);                                                  \
			std::abort();                                                              \
		}                                                                                  \
	} while (0)

// Values one after the other; zeroes when the bytes are used up.
class Input
{
public:
	Input(const uint8_t *bytes, size_t size) : bytes_(bytes), size_(size) {}

	bool more() const { return at_ < size_; }
	uint8_t byte() { return more() ? bytes_[at_++] : 0; }
	uint8_t below(uint8_t limit) { return static_cast<uint8_t>(byte() % limit); }
	bool flag() { return byte() & 1; }

	// Mostly small ones and those at the edges of their type.
	template<class Number>
	Number number()
	{
		const uint8_t kind = byte();
		Number value = 0;

		switch (kind % 4) {
		case 0:
			return kind / 4;
		case 1:
			return static_cast<Number>(~static_cast<Number>(kind / 4));
		default:
			for (size_t i = 0; i < sizeof(Number); i++)
				value = static_cast<Number>(value << 8 | byte());
			return value;
		}
	}

	// A name as stores, snapshots and origins have them.
	std::string name()
	{
		static constexpr std::string_view letters =
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+:-";
		std::string text(1 + byte() % 64, 'n');

		for (size_t i = 1; i < text.size(); i++)
			text[i] = letters[byte() % letters.size()];
		return text;
	}

	std::string_view rest() const
	{
		return {reinterpret_cast<const char *>(bytes_) + at_, size_ - at_};
	}

private:
	const uint8_t *bytes_;
	size_t size_, at_ = 0;
};

// The words of a line, each with its end, as the kernel's table code hands them on.
class Argv
{
public:
	explicit Argv(std::string_view line)
	{
		std::string word;

		for (char c : line) {
			if (c != ' ' && c) {
				word += c;
				continue;
			}
			if (!word.empty())
				words_.push_back(std::move(word));
			word.clear();
		}
		if (!word.empty())
			words_.push_back(std::move(word));
		for (std::string &each : words_)
			argv_.push_back(each.data());
	}

	unsigned int count() const { return static_cast<unsigned int>(argv_.size()); }
	char **words() { return argv_.data(); }

private:
	std::vector<std::string> words_;
	std::vector<char *> argv_;
};
