// SPDX-License-Identifier: GPL-2.0-or-later
//
// GiveBack: which range a store can do without.
//
// Only ranges that the daemon carved, whole; one at a time in a store; after they were
// too many for some time.  What a store keeps is so much that it will not ask again
// soon.  The kernel moves what the range holds, and undoes it when a writer needs the
// space; then it is left alone for a while, which grows.
//
// Pure: no clock, no I/O.  It remembers only what can be forgotten: a daemon that is
// started anew waits anew.

#pragma once

#include "config.h"
#include "model/store.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace snapdiff::daemon {

class GiveBack
{
public:
	// A store as it is now.
	struct Look
	{
		const model::Store &store;
		double rate = 0;	   // sectors per second, of FillRate
		uint64_t rangeSectors = 0; // what it would be given next
	};

	// Is this range an LV of ours, all of it?
	using Ours = std::function<bool(const model::Range &)>;

	struct Advice
	{
		enum class Kind {
			Shrink, // take this range back
			Cancel, // the store needs it after all
			Gone,	// this range, which was taken back, is free
		};

		Kind kind = Kind::Shrink;
		model::Range range;
	};

	void configure(const Config &config) { config_ = config; }

	// To be asked about once a second; the advice is to be followed.
	std::optional<Advice> look(int64_t nowNs, const Look &look, const Ours &ours);

	// The kernel refused to shrink.
	void refused(int64_t nowNs, const std::string &store);

	void forget(const std::string &store) { states_.erase(store); }

	// The store without this range: would it have enough for now and for some time?
	bool spares(const Look &look, const model::Range &range) const;

private:
	struct State
	{
		std::optional<model::Range> moving; // told to shrink by us
		std::optional<int64_t> sinceNs;	    // too many ranges
		unsigned failures = 0;		    // in a row
		int64_t notBefore = 0;
		bool known = false;
	};

	std::optional<Advice> follow(int64_t nowNs, State &state, const Look &look);
	const model::Range *choose(const Look &look, const Ours &ours) const;
	bool needsAll(const Look &look, const model::Range &moving) const;
	void failed(int64_t nowNs, State &state) const;

	Config config_;
	std::map<std::string, State> states_;
};

} // namespace snapdiff::daemon
