// SPDX-License-Identifier: GPL-2.0-or-later
// A small world of stores, origins, snapshots and images in which many threads do whatever they
// like, with what each image must show known all the time.
//
// An operation may find its object gone, busy or in the middle of something else: that is the
// point. What it may not find is a wrong byte, an answer that makes no sense, or no answer.
#pragma once

#include "harness/disk.h"
#include "harness/random.h"
#include "support/bounds.h"
#include "support/dm_control.h"
#include "support/stack.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

namespace snapdiff::lab {

// A device that comes and goes. Whoever opens or names it holds the lock shared, as the kernel
// uses its number again when it is gone.
struct LifeDevice
{
	std::shared_mutex use;
	std::mutex control; // of an image: a load and its resume, a suspend and its resume
	std::string name;
	unsigned minor = 0;
	bool exists = false;
};

// A snapshot and what its images must show, by the origin's number in the world.
struct LifeFork
{
	std::string name;
	std::map<size_t, std::unique_ptr<PastData>> past;
	// The status has said that it is invalid: from then on every read must fail.
	std::atomic<bool> knownInvalid = false;
};

struct LifeOrigin
{
	LifeOrigin(size_t storeIndex, uint32_t tag, int disk, uint64_t granules);

	size_t store;
	std::string word; // its name in the store
	Disk below;
	LiveData data;
	LifeDevice device;
	std::string table;
	// Shared by writers; alone: nobody writes.
	std::shared_mutex calm;
};

struct LifeStore
{
	LifeDevice device;
	std::vector<Disk> disks;
	std::vector<std::string> pieces; // ranges that it may be given
	std::mutex rebuilding;
	std::mutex lock; // for what follows
	std::vector<std::shared_ptr<LifeFork>> forks;
};

struct LifeImage
{
	LifeDevice device;
	std::mutex lock; // for what follows
	size_t origin = 0;
	// What it has shown since it was made, the latest last. A reload is under way between two
	// of them: then it may show any from mayShow on.
	std::vector<std::shared_ptr<LifeFork>> shown;
	size_t mayShow = 0;
	bool reloading = false;
	// What was written to it, if it is writable; a new one for each device.
	std::shared_ptr<LiveData> overlay;
};

class Life
{
public:
	Life();
	~Life() { takeDown(); }
	Life(const Life &) = delete;
	Life &operator=(const Life &) = delete;

	// One operation, chosen by the dice. Wrong answers and data are gtest failures.
	void step(Random &dice);
	// Every operation that was never done in all these steps, until it is.
	void tryTheRest(Random &dice);
	// Compares all that must be readable, in peace.
	void compareAll();
	// Images, origins and stores go; what lies below them must be right.
	void takeDown();
	// How often each operation was tried, and how often it did what it is for.
	std::string tally() const;
	// Operations that never did what they are for.
	std::set<std::string> neverDone() const;

private:
	using Step = bool (Life::*)(Random &);
	struct Kind
	{
		const char *name;
		unsigned weight;
		Step step;
	};
	struct Count
	{
		std::atomic<uint64_t> tried = 0;
		std::atomic<uint64_t> done = 0;
	};
	static const std::vector<Kind> &kinds();

	// Each returns true if it did what it is for.
	bool write(Random &dice);
	bool zero(Random &dice);
	bool discard(Random &dice);
	bool readOrigin(Random &dice);
	bool readImage(Random &dice);
	bool writeImage(Random &dice);

	bool take(Random &dice);
	bool deleteSnapshot(Random &dice);
	bool makeImage(Random &dice);
	bool removeImage(Random &dice);
	bool reloadImage(Random &dice);
	bool extend(Random &dice);
	bool extendBadly(Random &dice);
	bool set(Random &dice);
	bool badMessage(Random &dice);
	bool look(Random &dice);
	bool reloadStore(Random &dice);
	bool reloadOrigin(Random &dice);
	bool reloadForeign(Random &dice);
	bool suspendOne(Random &dice);
	bool remakeOrigin(Random &dice);
	bool remakeStore(Random &dice);

	LifeStore &anyStore(Random &dice) { return *stores_[dice.below(stores_.size())]; }
	LifeOrigin &anyOrigin(Random &dice) { return *origins_[dice.below(origins_.size())]; }
	LifeImage &anyImage(Random &dice) { return *images_[dice.below(images_.size())]; }
	LifeImage &someImage(Random &dice, bool writable = false);
	std::shared_ptr<LifeFork> anyFork(LifeStore &store, Random &dice);
	std::shared_ptr<LifeFork> newFork(size_t storeIndex);

	bool makeStore(LifeStore &store, Random &dice);
	bool makeOrigin(LifeOrigin &origin);
	bool removeDevice(LifeDevice &device, int attempts);
	bool removeStore(size_t storeIndex, int attempts);
	void learnStates(LifeStore &store, const StoreStatus &status);
	bool isLive(size_t storeIndex, const LifeFork &fork);
	// What a read of an image found, and what it may have found.
	struct ImageRead
	{
		explicit ImageRead(const Stretch &where)
			: at(where), held(at.count * granuleSectors)
		{
		}

		// What the image has shown, from this one on.
		void addForks(const LifeImage &image, size_t from);

		Stretch at;
		Buffer held;
		int error = 0;
		size_t origin = 0;
		std::vector<std::shared_ptr<LifeFork>> forks; // each of them once
		std::shared_ptr<LiveData> overlay;
		Bounds written; // of the overlay
		bool mustFail = false;
	};
	void judgeImageRead(const ImageRead &read);
	static std::string imageFault(const ImageRead &read);
	static std::string mixedFault(const ImageRead &read);
	// The answer must be one that the grammar knows.
	bool judge(const DmAnswer &answer, const std::string &text);

	DmControl dm_;
	std::vector<std::unique_ptr<LifeStore>> stores_;
	std::vector<std::unique_ptr<LifeOrigin>> origins_;
	std::vector<std::unique_ptr<LifeImage>> images_;
	std::vector<Count> counts_;
	std::atomic<uint64_t> names_ = 0;
	std::atomic<uint64_t> readsAcrossReloads_ = 0;
};

} // namespace snapdiff::lab
