// SPDX-License-Identifier: GPL-2.0-or-later
// The world's devices and messages: what is made, changed, asked and removed.

#include "life/life.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <gtest/gtest.h>
#include <iterator>
#include <thread>

namespace snapdiff::lab {

namespace {

void sleepMs(uint64_t ms)
{
	std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

std::string number(uint64_t value)
{
	return std::to_string(value);
}

} // namespace

// ---- snapshots -------------------------------------------------------------

std::shared_ptr<LifeFork> Life::anyFork(LifeStore &store, Random &dice)
{
	const std::lock_guard lock(store.lock);
	if (store.forks.empty())
		return nullptr;
	return store.forks[dice.below(store.forks.size())];
}

std::shared_ptr<LifeFork> Life::newFork(size_t storeIndex)
{
	auto fork = std::make_shared<LifeFork>();
	fork->name = "s" + number(++names_);
	for (size_t i = 0; i < origins_.size(); ++i)
		if (origins_[i]->store == storeIndex)
			fork->past[i] = std::make_unique<PastData>(origins_[i]->data.tag(),
								   origins_[i]->data.granules());
	return fork;
}

// With nobody writing, what its images must show is known to the last sector; otherwise writes that
// were under way may be in it or not, but the same way for ever.
bool Life::take(Random &dice)
{
	constexpr size_t mostSnapshots = 6;
	const size_t index = dice.below(stores_.size());
	LifeStore &store = *stores_[index];
	{
		const std::lock_guard lock(store.lock);
		if (store.forks.size() >= mostSnapshots)
			return false;
	}
	const auto fork = newFork(index);
	const bool inPeace = dice.oneIn(3);
	std::vector<std::unique_lock<std::shared_mutex>> peace;
	std::string text = "take " + fork->name + " " + (dice.oneIn(10) ? "1" : "5000");
	// All of them, or some.
	if (dice.oneIn(2))
		text += " *";
	else
		while (fork->past.size() > 1 && !dice.oneIn(3))
			fork->past.erase(
				std::next(fork->past.begin(),
					  static_cast<ptrdiff_t>(dice.below(fork->past.size()))));
	for (const auto &[origin, past] : fork->past) {
		if (inPeace)
			peace.emplace_back(origins_[origin]->calm);
		if (!text.ends_with("*"))
			text += " " + origins_[origin]->word;
		origins_[origin]->data.noteLow(past->bounds());
	}
	const DmAnswer answer = dm_.message(store.device.name, text);
	for (const auto &[origin, past] : fork->past)
		origins_[origin]->data.noteHigh(past->bounds());
	if (!judge(answer, text))
		return false;
	const std::lock_guard lock(store.lock);
	store.forks.push_back(fork);
	return true;
}

bool Life::deleteSnapshot(Random &dice)
{
	LifeStore &store = anyStore(dice);
	const auto fork = anyFork(store, dice);
	if (!fork)
		return false;
	const std::string text = "delete " + fork->name;
	if (!judge(dm_.message(store.device.name, text), text))
		return false;
	const std::lock_guard lock(store.lock);
	std::erase(store.forks, fork);
	return true;
}

void Life::learnStates(LifeStore &store, const StoreStatus &status)
{
	const std::lock_guard lock(store.lock);
	for (const auto &fork : store.forks)
		if (status.hasSnapshot(fork->name) && !status.snapshot(fork->name).live())
			fork->knownInvalid.store(true);
}

bool Life::isLive(size_t storeIndex, const LifeFork &fork)
{
	std::string text;
	if (dm_.read(stores_[storeIndex]->device.name, DmControl::Text::Status, text) ||
	    text.empty())
		return false;
	const StoreStatus status = parseStatus(text);
	return status.hasSnapshot(fork.name) && status.snapshot(fork.name).live();
}

// ---- images ----------------------------------------------------------------

bool Life::makeImage(Random &dice)
{
	LifeImage &image = anyImage(dice);
	LifeStore &store = anyStore(dice);
	const auto fork = anyFork(store, dice);
	if (!fork)
		return false;
	auto chosen = fork->past.begin();
	std::advance(chosen, dice.below(fork->past.size()));
	const size_t origin = chosen->first;
	const std::shared_lock storeLock(store.device.use);
	const std::unique_lock lock(image.device.use);
	if (!store.device.exists || image.device.exists)
		return false;
	{
		const std::lock_guard inner(image.lock);
		image.origin = origin;
		image.shown = {fork};
		image.mayShow = 0;
		image.reloading = false;
		image.overlay = nullptr;
		// A tag of its own: what was written to another device must not be seen in it.
		if (dice.oneIn(2))
			image.overlay =
				std::make_shared<LiveData>(static_cast<uint32_t>(1000 + ++names_),
							   origins_[origin]->data.granules());
	}
	image.device.name = "life-image-" + number(++names_);
	const std::string table = "0 " + number(origins_[origin]->data.sectors()) + " snapdiff " +
				  dmNumber(store.device.minor) + " " + fork->name + " " +
				  origins_[origin]->word + (image.overlay ? " rw" : " ro");
	image.device.exists = dm_.make(image.device.name, table, image.device.minor) == 0;
	return image.device.exists;
}

bool Life::removeImage(Random &dice)
{
	return removeDevice(anyImage(dice).device, 3);
}

// The same device shows another snapshot, while somebody reads it.
bool Life::reloadImage(Random &dice)
{
	LifeImage &image = anyImage(dice);
	const std::shared_lock lock(image.device.use);
	if (!image.device.exists)
		return false;
	std::unique_lock inner(image.lock);
	LifeOrigin &origin = *origins_[image.origin];
	LifeStore &store = *stores_[origin.store];
	// What was written belongs to the device and the snapshot: a writable one keeps it.
	const auto fork = image.overlay ? image.shown.back() : anyFork(store, dice);
	if (!fork || image.reloading || !fork->past.contains(image.origin))
		return false;
	image.reloading = true;
	image.shown.push_back(fork);
	inner.unlock();
	// Whoever resumes the device swaps the table in, or loses it to one who resumes at the same
	// moment: then nobody could say which snapshot is shown.
	const std::lock_guard alone(image.device.control);
	std::string table;
	int error = dm_.read(image.device.name, DmControl::Text::Table, table);
	const size_t old = table.find(" s", table.find(" snapdiff ") + 10);
	bool loaded = false;
	if (!error && old != std::string::npos) {
		table.replace(old + 1, table.find(' ', old + 1) - old - 1, fork->name);
		error = dm_.load(image.device.name, table);
		loaded = !error;
		error = error ? error : dm_.resume(image.device.name);
	}
	inner.lock();
	// A table that was loaded may still be swapped in by whoever resumes the device next.
	if (!loaded)
		image.shown.pop_back();
	else if (!error)
		image.mayShow = image.shown.size() - 1;
	image.reloading = false;
	return loaded && !error;
}

// ---- ranges and options ----------------------------------------------------

bool Life::extend(Random &dice)
{
	LifeStore &store = anyStore(dice);
	const std::string text = "extend " + store.pieces[dice.below(store.pieces.size())];
	const DmAnswer answer = dm_.message(store.device.name, text);
	return judge(answer, text) && answer.text.empty();
}

bool Life::extendBadly(Random &dice)
{
	LifeStore &store = anyStore(dice);
	const Disk &disk = store.disks.front();
	const std::string texts[] = {
		"extend " + dmNumber(store.device.minor) + " 0 1",
		"extend " + disk.number() + " 8 64", // the first piece has it
		"extend " + disk.number() + " 0 0",
		"extend " + disk.number() + " 16 " + number(disk.sectors()),
		"extend " + disk.number() + " 18446744073709551608 4096",
		"extend 254:65535 0 4096",
		"extend /dev/none 0 4096",
	};
	const std::string &text = texts[dice.below(std::size(texts))];
	const DmAnswer answer = dm_.message(store.device.name, text);
	judge(answer, text);
	EXPECT_FALSE(answer.ok()) << text;
	return !answer.ok();
}

bool Life::set(Random &dice)
{
	LifeStore &store = anyStore(dice);
	const std::string texts[] = {
		"set low_water " + number(dice.below(2000)),
		"set hold " + number(dice.below(300)),
		"set stall 60000",
		"set buffer " + number(2048 + dice.below(16384)),
		dice.oneIn(4) ? "set full drop-all" : "set full drop-oldest",
		dice.oneIn(2) ? "set discard copy" : "set discard ignore",
	};
	const std::string &text = texts[dice.below(std::size(texts))];
	return judge(dm_.message(store.device.name, text), text);
}

bool Life::badMessage(Random &dice)
{
	LifeStore &store = anyStore(dice);
	static const std::string texts[] = {"take",
					    "take x",
					    "take x 0 *",
					    "take x 99999999 *",
					    "take -x 10 *",
					    "delete none",
					    "detach none",
					    "set hold -1",
					    "set nothing 1",
					    "extend",
					    "extend a b c",
					    "nonsense",
					    "take x 100 o1 o1",
					    "set buffer 1",
					    "take x 100 nobody",
					    "extend 1:1 0 8 last"};
	const std::string &text = texts[dice.below(std::size(texts))];
	const DmAnswer answer = dm_.message(store.device.name, text);
	judge(answer, text);
	EXPECT_FALSE(answer.ok()) << text;
	return !answer.ok();
}

bool Life::judge(const DmAnswer &answer, const std::string &text)
{
	static const std::set<int> known = {0,	    EINVAL, ENOENT,    EEXIST, EBUSY,
					    ENOSPC, EROFS,  ETIMEDOUT, ENXIO};
	EXPECT_TRUE(known.contains(answer.error)) << text << ": " << strerror(answer.error);
	return answer.ok();
}

// Status and table of anything, and that they say something that can be true.
bool Life::look(Random &dice)
{
	LifeStore &store = anyStore(dice);
	std::string text;
	switch (dice.below(6)) {
	case 0:
		return !dm_.read(store.device.name, DmControl::Text::Table, text);
	case 1:
		return !dm_.read(anyOrigin(dice).device.name, DmControl::Text::Table, text);
	case 2:
		return !dm_.read(anyImage(dice).device.name, DmControl::Text::Status, text);
	case 3:
		return judge(dm_.message(store.device.name, "summary"), "summary");
	case 4:
		return judge(dm_.message(store.device.name, "why"), "why");
	default:
		break;
	}
	if (dm_.read(store.device.name, DmControl::Text::Status, text) || text.empty())
		return false;
	const StoreStatus status = parseStatus(text);
	const Summary &s = status.summary;
	EXPECT_EQ(s.capacity, s.used + s.free + s.unusable) << text;
	EXPECT_LE(status.buffered, std::max<uint64_t>(status.buffer, 1 << 16)) << text;
	learnStates(store, status);
	return true;
}

// ---- tables ----------------------------------------------------------------

bool Life::reloadStore(Random &dice)
{
	LifeStore &store = anyStore(dice);
	std::string table;
	if (dm_.read(store.device.name, DmControl::Text::Table, table) || table.empty())
		return false;
	if (dm_.load(store.device.name, table))
		return false;
	sleepMs(dice.below(5));
	if (dice.oneIn(4))
		return dm_.clear(store.device.name) == 0;
	return dm_.resume(store.device.name) == 0;
}

bool Life::reloadOrigin(Random &dice)
{
	LifeOrigin &origin = anyOrigin(dice);
	const std::shared_lock lock(origin.device.use);
	if (!origin.device.exists || dm_.load(origin.device.name, origin.table))
		return false;
	if (dice.oneIn(5))
		return dm_.clear(origin.device.name) == 0;
	return dm_.resume(origin.device.name) == 0;
}

// Somebody else's table for a moment: its writes pass unseen, and cost the snapshots.
bool Life::reloadForeign(Random &dice)
{
	LifeOrigin &origin = anyOrigin(dice);
	const std::shared_lock lock(origin.device.use);
	const std::string foreign =
		"0 " + number(origin.data.sectors()) + " linear " + origin.below.number() + " 0";
	if (!origin.device.exists || dm_.load(origin.device.name, foreign) ||
	    dm_.resume(origin.device.name))
		return false;
	sleepMs(dice.below(8));
	return !dm_.load(origin.device.name, origin.table) && !dm_.resume(origin.device.name);
}

bool Life::suspendOne(Random &dice)
{
	LifeDevice *const devices[] = {&anyOrigin(dice).device, &anyOrigin(dice).device,
				       &anyImage(dice).device, &anyStore(dice).device};
	LifeDevice &device = *devices[dice.below(std::size(devices))];
	std::string name;
	{
		const std::shared_lock lock(device.use);
		name = device.name;
	}
	const auto how = dice.oneIn(2) ? DmControl::Flush::Yes : DmControl::Flush::No;
	const std::lock_guard alone(device.control);
	const int error = dm_.suspend(name, how);
	sleepMs(dice.below(10));
	dm_.resume(name);
	return !error;
}

// ---- making and removing ---------------------------------------------------

bool Life::makeStore(LifeStore &store, Random &dice)
{
	const std::unique_lock lock(store.device.use);
	if (store.device.exists)
		return false;
	constexpr uint32_t chunks[] = {8, 8, 32, 128};
	StoreOptions options;
	options.chunk = chunks[dice.below(std::size(chunks))];
	options.lowWater = 512;
	options.holdMs = static_cast<uint32_t>(dice.below(250));
	options.stallMs = 60000;
	options.buffer = static_cast<uint32_t>(2048 + dice.below(16384));
	options.features = dice.oneIn(4) ? "full=drop-all" : "";
	store.device.name = "life-store-" + number(++names_);
	const std::string table = storeTable(options, {store.pieces[0], store.pieces[1]});
	const int error = dm_.make(store.device.name, table, store.device.minor);
	EXPECT_EQ(error, 0) << table << ": " << strerror(error);
	store.device.exists = !error;
	return !error;
}

bool Life::makeOrigin(LifeOrigin &origin)
{
	LifeStore &store = *stores_[origin.store];
	const std::shared_lock storeLock(store.device.use);
	const std::unique_lock lock(origin.device.use);
	if (!store.device.exists || origin.device.exists)
		return false;
	origin.device.name = "life-origin-" + number(++names_);
	origin.table = "0 " + number(origin.data.sectors()) + " snapdiff-origin " +
		       dmNumber(store.device.minor) + " " + origin.word + " " +
		       origin.below.number() + " 0";
	origin.device.exists = dm_.make(origin.device.name, origin.table, origin.device.minor) == 0;
	return origin.device.exists;
}

bool Life::removeDevice(LifeDevice &device, int attempts)
{
	for (int i = 0; i < attempts; ++i) {
		{
			const std::unique_lock lock(device.use);
			if (!device.exists)
				return i > 0;
			device.exists = dm_.remove(device.name) != 0;
			if (!device.exists)
				return true;
		}
		sleepMs(5);
	}
	return false;
}

bool Life::remakeOrigin(Random &dice)
{
	LifeOrigin &origin = anyOrigin(dice);
	const std::string text = "detach " + origin.word + (dice.oneIn(2) ? " force" : "");
	if (dice.oneIn(2))
		judge(dm_.message(stores_[origin.store]->device.name, text), text);
	removeDevice(origin.device, 5);
	return makeOrigin(origin);
}

// All of it, from above to below; false if something was in use for too long.
bool Life::removeStore(size_t storeIndex, int attempts)
{
	for (auto &image : images_) {
		std::unique_lock lock(image->lock);
		const bool ours = origins_[image->origin]->store == storeIndex;
		lock.unlock();
		if (ours)
			removeDevice(image->device, attempts);
	}
	for (auto &origin : origins_)
		if (origin->store == storeIndex)
			removeDevice(origin->device, attempts);
	LifeStore &store = *stores_[storeIndex];
	if (!removeDevice(store.device, attempts))
		return false;
	const std::lock_guard lock(store.lock);
	store.forks.clear();
	return true;
}

bool Life::remakeStore(Random &dice)
{
	const size_t index = dice.below(stores_.size());
	LifeStore &store = *stores_[index];
	const std::unique_lock rebuilding(store.rebuilding, std::try_to_lock);
	if (!rebuilding)
		return false;
	const bool removed = removeStore(index, 20);
	makeStore(store, dice);
	for (auto &origin : origins_)
		if (origin->store == index)
			makeOrigin(*origin);
	return removed;
}

} // namespace snapdiff::lab
