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
	Store store({}, {rangeWords(range)});
	{
		const DmDevice device = plain(stand);
		const std::string table = "0 " + std::to_string(sectors) + " snapdiff-origin " +
					  store.number() + " a " + below.number() + " 0";
		failEach(
			"load an origin", [&] { return dm_.load(device.name(), table); },
			[&] { EXPECT_EQ(dm_.clear(device.name()), 0); },
			[&] {
				expectClosed(below, 0);
				EXPECT_TRUE(store.checked().origins.empty());
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

// The workers that copy and write segments find no memory now and then: writers wait or cost a
// snapshot, but no write is lost and no image is wrong.
TEST_F(Alloc, WorkersWithoutMemoryLoseNoWrite)
{
	ExpectKernelLog lost(invalidSnapshot);
	ExpectKernelLog stalled("no buffer came free");
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
