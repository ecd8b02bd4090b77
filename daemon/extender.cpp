// SPDX-License-Identifier: GPL-2.0-or-later
//
// Extender: the hot path.

#include "extender.h"

#include "ops/step.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace snapdiff::daemon {

namespace {

constexpr int64_t msInNs = 1'000'000;

// A message that failed for lack of memory and the like is sent again after this.
constexpr int64_t postponeNs = 20 * msInNs;

// So many ranges refused in a row, and the fault is not in the ranges: wait a little
// before the next ones are tried, or a whole reserve would be used up in vain.
constexpr unsigned refusalsInARow = 3;
constexpr int64_t refusalRestNs = 1000 * msInNs;

// A store that can have no more ranges: until some of them have left.
constexpr int64_t limitRestNs = 10000 * msInNs;

bool willPass(int errnum)
{
	return errnum == ENOMEM || errnum == EINTR || errnum == EAGAIN;
}

// A message put together in fixed memory.
class Text
{
public:
	Text &operator<<(std::string_view word)
	{
		for (const char c : word)
			if (size_ < sizeof(text_))
				text_[size_++] = c;
		return *this;
	}
	Text &operator<<(uint64_t number)
	{
		char digits[24];
		const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
		return *this << std::string_view(digits, static_cast<size_t>(end - digits));
	}
	std::string_view view() const { return {text_, size_}; }

private:
	char text_[160];
	size_t size_ = 0;
};

} // namespace

bool WatchedStore::isShort() const
{
	return answers && summary.mode != dm::StoreMode::Dying &&
	       (summary.level == dm::Level::Low || summary.mode != dm::StoreMode::Active);
}

// Finds the stores that had an event, and notices devices that came or went.
class Extender::Comparison final : public DeviceVisitor
{
public:
	explicit Comparison(Extender &extender) : extender_(extender) {}

	void visit(std::string_view name, dm::DeviceNumber number, uint32_t eventNr) override
	{
		add(number.major);
		add(number.minor);
		for (const char c : name)
			add(static_cast<unsigned char>(c));
		WatchedStore *store = extender_.find(number);
		if (!store)
			return;
		store->seen = true;
		if (store->eventNr != eventNr) {
			store->eventNr = eventNr;
			store->look = true;
		}
	}
	uint64_t digest() const { return digest_; }

private:
	void add(uint64_t value) { digest_ = (digest_ ^ value) * 1099511628211U; }

	Extender &extender_;
	uint64_t digest_ = 14695981039346656037U;
};

Extender::Extender(Kernel &kernel, Reserve &reserve)
	: kernel_(kernel), reserve_(reserve), records_(mostRecords)
{
	stores_.reserve(mostStores);
}

void Extender::wake(int64_t wokeNs)
{
	// Armed before looking: what happens after the look wakes us again.
	kernel_.armPoll();
	compare();
	ops::step("stores compared");
	serve(wokeNs);
}

void Extender::sweep(int64_t wokeNs)
{
	for (WatchedStore &store : stores_)
		store.look = true;
	serve(wokeNs);
}

void Extender::retry(int64_t wokeNs)
{
	for (WatchedStore &store : stores_) {
		if (!store.notBefore || store.notBefore > wokeNs)
			continue;
		store.notBefore = 0;
		store.look = true;
	}
	serve(wokeNs);
}

std::optional<int64_t> Extender::nextRetry() const
{
	std::optional<int64_t> next;

	for (const WatchedStore &store : stores_) {
		if (!store.notBefore && !store.look)
			continue;
		if (!next || store.notBefore < *next)
			next = store.notBefore;
	}
	return next;
}

void Extender::compare()
{
	for (WatchedStore &store : stores_)
		store.seen = false;
	Comparison comparison(*this);
	const int error = kernel_.visitDevices(comparison);
	if (error) {
		// Without the list every store may be the one.
		listOverflow_ = listOverflow_ || error == EOVERFLOW;
		for (WatchedStore &store : stores_)
			store.look = true;
		return;
	}
	if (comparison.digest() != devicesDigest_) {
		devicesDigest_ = comparison.digest();
		devicesChanged_ = true;
	}
	for (WatchedStore &store : stores_)
		if (!store.seen)
			store.answers = store.look = false;
}

void Extender::serve(int64_t wokeNs)
{
	for (WatchedStore &store : stores_)
		if (store.look)
			look(store);
	// Those whose writers wait come before those that are only low.
	serveRound(true, wokeNs);
	serveRound(false, wokeNs);
	if (recordsFull())
		return; // what is left is served by retry(), when the records were told
	for (WatchedStore &store : stores_)
		store.look = false;
}

// One range to each store in turn, until none is short or nothing is left.
void Extender::serveRound(bool urgentOnly, int64_t wokeNs)
{
	for (bool given = true; given;) {
		given = false;
		for (WatchedStore &store : stores_) {
			if (!store.look || !store.isShort() || store.notBefore > wokeNs)
				continue;
			if (urgentOnly && store.summary.mode == dm::StoreMode::Active)
				continue;
			if (recordsFull())
				return;
			given = giveOne(store, wokeNs) || given;
		}
	}
}

void Extender::look(WatchedStore &store)
{
	const int error = kernel_.summary(store.number, store.summary);

	store.answers = error == 0;
	if (error == EPROTO)
		tell(store.toldMute, Record::Kind::Mute, store);
	if (!store.answers || store.isShort())
		return;
	store.toldEmpty = store.toldLimit = store.toldMute = false;
	store.refusals = 0;
	store.notBefore = 0;
}

