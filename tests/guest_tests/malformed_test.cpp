// SPDX-License-Identifier: GPL-2.0-or-later
// S10: random malformed ranges, tables and messages. A good line is taken and one thing in it made
// bad; it must be refused with a reason, change nothing and leave a working module behind.

#include "support/shadow.h"
#include "support/stack.h"
#include "support/world.h"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t sectors = 4096;
using Line = std::vector<std::string>;

std::string joined(const Line &words)
{
	std::string text;
	for (const std::string &word : words)
		text += (text.empty() ? "" : " ") + word;
	return text;
}

class Malformed : public testing::Test
{
protected:
	Malformed()
		: store_({.chunk = 32, .lowWater = 100}, {rangeWords(rangeDisk_, 0, 1000)}),
		  origin_(store_, "a", below_), data_(origin_.path(), sectors, 1)
	{
		store_.take("s1");
		data_.fork("s1");
		image_.emplace(store_, "s1", origin_);
	}

	std::vector<const DmDevice *> devices() const
	{
		return {&store_.device(),     &origin_.device(), &image_->device(),
			&rangeDisk_.device(), &below_.device(),	 &spare_.device()};
	}
	std::string world() const { return worldOf(devices()); }
	std::string settledWorld() const { return settledWorldOf(devices()); }

	const std::string &oneOf(const Line &choices)
	{
		return choices[random_.below(choices.size())];
	}

	// No number that any field takes.
	std::string badNumber()
	{
		if (random_.oneIn(4))
			return "1844674407370955" + std::to_string(random_.between(1616, 9999));
		if (random_.oneIn(3))
			return std::to_string(random_()) + oneOf({"k", ".", "_", "+", "-", "e1"});
		return oneOf({"-1", "+1", "0x10", "1e3", "1.0", "1k", "''", "\"8\"", "one", "*",
			      "18446744073709551616", "99999999999999999999999", "1,5", "- 1",
			      "\xc3\xa4", "8\t8x"});
	}

	std::string badName()
	{
		if (random_.oneIn(3))
			return std::string(random_.between(65, 300), 'n');
		return oneOf({"-a", "a/b", "a,b", "a*b", "a?", "a=b", "\xc3\xa4", "a@b", "(a)",
			      "a#", "a;b", "a$b", "%s%n", "a|b", "~"});
	}

	std::string noDevice()
	{
		return oneOf({"disk", "/dev/nothing", "77:77", "0:0", "4294967295:1", "1:2:3", ":1",
			      "7:", "/", "/dev", "/dev/null", "/proc/self/mem", "../vda"});
	}

	// None for a range: ours are refused as well.
	std::string badDevice()
	{
		return random_.oneIn(4) ? oneOf({origin_.device().number(), store_.number(),
						 image_->device().number()})
					: noDevice();
	}

	// What the words of a line are, by position.
	enum class Field { Number, Name, Device, Below, Choice };

	std::string badWord(Field field)
	{
		switch (field) {
		case Field::Number:
			return badNumber();
		case Field::Name:
			return badName();
		case Field::Device:
			return badDevice();
		case Field::Below:
			return noDevice();
		default:
			return oneOf({"nothing", "EXTEND", "%d", "x", "full", "take2", "rw2"});
		}
	}

	// One thing in it is made bad: a word, or there are fewer than it needs, or too many.
	std::string spoiled(const Line &good, const std::vector<Field> &fields, size_t least,
			    bool open = false)
	{
		Line words = good;
		const uint64_t dice = random_.below(6);
		if (dice == 0) {
			words.resize(random_.between(1, least - 1));
			return joined(words);
		}
		if (dice == 1 && !open) {
			words.push_back(badWord(Field::Number));
			words.push_back("more");
			return joined(words);
		}
		const size_t at = random_.below(words.size());
		words[at] = badWord(fields[at]);
		return joined(words);
	}

	std::string badMessage()
	{
		using enum Field;
		const std::string d = spare_.number();
		switch (random_.below(6)) {
		case 0:
			return spoiled({"extend", d, "0", "640", "1"},
				       {Choice, Device, Number, Number, Number}, 4);
		case 1: // nothing wrong in its form
			return badRange(d);
		case 2:
			return spoiled({"take", "s2", "1000", "a"}, {Choice, Name, Number, Name}, 4,
				       true);
		case 3:
			return spoiled({"delete", "s9"}, {Choice, Name}, 2);
		case 4:
			return spoiled({"detach", "b"}, {Choice, Name}, 2);
		default:
			return spoiled(
				{"set", oneOf({"low_water", "hold", "stall", "buffer"}), "x5000"},
				{Choice, Choice, Number}, 3);
		}
	}

	std::string badRange(const std::string &device)
	{
		const uint64_t start = random_.below(8000);
		const uint64_t end = 4000 + random_.between(1, 1u << random_.below(31));
		if (start < end && random_.oneIn(2)) // behind the end of the device
			return "extend " + device + " " + std::to_string(start) + " " +
			       std::to_string(end - start);
		if (random_.oneIn(3)) // wraps around 64 bits
			return "extend " + device + " " +
			       std::to_string(~uint64_t(0) - random_.below(100)) + " " +
			       std::to_string(random_.between(200, 5000));
		if (random_.oneIn(3)) // shorter than a chunk
			return "extend " + device + " 0 " + std::to_string(random_.below(32));
		// Shares sectors with the range that is there, but is not the same.
		const uint64_t from = random_.below(1000);
		return "extend " + rangeDisk_.number() + " " + std::to_string(from) + " " +
		       std::to_string(random_.between(32, 2000) + (from == 0 ? 1001 : 0));
	}

