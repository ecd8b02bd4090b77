// SPDX-License-Identifier: GPL-2.0-or-later
// Store, origin and image as objects that live in scopes.

#include "support/stack.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <thread>

namespace snapdiff::lab {

std::string rangeWords(const Disk &disk, uint64_t start, uint64_t length, const std::string &group)
{
	return disk.number() + " " + std::to_string(start) + " " + std::to_string(length) + " " +
	       group;
}

std::string rangeWords(const Disk &disk)
{
	return rangeWords(disk, 0, disk.sectors());
}

namespace {

size_t countWords(const std::string &text)
{
	size_t count = 0;
	bool inside = false;
	for (char c : text) {
		count += c != ' ' && !inside;
		inside = c != ' ';
	}
	return count;
}

} // namespace

std::string storeTable(const StoreOptions &options, const std::vector<std::string> &ranges)
{
	std::string table = "0 1 snapdiff-store " + std::to_string(options.chunk) + " " +
			    std::to_string(options.lowWater) + " " +
			    std::to_string(options.holdMs) + " " + std::to_string(options.stallMs) +
			    " " + std::to_string(options.buffer) + " " +
			    std::to_string(countWords(options.features));
	if (!options.features.empty())
		table += " " + options.features;
	table += " " + std::to_string(ranges.size());
	for (const std::string &range : ranges)
		table += " " + range;
	return table;
}

Store::Store(const StoreOptions &options, const std::vector<std::string> &ranges)
	: options_(options), device_("store", storeTable(options, ranges)),
	  number_(device_.number())
{
}

Store::~Store()
{
	try {
		// A test may have put another table in its place.
		if (!device_.name().empty() &&
		    device_.table().find("snapdiff-store") != std::string::npos)
			checkTheEnd();
	} catch (const std::exception &problem) {
		ADD_FAILURE() << "at the end: " << problem.what();
	}
}

// What no snapshot needs must become free again, but for what still lies in buffers.
void Store::checkTheEnd() const
{
	StoreStatus last = checked();
	if (!last.snapshots.empty())
		return;
	for (int waited = 0; last.summary.used > last.buffered && waited < 3000; waited += 20) {
		sleepMs(20);
		last = checked();
	}
	EXPECT_LE(last.summary.used, last.buffered) << "places are lost";
	for (const OriginStatus &origin : last.origins)
		EXPECT_EQ(origin.unsafeChunks, 0u) << "no snapshot, yet chunks are not safe";
}

StoreStatus Store::status() const
{
	return parseStatus(device_.status());
}

Summary Store::summary() const
{
	const DmAnswer answer = send("summary");
	if (!answer.ok())
		throw DmError("summary", answer.error);
	return parseSummary(answer.text);
}

std::string Store::why() const
{
	return send("why").text;
}

void Store::demand(const std::string &text) const
{
	const DmAnswer answer = send(text);
	if (!answer.ok())
		throw DmError("message " + text + " (" + why() + ")", answer.error);
}

void Store::take(const std::string &snapshot, const std::string &origins) const
{
	demand("take " + snapshot + " 10000 " + origins);
}

StoreStatus Store::checked() const
{
	const std::string line = device_.status();
	StoreStatus now = parseStatus(line);
	EXPECT_EQ(accountingFault(now), "") << line;
	return now;
}

bool Store::waitUntilWritten(int limitMs) const
{
	for (int waited = 0; status().buffered; waited += 20) {
		if (waited >= limitMs * patience())
			return false;
		sleepMs(20);
	}
	return true;
}

void Store::sleepMs(int ms)
{
	std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

Origin::Origin(Store &store, const std::string &name, const Disk &below)
	: Origin(store, name, below.number(), 0, below.sectors())
{
}

Origin::Origin(Store &store, const std::string &name, const std::string &below, uint64_t start,
	       uint64_t sectors)
	: store_(store), name_(name), sectors_(sectors),
	  table_("0 " + std::to_string(sectors) + " snapdiff-origin " + store.number() + " " +
		 name + " " + below + " " + std::to_string(start)),
	  device_("origin", table_)
{
}

Origin::~Origin()
{
	try {
		letGo();
	} catch (const std::exception &) {
		// The store may be gone already; removing the device says more.
	}
}

void Origin::letGo()
{
	for (const SnapshotStatus &snapshot : store_.status().snapshots)
		for (const auto &[name, size] : snapshot.origins)
			if (name == name_ && !snapshot.images)
				store_.send("delete " + snapshot.name);
}

std::string imageTable(const Store &store, const std::string &snapshot, const Origin &origin,
		       const std::string &access)
{
	return "0 " + std::to_string(origin.sectors()) + " snapdiff " + store.number() + " " +
	       snapshot + " " + origin.name() + " " + access;
}

Image::Image(Store &store, const std::string &snapshot, const Origin &origin,
	     const std::string &access)
	: store_(store), origin_(origin), sectors_(origin.sectors()),
	  device_("image", imageTable(store, snapshot, origin, access))
{
}

void Image::show(const std::string &snapshot)
{
	device_.reload(imageTable(store_, snapshot, origin_));
}

std::string Image::status() const
{
	const std::string line = device_.status();
	const std::string begin = "0 " + std::to_string(sectors_) + " snapdiff ";
	if (line.compare(0, begin.size(), begin) != 0)
		return line;
	return line.substr(begin.size());
}

bool fullCounts()
{
	const char *value = std::getenv("SNAPDIFF_FULL");
	return value && strcmp(value, "1") == 0;
}

} // namespace snapdiff::lab
