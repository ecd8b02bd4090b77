// SPDX-License-Identifier: GPL-2.0-or-later
// The n-th allocation fails (S7), for every n until there are no more: each request either works or
// is refused for want of memory and has changed nothing; and no write is lost when the workers
// that copy find no memory.

#include "support/dm_control.h"
#include "support/fault_injection.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <cerrno>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <iostream>
#include <optional>
#include <string>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t sectors = 4096;
constexpr uint64_t mostAllocations = 3000;
constexpr const char *refusals = "device-mapper: ";

class Alloc : public testing::Test
{
protected:
	void SetUp() override
	{
		if (!canInjectFaults())
			GTEST_SKIP() << "the kernel cannot fail allocations on purpose: the debug "
					"kernel can";
		faults_.emplace();
	}

	// Every n: op() fails with ENOMEM, or succeeds and is undone. Stops at the first n that is
	// too large, where it must have succeeded.
	void failEach(const std::string &what, const std::function<int()> &op,
		      const std::function<void()> &undo, const std::function<void()> &check)
	{
		uint64_t refused = 0;
		for (uint64_t n = 1; n < mostAllocations && !HasFailure(); ++n) {
			int error = 0;
			const bool failed = faults_->failNth(n, [&] { error = op(); });
			if (error) {
				++refused;
				EXPECT_TRUE(failed) << what << ": " << strerror(error);
				EXPECT_EQ(error, ENOMEM)
					<< what << " " << n << ": " << strerror(error);
				check();
			} else {
				undo();
			}
			if (!failed) {
				std::cout << what << ": " << n - 1 << " allocations, " << refused
					  << " refused" << std::endl;
				return;
			}
		}
		EXPECT_TRUE(HasFailure()) << what << " has no end";
	}

	// How often a request is refused when one of its allocations fails: op(n) for every n.
	uint64_t refusalsOf(const std::string &what, const std::function<int(uint64_t)> &op)
	{
		uint64_t refused = 0;
		for (uint64_t n = 1; n < mostAllocations && !HasFailure(); ++n) {
			int error = 0;
			const bool failed = faults_->failNth(n, [&] { error = op(n); });
			EXPECT_TRUE(error == 0 || (failed && error == ENOMEM))
				<< what << " " << n << ": " << strerror(error);
			refused += error ? 1 : 0;
			if (!failed) {
				std::cout << what << ": " << n - 1 << " allocations, " << refused
					  << " refused" << std::endl;
				return refused;
			}
		}
		EXPECT_TRUE(HasFailure()) << what << " has no end";
		return refused;
	}

	// A device with a live table of its own, so that a load is all that can fail.
	DmDevice plain(const Disk &disk)
	{
		return {"plain",
			"0 " + std::to_string(disk.sectors()) + " linear " + disk.number() + " 0"};
	}

	// What is open after a constructor that failed was forgotten by it.
	static void expectClosed(const Disk &disk, int openCount)
	{
		EXPECT_EQ(disk.device().info().openCount, openCount);
	}

	DmControl dm_;
	std::optional<FaultInjection> faults_;
	ExpectKernelLog refused_{refusals};
};

} // namespace

TEST_F(Alloc, ConstructorOfAStore)
{
	const Disk range(0, sectors);
	const Disk stand(1, 8);
	const DmDevice device = plain(stand);
	const std::string table =
		storeTable({}, {rangeWords(range, 0, 2048), rangeWords(range, 2048, 2048)});
	failEach(
		"load a store", [&] { return dm_.load(device.name(), table); },
		[&] {
			EXPECT_EQ(dm_.clear(device.name()), 0);
			expectClosed(range, 0);
		},
		[&] { expectClosed(range, 0); });
}

TEST_F(Alloc, ConstructorsOfOriginAndImage)
{
	const Disk range(0, 16384);
	const Disk below(1, sectors);
	const Disk stand(2, sectors);
	const Disk other(3, sectors);
	Store store({}, {rangeWords(range)});
	// One of each kind is there: device-mapper shares the caches that it makes for the first,
	// and tells with a trace in the log that it could not make one.
	Origin b(store, "b", other);
	store.take("s0", "b");
	const Image image(store, "s0", b);
	{
		const DmDevice device = plain(stand);
		const std::string table = "0 " + std::to_string(sectors) + " snapdiff-origin " +
					  store.number() + " a " + below.number() + " 0";
		failEach(
			"load an origin", [&] { return dm_.load(device.name(), table); },
			[&] { EXPECT_EQ(dm_.clear(device.name()), 0); },
			[&] {
				expectClosed(below, 0);
				EXPECT_EQ(store.checked().origins.size(), 1u);
			});
	}
	Origin origin(store, "a", below);
	store.take("s1");
	const DmDevice device = plain(stand);
	failEach(
		"load an image",
		[&] { return dm_.load(device.name(), imageTable(store, "s1", origin)); },
		[&] { EXPECT_EQ(dm_.clear(device.name()), 0); },
		[&] { EXPECT_EQ(store.checked().snapshot("s1").images, 0u); });
}

