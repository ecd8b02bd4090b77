// SPDX-License-Identifier: GPL-2.0-or-later
//
// Stores: the stores as the daemon knows them between two looks at the kernel.
//
// The kernel is the only source of truth; this is the last picture of it, with what
// can only be known over time: rates and what changed.  Nothing here is hot.

#pragma once

#include "changes.h"
#include "config.h"
#include "extender.h"
#include "fill_rate.h"
#include "giveback.h"
#include "model/exhaustion.h"
#include "model/forecast.h"
#include "model/store.h"
#include "notices.h"
#include "ops/context.h"
#include "pace.h"
#include "picture.h"
#include "refiller.h"
#include "watch.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

namespace snapdiff::daemon {

struct ModuleState
{
	bool loaded = false;
	bool usable = false;
	std::string version;
};

class Stores
{
public:
	// Name of a range's device that LVM knows better, or empty.
	using Namer = std::function<std::string(dm::DeviceNumber)>;

	Stores(ops::Context &context, Extender &extender, Notices &notices, Namer namer);

	void configure(const Config &config);

	// Which stores are there?  Watches new ones, forgets those that are gone, and
	// reads everything.  True: their set changed.
	bool discover(int64_t nowNs);

	// Reads the known stores again.
	void refresh(int64_t nowNs);

	// How long carving takes, in seconds, and how many sectors reserve and supplies
	// have: marks and ranges follow.
	void setCarving(double seconds, uint64_t shared)
	{
		carving_ = seconds;
		shared_ = shared;
	}

	// Takes ranges back that are not needed.  Returns the devices that are free now.
	std::vector<dm::DeviceNumber> giveBack(int64_t nowNs, const GiveBack::Ours &ours);

	// When discover() is due for a reason of ours.
	int64_t nextLook() const { return watch_.nextLook(); }

	// Asks for the targets' version.
	void checkModule();
	const ModuleState &module() const { return module_; }

	// With every store read anew, so that nothing given meanwhile is missing.
	Surroundings surroundings(int64_t nowNs, bool fresh);

	// Of all stores together.
	Disks originDisks() const;

	// This range was given by us, and told.
	void noteGiven(const std::string &device) { given_.insert(device); }

	size_t count() const { return stores_.size(); }
	uint64_t lastLookUs() const { return lastLookUs_; }

	// What there is for a store, shared with all that may have it too.
	struct Offer
	{
		uint64_t reserve = 0;  // sectors
		uint64_t carvable = 0; // sectors
	};
	using Offers = std::function<Offer(const SupplyOrder &)>;

	std::vector<StorePicture> pictures(const Offers &offers) const;

private:
	struct Known
	{
		model::Store store;
		model::Forecast forecast;
		Inflow inflow;
		FillRate rate;
		LowWaterMark mark;
		Disks originDisks;
		bool read = false;
	};

	bool watchAll(const std::vector<dm::Device> &devices);
	bool watchOne(const dm::Device &device);
	void readNames(int64_t nowNs);
	void tellChanges(const model::Store &before, const model::Store &after, int64_t nowNs);
	void readOne(Known &known, int64_t nowNs);
	void nameDevices(model::Store &store) const;
	std::string nameOf(dm::DeviceNumber number) const;
	void applyConfig(Known &known);
	void setLowWater(Known &known);
	PacedStore paced(const Known &known) const;
	bool follow(Known &known, const GiveBack::Advice &advice, int64_t nowNs);
	void findOriginDisks();
	void applySupplies(WatchedStore &watched, const std::string &name) const;
	model::Drawer drawer(const Known &known) const;
	StorePicture picture(const Known &known, const Offer &offer) const;
	void foresee(StorePicture &shown, const Known &known, const std::vector<model::Drawer> &all,
		     size_t which, uint64_t shared) const;

	ops::Context &context_;
	Extender &extender_;
	Notices &notices_;
	Namer namer_;
	Config config_;
	ModuleState module_;
	std::map<std::string, Known, std::less<>> stores_;
	std::map<dm::DeviceNumber, std::string> names_;	 // of devices below stores
	std::map<std::string, std::string> liveDevices_; // "store origin" -> dm name
	Watch watch_;
	std::set<std::string> given_; // by us, not seen in a store yet
	std::set<std::string> taken_; // shrinks that we told already
	GiveBack giveBack_;
	double carving_ = CarvingTime::unknown;
	uint64_t shared_ = 0;
	bool first_ = true;
	uint64_t lastLookUs_ = 0;
};

} // namespace snapdiff::daemon