Wish Extender::wishOf(const WatchedStore &store) const
{
	const uint64_t room = store.maxSize - std::min(store.maxSize, store.summary.capacity);

	return {&store.originDisks,	      &store.supplies, room, spread_, store.lastGroup,
		spread_ && store.hasLastGroup};
}

// True when it is worth coming back to this store at once.
bool Extender::giveOne(WatchedStore &store, int64_t wokeNs)
{
	if (store.summary.capacity >= store.maxSize) {
		tell(store.toldLimit, Record::Kind::AtLimit, store);
		return false;
	}
	ReadyRange *range = reserve_.choose(wishOf(store));
	if (!range) {
		tell(store.toldEmpty, Record::Kind::Empty, store);
		return false;
	}
	range->letGo();
	ops::step("claim let go");
	const int error = sendExtend(store, *range);
	ops::step("range given");
	return settle(store, *range, error, wokeNs);
}

int Extender::sendExtend(const WatchedStore &store, const ReadyRange &range)
{
	Text text;

	text << "extend " << range.number.major << ":" << range.number.minor << " 0 "
	     << range.length << " " << range.group;
	if (range.disks.meets(store.originDisks))
		text << ",last";
	return kernel_.message(store.number, text.view());
}

bool Extender::settle(WatchedStore &store, ReadyRange &range, int errnum, int64_t wokeNs)
{
	const int64_t now = kernel_.now();

	if (!errnum) {
		range.state = ReadyRange::State::Given;
		store.lastGroup = range.group;
		store.hasLastGroup = true;
		store.toldEmpty = false;
		store.refusals = 0;
		store.notBefore = 0;
		store.extensions++;
	}
	look(store);
	if (errnum && !store.answers)
		return false; // the store is gone, the range is as good as before

	if (errnum == E2BIG) {
		// Nothing is wrong with the range: it stays for others.
		if (!std::exchange(store.toldLimit, true))
			record(Record::Kind::AtLimit, store).errnum = errnum;
		store.notBefore = now + limitRestNs;
		return false;
	}
	const Record::Kind kind = !errnum	     ? Record::Kind::Given
				  : willPass(errnum) ? Record::Kind::Postponed
						     : Record::Kind::Refused;
	Record &done = record(kind, store);
	done.range = range.number;
	if (range.isDevice())
		done.rangeName.set(range.vg);
	else
		done.rangeName.set(range.vg, "/", range.lv);
	done.supply.set(range.vg);
	done.sectors = range.length;
	done.microseconds = (now - wokeNs) / 1000;
	done.errnum = errnum;

	switch (kind) {
	case Record::Kind::Postponed:
		store.notBefore = now + postponeNs;
		return false;
	case Record::Kind::Refused:
		range.state = ReadyRange::State::Refused;
		if (++store.refusals % refusalsInARow == 0) {
			store.notBefore = now + refusalRestNs;
			return false;
		}
		return true;
	default:
		return true;
	}
}

Record &Extender::record(Record::Kind kind, const WatchedStore &store)
{
	// Never out of bounds: no step is begun with fewer than spareRecords left, and
	// looks alone (one Mute a store) overwrite the last one.
	Record &entry = records_[std::min(recordCount_, mostRecords - 1)];

	recordCount_ = std::min(recordCount_ + 1, mostRecords);
	entry = Record();
	entry.kind = kind;
	entry.store = store.number;
	entry.storeName = store.name;
	return entry;
}

void Extender::tell(bool &told, Record::Kind kind, const WatchedStore &store)
{
	if (!told)
		record(kind, store);
	told = true;
}

bool Extender::give(dm::DeviceNumber number, int64_t wokeNs)
{
	WatchedStore *store = find(number);
	if (!store || recordsFull())
		return false;
	const uint64_t before = store->extensions;
	(void)giveOne(*store, wokeNs);
	return store->extensions > before;
}

bool Extender::takeDevicesChanged()
{
	return std::exchange(devicesChanged_, false);
}

bool Extender::takeListOverflow()
{
	return std::exchange(listOverflow_, false);
}

bool Extender::starving() const
{
	return std::ranges::any_of(stores_, [this](const WatchedStore &store) {
		return store.isShort() && store.summary.capacity < store.maxSize &&
		       !reserve_.choose(wishOf(store));
	});
}

static bool before(const WatchedStore &store, dm::DeviceNumber number)
{
	return store.number < number;
}

WatchedStore *Extender::find(dm::DeviceNumber number)
{
	const auto at = std::lower_bound(stores_.begin(), stores_.end(), number, before);
	return at != stores_.end() && at->number == number ? &*at : nullptr;
}

WatchedStore *Extender::watch(dm::DeviceNumber number, std::string_view name)
{
	auto at = std::lower_bound(stores_.begin(), stores_.end(), number, before);

	if (at == stores_.end() || at->number != number) {
		if (stores_.size() == mostStores)
			return nullptr;
		at = stores_.insert(at, WatchedStore());
		at->number = number;
	}
	at->name.set(name);
	return &*at;
}

void Extender::forget(dm::DeviceNumber number)
{
	std::erase_if(stores_, [&](const WatchedStore &store) { return store.number == number; });
}

} // namespace snapdiff::daemon