TEST_F(Alloc, Messages)
{
	const Disk range(0, 65536);
	const Disk below(1, sectors);
	const Disk other(2, sectors);
	Store store({}, {rangeWords(range, 0, 16384)});
	Origin a(store, "a", below);
	Origin b(store, "b", other);
	const std::string &name = store.device().name();
	const auto send = [&](const std::string &text) { return dm_.message(name, text).error; };
	const auto nothing = [] {};

	failEach(
		"take", [&] { return send("take s1 5000 *"); }, [&] { store.drop("s1"); },
		[&] { EXPECT_TRUE(store.checked().snapshots.empty()); });
	store.take("s1");
	std::string text;
	failEach(
		"status", [&] { return dm_.read(name, DmControl::Text::Status, text); }, nothing,
		nothing);
	failEach(
		"table", [&] { return dm_.read(name, DmControl::Text::Table, text); }, nothing,
		nothing);
	failEach(
		"set", [&] { return send("set low_water 100"); }, nothing, nothing);
	failEach(
		"summary", [&] { return send("summary"); }, nothing, nothing);
	failEach(
		"delete", [&] { return send("delete s1"); }, [&] { store.take("s1"); },
		[&] { EXPECT_TRUE(store.checked().snapshot("s1").live()); });
	// Each range can be given once.
	uint64_t given = 0;
	failEach(
		"extend",
		[&] {
			return send("extend " + range.number() + " " +
				    std::to_string(16384 + given * 64) + " 64");
		},
		[&] { ++given; }, [&] { EXPECT_EQ(store.checked().ranges.size(), given + 1); });
}

TEST_F(Alloc, Detach)
{
	const Disk range(0, 16384);
	const Disk below(1, sectors);
	Store store({}, {rangeWords(range)});
	const std::string table = "0 " + std::to_string(sectors) + " snapdiff-origin " +
				  store.number() + " a " + below.number() + " 0";
	unsigned minor = 0;
	ASSERT_EQ(dm_.make("alloc-origin", table, minor), 0);
	failEach(
		"detach", [&] { return store.send("detach a").error; },
		[&] {
			EXPECT_EQ(dm_.remove("alloc-origin"), 0);
			EXPECT_EQ(dm_.make("alloc-origin", table, minor), 0);
		},
		[&] { EXPECT_EQ(store.checked().origin("a").state, "watched"); });
	EXPECT_EQ(store.send("detach a").error, 0);
	EXPECT_EQ(dm_.remove("alloc-origin"), 0);
}

