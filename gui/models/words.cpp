// SPDX-License-Identifier: GPL-3.0-or-later
#include "words.h"

#include <algorithm>
#include <array>

#include <QCoreApplication>

#include "format.h"

namespace snapdiff::gui {

namespace {

QString text(const char *source)
{
	return QCoreApplication::translate("Words", source);
}

/* The more urgent of two; of equals the first, which is the more specific one. */
Condition worse(const Condition &first, const Condition &second)
{
	return second.severity > first.severity ? second : first;
}

/* A daemon's reason as the sentences here look: capital first, full stop last. */
QString asSentence(QString reason)
{
	if (reason.isEmpty())
		return reason;
	reason[0] = reason[0].toUpper();
	if (!reason.back().isPunct())
		reason += QLatin1Char('.');
	return reason;
}

Condition modeCondition(const Store &store)
{
	switch (store.mode) {
	case Mode::Holding:
		return {Severity::Critical, text("Holding writes"),
			text("%1 for free space, the oldest since %2.")
				.arg(format::count(store.heldWrites, text("write waits"),
						   text("writes wait")),
				     format::milliseconds(store.heldMs))};
	case Mode::Full:
		return {Severity::Critical, text("Full"),
			text("No free place, and hold has ended: snapshots are dropped, the "
			     "origins go on.")};
	case Mode::Dying:
		return {Severity::Notice, text("Going away"), text("The store is being removed.")};
	case Mode::Unknown:
		return {Severity::Warning, text("Unknown"),
			text("The daemon reports a mode that this program does not know.")};
	case Mode::Active:
		break;
	}
	return {};
}

Condition levelCondition(const Store &store)
{
	if (store.level != Level::Low)
		return {};
	if (store.reserve == 0 && store.carvable == 0)
		return {Severity::Critical, text("No supply"),
			text("Free space is low, the reserve is empty and nothing is left to "
			     "carve. Give it space: snapdiff extend %1.")
				.arg(store.name)};
	return {Severity::Warning, text("Low water"),
		text("Free space is at the low-water mark; the store has asked for a range.")};
}

Condition damageCondition(const Store &store)
{
	const auto failed = std::count_if(store.ranges.begin(), store.ranges.end(),
					  [](const Range &range) { return range.failed; });
	if (failed > 0)
		return {Severity::Warning, text("Range failed"),
			text("%1 refused a write and %2 no more copies.")
				.arg(format::count(static_cast<quint64>(failed), text("range"),
						   text("ranges")),
				     failed == 1 ? text("takes") : text("take"))};

	const auto invalid = std::count_if(store.snapshots.begin(), store.snapshots.end(),
					   [](const Snapshot &snapshot) { return !snapshot.live; });
	if (invalid > 0)
		return {Severity::Warning, text("Snapshot invalid"),
			text("%1 invalid; the list below says why.")
				.arg(format::count(static_cast<quint64>(invalid),
						   text("snapshot is"), text("snapshots are")))};
	return {};
}

Condition calmCondition(const Store &store)
{
	if (store.origins.empty())
		return {Severity::Notice, text("Nothing attached"),
			text("No origin is attached to this store yet.")};
	if (store.snapshots.empty())
		return {Severity::Ok, text("OK"),
			text("No snapshot exists, so nothing needs to be copied.")};
	if (store.fillRate && *store.fillRate > 0)
		return {Severity::Ok, text("Growing"),
			text("Old data is being copied before it is overwritten.")};
	return {Severity::Ok, text("OK"), text("Snapshots are kept; nothing is being copied.")};
}

} // namespace

namespace words {

QString severity(Severity severity)
{
	switch (severity) {
	case Severity::Ok:
		return text("OK");
	case Severity::Notice:
		return text("Notice");
	case Severity::Warning:
		return text("Warning");
	case Severity::Critical:
		return text("Critical");
	}
	return {};
}

QString mode(Mode mode)
{
	switch (mode) {
	case Mode::Unknown:
		return text("unknown");
	case Mode::Active:
		return text("active");
	case Mode::Holding:
		return text("holding writes");
	case Mode::Full:
		return text("full");
	case Mode::Dying:
		return text("going away");
	}
	return {};
}

QString level(Level level)
{
	switch (level) {
	case Level::Unknown:
		return text("unknown");
	case Level::Ok:
		return text("above low water");
	case Level::Low:
		return text("at low water");
	}
	return {};
}

QString cause(const QString &kernelWord)
{
	struct Cause
	{
		const char *word;
		const char *meaning;
	};
	static constexpr std::array<Cause, 7> causes{{
		{"overflow", "dropped, because the diff storage was full and hold had ended"},
		{"origin-gone", "its origin was replaced or removed without detach, so writes "
				"passed unwatched"},
		{"origin-forced", "its origin was detached by force"},
		{"store-write", "copied data could not be written to any range"},
		{"no-memory", "the kernel had no memory to keep its copies"},
		{"stall", "the diff storage did not answer within the stall limit"},
		{"store-gone", "its store was removed"},
	}};

	if (kernelWord.isEmpty() || kernelWord == QLatin1String("-"))
		return {};
	for (const Cause &known : causes) {
		if (kernelWord == QLatin1String(known.word))
			return text(known.meaning);
	}
	return kernelWord;
}

Condition ofStore(const Store &store)
{
	Condition found = worse(modeCondition(store), levelCondition(store));
	found = worse(found, damageCondition(store));
	const bool calm = found.severity == Severity::Ok;
	if (calm)
		found = calmCondition(store);

	/* How urgent it is, is the daemon's to judge: it knows rates and supplies over time. */
	if (!store.severity)
		return found;
	if (calm && *store.severity >= Severity::Warning)
		found.word = store.secondsToFull ? text("Filling up") : severity(*store.severity);
	found.severity = *store.severity;
	if (!store.reason.isEmpty())
		found.sentence = asSentence(store.reason);
	return found;
}

Condition ofOrigin(const Origin &origin)
{
	if (origin.badChunks > 0)
		return {Severity::Warning,
			text("%1 unreadable")
				.arg(format::count(origin.badChunks, text("chunk"),
						   text("chunks"))),
			text("Their old data could not be read; images answer with an error "
			     "there.")};
	if (origin.state == QLatin1String("watched")) {
		if (origin.unsafeChunks == 0)
			return {Severity::Ok, text("watched, nothing left to copy"),
				text("Every write is watched; no chunk needs to be copied.")};
		return {Severity::Ok,
			text("watched, could need %1").arg(format::size(origin.worstCase)),
			text("Every write is watched; first writes to its %1 that are not safe "
			     "could take %2.")
				.arg(format::count(origin.unsafeChunks, text("chunk"),
						   text("chunks")),
				     format::size(origin.worstCase))};
	}
	if (origin.state == QLatin1String("unwatched"))
		return {Severity::Warning, text("suspended, not watched"),
			text("The origin is suspended; writes are not watched until it resumes.")};
	if (origin.state == QLatin1String("detached"))
		return {Severity::Notice, text("detached"),
			text("Writes pass through, no snapshot covers them.")};
	if (origin.state.isEmpty())
		return {Severity::Notice, text("not attached"),
			text("Snapshots contain it, but it is not attached now.")};
	return {Severity::Notice, origin.state, origin.state};
}

Condition ofSnapshot(const Snapshot &snapshot)
{
	if (snapshot.live)
		return {Severity::Ok, text("live"), text("Every read of its images is answered.")};
	const QString why = cause(snapshot.cause);
	return {Severity::Warning, why.isEmpty() ? text("invalid") : text("invalid: %1").arg(why),
		why.isEmpty() ? text("Every read of its images fails.")
			      : text("Every read of its images fails: %1.").arg(why)};
}

Condition worstCase(const Store &store)
{
	const quint64 within = store.free + store.reserve + store.carvable;

	if (store.worstCase == 0)
		return {Severity::Ok, text("Needs nothing more"),
			text("Every chunk is safe; no write needs space.")};
	if (store.cannotOverflow && store.mode == Mode::Active)
		return {Severity::Ok, text("Cannot overflow any more"),
			text("Needs at most %1 more, %2 can be had.")
				.arg(format::size(store.worstCase), format::size(within))};
	return {Severity::Notice, text("Could overflow"),
		text("Could need %1 more, %2 can be had.")
			.arg(format::size(store.worstCase), format::size(within))};
}

QString part(FillPart part)
{
	switch (part) {
	case FillPart::Used:
		return text("Used");
	case FillPart::Unusable:
		return text("Unusable");
	case FillPart::Free:
		return text("Free");
	case FillPart::Reserve:
		return text("Reserve");
	case FillPart::Carvable:
		return text("Carvable");
	}
	return {};
}

QString partMeaning(FillPart part)
{
	switch (part) {
	case FillPart::Used:
		return text("holds old data of the origins");
	case FillPart::Unusable:
		return text("tails of ranges and failed ranges");
	case FillPart::Free:
		return text("places still to give");
	case FillPart::Reserve:
		return text("carved in advance, shared by all stores");
	case FillPart::Carvable:
		return text("could still be carved, shared by all stores");
	}
	return {};
}

QString range(const Range &range)
{
	QStringList lines;

	lines << text("%1, sectors %2 to %3")
			 .arg(range.device, format::number(range.start),
			      format::number(range.start + range.length - 1));
	lines << text("%1: used %2 (%3), free %4")
			 .arg(format::size(range.length), format::size(range.used),
			      format::percent(range.used, range.length), format::size(range.free));
	if (range.unusable > 0)
		lines << text("unusable %1").arg(format::size(range.unusable));
	lines << text("on %1, group %2%3")
			 .arg(range.disk)
			 .arg(range.group)
			 .arg(range.last ? text(", filled after all others") : QString());
	if (range.failed)
		lines << text("failed: a write to it was refused, it takes no more copies");
	return lines.join(QLatin1Char('\n'));
}

} // namespace words

FillAmounts fillAmounts(const Store &store)
{
	return {store.used,    store.unusable, store.free,
		store.reserve, store.carvable, store.lowWater};
}

} // namespace snapdiff::gui