	std::string badTable()
	{
		using enum Field;
		const std::string d = spare_.number();
		switch (random_.below(3)) {
		case 0: {
			std::string words = spoiled({"8", "0", "60000", "30000", "131072", "0", "1",
						     d, "0", "640", "0"},
						    {Number, Number, Number, Number, Number, Number,
						     Number, Device, Number, Number, Number},
						    10);
			return "0 1 snapdiff-store " + words;
		}
		case 1:
			return "0 4000 snapdiff-origin " + spoiled({store_.number(), "b", d, "0"},
								   {Choice, Name, Below, Number},
								   4);
		default:
			return "0 " + std::to_string(sectors) + " snapdiff " +
			       spoiled({store_.number(), "s1", "a", "ro"},
				       {Choice, Name, Name, Choice}, 4);
		}
	}

	// Something that must be accepted; what it adds goes again.
	void goodLine()
	{
		switch (random_.below(9)) {
		case 0:
			store_.demand("set low_water " + std::to_string(random_.below(1000)));
			break;
		case 1:
			store_.demand("set hold " + std::to_string(random_.below(60000)));
			break;
		case 2:
			store_.demand("set buffer " +
				      std::to_string(random_.between(4096, 131072)));
			break;
		case 3:
			store_.demand(std::string("set full ") +
				      oneOf({"drop-oldest", "drop-all"}));
			break;
		case 4:
			store_.demand(std::string("set discard ") + oneOf({"copy", "ignore"}));
			break;
		case 5:
			store_.take("t", oneOf({"*", "a"}));
			store_.drop("t");
			break;
		case 6:
			addAndTakeAway(rangeWords(spare_, random_.below(10) * 32,
						  random_.between(1000, 3000)));
			break;
		case 7: {
			const DmDevice *reloaded[] = {&store_.device(), &origin_.device(),
						      &image_->device()};
			const DmDevice &device = *reloaded[random_.below(std::size(reloaded))];
			device.reload(device.table());
			break;
		}
		default:
			EXPECT_EQ(store_.send(oneOf({"summary", "why"})).error, 0);
			break;
		}
	}

	void addAndTakeAway(const std::string &range)
	{
		const uint64_t before = store_.summary().capacity;
		store_.extend(range);
		EXPECT_GT(store_.summary().capacity, before) << range;
		const std::string place = range.substr(0, range.rfind(' '));
		store_.demand("shrink " + place);
		EXPECT_TRUE(store_.waitFor([&](const Summary &now) {
			return now.capacity == before;
		})) << range;
	}

	uint64_t wanted() const { return fullCounts() ? 2500 : 500; }

	// Afterwards good ones are still accepted, and the past is as it was.
	void expectThatAllStillWorks()
	{
		store_.extend(rangeWords(spare_, 0, 1000));
		ASSERT_EQ(data_.write(3, 900), 0);
		EXPECT_TRUE(deviceHolds(image_->path(), data_.at("s1")));
		EXPECT_TRUE(data_.isIntact());
		store_.take("good");
		store_.drop("good");
	}

	Random random_;
	Disk rangeDisk_{0, 4000};
	Disk below_{1, sectors};
	Disk spare_{2, 4000};
	Store store_;
	Origin origin_;
	Volume data_;
	std::optional<Image> image_;
};

} // namespace

TEST_F(Malformed, MessagesAreRefusedWithAReasonAndChangeNothing)
{
	ExpectKernelLog log(refusedMessage);
	std::cout << "seed " << runSeed() << std::endl;
	const std::string before = settledWorld();
	std::map<std::string, int> reasons;
	for (uint64_t i = 0; i < wanted() && !HasFailure(); ++i) {
		const std::string text = badMessage();
		EXPECT_NE(store_.send(text).error, 0) << text;
		++reasons[store_.why()];
		ASSERT_EQ(world(), before) << text;
	}
	EXPECT_GE(reasons.size(), 20u);
	EXPECT_FALSE(reasons.contains(""));
	EXPECT_EQ(settledWorld(), before);
	std::cout << wanted() << " messages, " << reasons.size() << " reasons" << std::endl;
	expectThatAllStillWorks();
}

TEST_F(Malformed, TablesAreRefusedAndChangeNothing)
{
	ExpectKernelLog core("device-mapper: ioctl: error adding target to table");
	ExpectKernelLog log("device-mapper: table: ");
	std::cout << "seed " << runSeed() << std::endl;
	const std::string before = settledWorld();
	for (uint64_t i = 0; i < wanted() && !HasFailure(); ++i) {
		const std::string text = badTable();
		const int refused = log.count();
		EXPECT_NE(DmDevice::tryCreate(text), 0) << text;
		EXPECT_EQ(log.count(), refused + 1) << text << ": one line says why";
		if (i % 8 == 0) {
			ASSERT_EQ(world(), before) << text;
		}
	}
	EXPECT_EQ(settledWorld(), before);
	expectThatAllStillWorks();
}

// Otherwise a module that refuses everything would pass.
TEST_F(Malformed, GoodLinesAreAccepted)
{
	std::cout << "seed " << runSeed() << std::endl;
	constexpr int lines = 1000;
	for (int i = 0; i < lines && !HasFailure(); ++i)
		goodLine();
	expectThatAllStillWorks();
}