TEST_F(Alloc, Shrink)
{
	constexpr uint64_t half = 8192;
	const Disk range(0, 2 * half);
	const Disk below(1, sectors);
	Store store({}, {rangeWords(range, 0, half)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	store.take("s1");
	data.fork("s1");
	ASSERT_EQ(data.write(0, sectors), 0);
	store.extend(rangeWords(range, half, half));
	const std::string words = range.number() + " 0 " + std::to_string(half);
	const auto first = [&]() -> std::optional<RangeStatus> {
		for (const RangeStatus &one : store.checked().ranges)
			if (one.start == 0)
				return one;
		return std::nullopt;
	};
	// As long as it moves data it can be kept; afterwards it must be given again.
	const auto keep = [&] {
		(void)store.send("shrink " + words + " cancel");
		EXPECT_TRUE(store.waitFor([&](const Summary &) {
			const auto now = first();
			return !now || now->shrink != "moving";
		}));
		if (!first())
			store.extend(words + " 0");
	};
	failEach(
		"shrink", [&] { return store.send("shrink " + words).error; }, keep,
		[&] { EXPECT_TRUE(first() && first()->shrink != "moving"); });
	const Image image(store, "s1", origin);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
}

TEST_F(Alloc, Destructors)
{
	const Disk range(0, 16384);
	const Disk below(1, sectors);
	ExpectKernelLog invalid(invalidSnapshot);
	unsigned minor = 0;
	const auto count = [](uint64_t n) { return std::to_string(n); };
	// One of the three a round, with everything it needs below it.
	for (int victim = 0; victim < 3; ++victim) {
		bool more = true;
		for (uint64_t n = 1; more && n < mostAllocations && !HasFailure(); ++n) {
			unsigned storeMinor = 0;
			ASSERT_EQ(dm_.make("alloc-store", storeTable({}, {rangeWords(range)}),
					   storeMinor),
				  0);
			const std::string number = dmNumber(storeMinor);
			ASSERT_EQ(dm_.make("alloc-origin",
					   "0 " + count(sectors) + " snapdiff-origin " + number +
						   " a " + below.number() + " 0",
					   minor),
				  0);
			ASSERT_EQ(dm_.message("alloc-store", "take s1 5000 *").error, 0);
			ASSERT_EQ(
				dm_.make("alloc-image",
					 "0 " + count(sectors) + " snapdiff " + number + " s1 a ro",
					 minor),
				0);
			for (int i = 0; i < 3; ++i) {
				static const char *const names[] = {"alloc-image", "alloc-origin",
								    "alloc-store"};
				int error = 0;
				if (i == victim)
					more = faults_->failNth(
						n, [&] { error = dm_.remove(names[i]); });
				else
					error = dm_.remove(names[i]);
				if (error == ENOMEM)
					error = dm_.remove(names[i]);
				ASSERT_EQ(error, 0) << names[i] << " " << n;
			}
		}
		EXPECT_FALSE(more) << "no end";
	}
	expectClosed(range, 0);
	expectClosed(below, 0);
}

// The file that is read and written allocates for itself, and may be refused; we add no refusal.
TEST_F(Alloc, IoIsRefusedNoMoreOftenThanThatOfAPlainDevice)
{
	constexpr uint64_t chunk = 8;
	const Disk range(0, 65536);
	const Disk below(1, 32768);
	const Disk bare(2, 32768);
	const DmDevice device = plain(bare);
	const BlockDevice other(device.path());
	const Buffer contents(chunk, 0x5a);
	Buffer held(chunk);
	const uint64_t writes = refusalsOf("write to a plain device", [&](uint64_t n) {
		return other.write(n * chunk, contents);
	});
	const uint64_t reads = refusalsOf("read of a plain device",
					  [&](uint64_t n) { return other.read(n * chunk, held); });
	const uint64_t discards = refusalsOf("discard on a plain device", [&](uint64_t n) {
		return other.discard(n * chunk, chunk);
	});

	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), below.sectors(), 1);
	store.take("s1");
	data.fork("s1");
	const auto write = [&](uint64_t n) { return data.write(n * chunk, chunk); };
	// Whether the last part of the disk holds zeroes or not is of no interest.
	const auto discard = [&](uint64_t n) {
		return data.device().discard(below.sectors() - n * chunk, chunk);
	};
	EXPECT_EQ(refusalsOf("first write to a chunk", write), writes);
	EXPECT_EQ(refusalsOf("write to a safe chunk", write), writes);
	EXPECT_EQ(refusalsOf("discard", discard), discards);
	{
		const Image image(store, "s1", origin);
		const BlockDevice past(image.path(), BlockDevice::Mode::ReadOnly);
		const auto read = [&](uint64_t n) { return past.read(n * chunk, held); };
		EXPECT_EQ(refusalsOf("read of a copy in memory", read), reads);
		ASSERT_TRUE(store.waitUntilWritten());
		EXPECT_EQ(refusalsOf("read of a copy in a range", read), reads);
		EXPECT_EQ(
			refusalsOf("read of what was not copied",
				   [&](uint64_t n) { return past.read(16384 + n * chunk, held); }),
			reads);
		EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	}
	Image image(store, "s1", origin, "rw");
	const BlockDevice overlay(image.path());
	EXPECT_EQ(refusalsOf("write to an image",
			     [&](uint64_t n) { return overlay.write(n * chunk, contents); }),
		  writes);
	EXPECT_TRUE(store.checked().snapshot("s1").live());
}

namespace {

// The same workers hand requests to the disks' driver, which asks for its descriptors with exactly
// these flags (16 bytes for each piece of memory, hence caches of any size), says so when it gets
// none, and does without. What we ask for says that nothing is to be logged. The kernel's finder of
// leaks has needs of its own.
class DriversComplaints
{
	ExpectKernelLog flags_{
		"SLUB: Unable to allocate memory on node -1, gfp=0xa20\\(GFP_ATOMIC\\)"};
	ExpectKernelLog cache_{"  cache: kmalloc-"};
	ExpectKernelLog order_{" debugging increased min order, use slub_debug=O to disable."};
	ExpectKernelLog slabs_{"  node 0: slabs: "};
	ExpectKernelLog leaks_{"kmemleak: Cannot allocate a "};
};

} // namespace

// The workers that copy and write segments find no memory now and then: writers wait or cost a
// snapshot, but no write is lost and no image is wrong.
TEST_F(Alloc, WorkersWithoutMemoryLoseNoWrite)
{
	const DriversComplaints complaints;
	ExpectKernelLog lost(invalidSnapshot);
	ExpectKernelLog stalled("no buffer came free|no memory for a buffer");
	const Disk range(0, 65536);
	const Disk below(1, 32768);
	Store store({.chunk = 8, .stallMs = 5000}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), below.sectors(), 1);
	Random random;
	std::cout << "seed " << runSeed() << std::endl;
	uint64_t failed = 0;
	const int rounds = fullCounts() ? 40 : 3;
	for (int round = 0; round < rounds && !HasFailure(); ++round) {
		store.take("s1");
		data.fork("s1");
		faults_->failWorkers(static_cast<unsigned>(random.between(2, 40)));
		RandomLoad load(random, {});
		load.run(data, 300);
		failed += faults_->stopFailing();
		EXPECT_TRUE(data.isIntact());
		if (store.checked().snapshot("s1").live()) {
			const Image image(store, "s1", origin);
			EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
		}
		store.drop("s1");
	}
	std::cout << failed << " allocations failed" << std::endl;
	EXPECT_GT(failed, 0u);
}
