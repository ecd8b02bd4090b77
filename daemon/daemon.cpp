// SPDX-License-Identifier: GPL-2.0-or-later
//
// Daemon: puts the parts together.

#include "daemon.h"

#include "dm/names.h"
#include "message_ids.h"
#include "metrics.h"
#include "ops/step.h"
#include "util/units.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapdiff::daemon {

namespace {

constexpr int64_t second = 1'000'000'000;

// Events may come by the thousand; what is shown follows a few times a second.
constexpr int64_t publishEvery = second / 4;
constexpr int64_t metricsEvery = 15 * second;
constexpr int64_t tickEvery = second;
constexpr int64_t discoverEvery = 5 * second;
constexpr int64_t giveBackEvery = second;
constexpr int64_t checkModuleEvery = 30 * second;

Field idField(std::string_view word)
{
	return {"MESSAGE_ID", std::string(messageId(word))};
}

Priority priorityOf(model::Severity severity)
{
	switch (severity) {
	case model::Severity::Critical:
		return Priority::Error;
	case model::Severity::Warning:
		return Priority::Warning;
	case model::Severity::Notice:
		return Priority::Notice;
	case model::Severity::Ok:
		break;
	}
	return Priority::Info;
}

// Opens and claims the LV of a range, and makes sure that it is the device we were told
// of.
Result<ClaimedDevice> openVolume(const CarvedVolume &volume)
{
	const std::string path = dm::devicePath(dm::lvDmName(volume.vg, volume.lv));
	Result<Fd> fd = Fd::open(path, O_RDONLY);
	struct stat status = {};

	if (!fd)
		return std::move(fd).error();
	if (fstat(fd->get(), &status) < 0)
		return Error(errno, "look at " + path);
	if (!S_ISBLK(status.st_mode) || dm::DeviceNumber::from(status.st_rdev) != volume.number)
		return Error(ESTALE, "open " + path, "it is not the device that LVM spoke of");
	// By the descriptor: the name may lead elsewhere by now.
	Result<Fd> claim =
		Fd::open("/proc/self/fd/" + std::to_string(fd->get()), O_RDONLY | O_EXCL);
	if (!claim)
		return Error(claim.error().errnum(), "take " + path + " into the reserve",
			     "somebody uses it");
	return ClaimedDevice{std::move(*fd), std::move(*claim)};
}

} // namespace

struct Daemon::HotSource final : Source
{
	explicit HotSource(Daemon &owner) : daemon(owner) {}

	Wanted wanted() const override
	{
		return {daemon.parts_.kernel.fd(), POLLIN,
			daemon.extender_.nextRetry().value_or(INT64_MAX)};
	}
	void ready(short revents, int64_t wokeNs) override
	{
		if (revents)
			daemon.extender_.wake(wokeNs);
		else
			daemon.extender_.retry(wokeNs);
		daemon.dirty_ = true;
	}
	Daemon &daemon;
};

// The second net under the events, and the clock of what is not an event at all.
struct Daemon::TickSource final : Source
{
	explicit TickSource(Daemon &owner) : daemon(owner) {}

	Wanted wanted() const override { return {-1, 0, nextNs}; }
	void ready(short, int64_t wokeNs) override
	{
		nextNs = wokeNs + tickEvery;
		daemon.extender_.sweep(wokeNs);
		daemon.dirty_ = true;
	}
	Daemon &daemon;
	int64_t nextNs = 0;
};

struct Daemon::CarverSource final : Source
{
	explicit CarverSource(Daemon &owner) : daemon(owner) {}

	Wanted wanted() const override
	{
		const CarverProcess &carver = daemon.parts_.carver;
		return {carver.fd(), POLLIN, carver.deadline().value_or(INT64_MAX)};
	}
	void ready(short revents, int64_t) override
	{
		if (revents)
			daemon.parts_.carver.readable();
		else
			daemon.parts_.carver.checkDeadline();
		daemon.dirty_ = true;
	}
	Daemon &daemon;
};

struct Daemon::WorkerSource final : Source
{
	explicit WorkerSource(Daemon &owner) : daemon(owner) {}

	Wanted wanted() const override
	{
		const WorkerProcess &worker = daemon.worker_;
		return {worker.fd(), POLLIN, worker.deadline().value_or(INT64_MAX)};
	}
	void ready(short revents, int64_t) override
	{
		if (revents)
			daemon.worker_.readable();
		else
			daemon.worker_.checkDeadline();
		daemon.requests_.step();
	}
	Daemon &daemon;
};

struct Daemon::SignalSource final : Source
{
	explicit SignalSource(Daemon &owner) : daemon(owner) {}

	Result<> open()
	{
		sigset_t signals;
		sigemptyset(&signals);
		for (const int number : {SIGTERM, SIGINT, SIGHUP})
			sigaddset(&signals, number);
		fd = Fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
		if (!fd.valid())
			return Error(errno, "listen for signals");
		return {};
	}
	Wanted wanted() const override { return {fd.get(), POLLIN, INT64_MAX}; }
	void ready(short, int64_t wokeNs) override
	{
		signalfd_siginfo info = {};
		while (read(fd.get(), &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo == SIGHUP)
				(void)daemon.reload().has_value();
			else
				daemon.stop(wokeNs);
		}
	}
	Daemon &daemon;
	Fd fd;
};

struct Daemon::BusSource final : Source
{
	explicit BusSource(Daemon &owner) : daemon(owner) {}

	Wanted wanted() const override
	{
		const Bus::Poll poll = daemon.bus_->poll();
		return {poll.fd, poll.events, poll.untilNs};
	}
	void ready(short, int64_t wokeNs) override { daemon.bus_->process(wokeNs); }
	Daemon &daemon;
};

Daemon::Daemon(Parts parts, const Config &config)
	: parts_(std::move(parts)), extender_(parts_.kernel, reserve_),
	  refiller_(parts_.carver, reserve_, notices(), openVolume),
	  stores_(parts_.context, extender_, notices(),
		  [this](dm::DeviceNumber number) { return refiller_.volumeName(number); }),
	  worker_("/proc/self/exe", config.lvmTimeoutMs), requests_(requestParts())
{
	configure(config);
	const char *watchdog = std::getenv("WATCHDOG_USEC");
	if (watchdog)
		pingEveryNs_ = std::max<int64_t>(std::atoll(watchdog) * 1000 / 4, second / 4);
}

Daemon::~Daemon() = default;

void Daemon::admit(const std::vector<Error> &missing)
{
	for (const Error &error : missing)
		wrong(error.doing(), error.why());
}

Result<> Daemon::run()
{
	HotSource hot(*this);
	TickSource tick(*this);
	CarverSource carver(*this);
	WorkerSource worker(*this);
	SignalSource signals(*this);
	BusSource bus(*this);

	if (auto done = signals.open(); !done)
		return done;
	loop_.add(hot);
	loop_.add(tick);
	loop_.add(carver);
	loop_.add(worker);
	loop_.add(signals);
	loop_.add(bus);
	loop_.onSettle([this](int64_t nowNs) { return settle(nowNs); });

	// Levels are looked at before the first event can come.
	extender_.wake(monotonicNs());
	loop_.round(0);
	parts_.outlet.log(Priority::Info, "watching " + std::to_string(stores_.count()) + " stores",
			  {idField("started")});
	parts_.outlet.notify("READY=1");
	loop_.run();
	parts_.outlet.notify("STOPPING=1");
	parts_.outlet.log(Priority::Info, "stopping; stores and reserve stay as they are",
			  {idField("stopping")});
	return {};
}

// What can wait until the hot path was served.  Returns when it is due again.
int64_t Daemon::settle(int64_t nowNs)
{
	tellRecords();
	look(nowNs);
	stores_.setCarving(refiller_.carvingSeconds(),
			   reserve_.readySectors() + refiller_.carvableSectors());
	serveMeanwhile();
	refill(nowNs);
	serveMeanwhile();
	if (std::exchange(otherBus_, false))
		bus_ = std::make_unique<Bus>(config_.bus, busParts());
	if (dirty_ && nowNs >= publishNs_)
		publish(nowNs);
	serveMeanwhile();
	giveBack(nowNs);
	pingWatchdog(nowNs);
	stopWhenIdle(nowNs);
	if (!extender_.records().empty())
		return nowNs; // they are told in the next round

	int64_t next = std::min(
		{discoverNs_, stores_.nextLook(), moduleNs_, refiller_.nextStep(), stopNs_});
	if (dirty_)
		next = std::min(next, publishNs_);
	if (pingEveryNs_)
		next = std::min(next, pingNs_);
	return next;
}

// An event does not wait until all of the rest is done.
void Daemon::serveMeanwhile()
{
	const timespec now = {};
	pollfd event = {parts_.kernel.fd(), POLLIN, 0};

	if (ppoll(&event, 1, &now, nullptr) <= 0)
		return;
	extender_.wake(monotonicNs());
	dirty_ = true;
}

// Which stores are there, and which module?
void Daemon::look(int64_t nowNs)
{
	if (nowNs >= moduleNs_) {
		moduleNs_ = nowNs + checkModuleEvery;
		stores_.checkModule();
	}
	if (extender_.takeListOverflow())
		if (auto grown = parts_.kernel.grow(); !grown)
			wrong("device-mapper", grown.error().message());
	const bool devicesChanged = extender_.takeDevicesChanged();
	if (devicesChanged)
		refiller_.lookSoon(nowNs);
	if (!devicesChanged && nowNs < std::min(discoverNs_, stores_.nextLook()))
		return;
	discoverNs_ = nowNs + discoverEvery;
	if (stores_.discover(nowNs)) {
		ops::step("stores found");
		// A new store may be low already.
		extender_.sweep(nowNs);
		tellRecords();
	}
	dirty_ = true;
}

void Daemon::refill(int64_t nowNs)
{
	// Whose an LV is must be decided with the kernel's present ranges.
	const bool fresh = parts_.carver.hasReply();

	if (!refiller_.step(nowNs, stores_.surroundings(nowNs, fresh)))
		return;
	// Somebody may have been waiting for it.
	extender_.sweep(monotonicNs());
	tellRecords();
	dirty_ = true;
}

// After a look at the stores, and long after the hot path was served.
void Daemon::giveBack(int64_t nowNs)
{
	if (nowNs < giveBackNs_)
		return;
	giveBackNs_ = nowNs + giveBackEvery;
	const auto ours = [this](const model::Range &range) {
		return range.status.start == 0 &&
		       refiller_.isOurs(range.status.dev, range.status.length);
	};
	for (const dm::DeviceNumber number : stores_.giveBack(nowNs, ours))
		refiller_.tookBack(number);
}

void Daemon::tellRecords()
{
	for (const Record &record : extender_.records()) {
		const std::string store(record.storeName.view());
		dirty_ = true;
		switch (record.kind) {
		case Record::Kind::Given:
			tellGiven(record);
			break;
		case Record::Kind::Refused:
		case Record::Kind::Postponed:
			tellRefused(record);
			break;
		case Record::Kind::Empty:
			event(model::Severity::Warning, "reserve", store,
			      "store " + store +
				      " is short of space and the reserve has nothing for it");
			break;
		case Record::Kind::AtLimit:
			event(model::Severity::Warning, "level", store,
			      "store " + store + " is short of space and has " +
				      (record.errnum ? "as many ranges as it can have"
						     : "its maximum size"));
			break;
		case Record::Kind::Mute:
			wrong("store " + store, "its summary is not understood");
			break;
		}
	}
	if (!extender_.records().empty())
		ops::step("records told");
	extender_.clearRecords();
	refiller_.left(reserve_.collect(), monotonicNs());
}

void Daemon::tellGiven(const Record &record)
{
	Extension extension;

	extension.timeUs = wallMicroseconds();
	extension.store = record.storeName.view();
	extension.device = record.rangeName.view();
	extension.supply = record.supply.view();
	extension.sectors = record.sectors;
	extension.microseconds = static_cast<uint64_t>(record.microseconds);
	bus_->signal(extensions_.add(extension));
	stores_.noteGiven(extension.device);

	const std::string text = "store " + extension.store + " was given " + extension.device +
				 " (" + formatSize(bytesOf(extension.sectors)) + ") within " +
				 std::to_string(extension.microseconds) + " us";
	Event told = {0, extension.timeUs, model::Severity::Ok, "extended", extension.store, text};
	bus_->signal(events_.add(told));
	parts_.outlet.log(Priority::Info, text,
			  {idField("extended"),
			   {"SNAPDIFF_STORE", extension.store},
			   {"SNAPDIFF_DEVICE", extension.device},
			   {"SNAPDIFF_SECTORS", std::to_string(extension.sectors)},
			   {"SNAPDIFF_LATENCY_US", std::to_string(extension.microseconds)}});
}

void Daemon::tellRefused(const Record &record)
{
	const std::string store(record.storeName.view());
	const bool again = record.kind == Record::Kind::Postponed;
	const Error error(record.errnum,
			  "give " + std::string(record.rangeName.view()) + " to store " + store);

	if (again)
		parts_.outlet.log(Priority::Warning, error.message() + "; trying again",
				  {idField("postponed"), {"SNAPDIFF_STORE", store}});
	else
		event(model::Severity::Warning, "reserve", store, error.message());
}

void Daemon::publish(int64_t nowNs)
{
	Picture picture;

	stores_.refresh(nowNs);
	picture.manager = managerPicture();
	picture.stores = stores_.pictures([this](const SupplyOrder &order) {
		return Stores::Offer{reserve_.readySectors(order),
				     refiller_.carvableSectors(order)};
	});
	bus_->publish(picture);
	writeMetrics(picture, nowNs);
	dirty_ = false;
	publishNs_ = nowNs + publishEvery;

	std::string status = std::to_string(picture.stores.size()) + " stores, reserve " +
			     std::to_string(picture.manager.reserveRanges) + " ranges (" +
			     formatSize(bytesOf(picture.manager.reserveSectors)) + ")";
	if (status == statusLine_)
		return;
	statusLine_ = std::move(status);
	parts_.outlet.notify("STATUS=" + statusLine_);
}

void Daemon::writeMetrics(const Picture &picture, int64_t nowNs)
{
	std::string why;

	switch (metrics_.outcome(why)) {
	case MetricsWriter::Outcome::Written:
		right("metrics");
		break;
	case MetricsWriter::Outcome::Failed:
		wrong("metrics", why);
		break;
	case MetricsWriter::Outcome::Nothing:
		break;
	}
	if (!metrics_.wanted() || nowNs < metricsNs_)
		return;
	metricsNs_ = nowNs + metricsEvery;
	const auto wallSeconds = static_cast<int64_t>(wallMicroseconds() / 1'000'000);
	metrics_.put(metricsText(picture, wallSeconds));
}

ManagerPicture Daemon::managerPicture() const
{
	const ModuleState &module = stores_.module();
	ManagerPicture shown;

	shown.version = SNAPDIFF_VERSION;
	shown.moduleLoaded = module.loaded;
	shown.moduleVersion = module.version;
	shown.moduleUsable = module.usable;
	shown.lastLook = stores_.lastLookUs();
	shown.reserveRanges = static_cast<uint32_t>(reserve_.readyCount());
	shown.reserveSectors = reserve_.readySectors();
	shown.reserveWanted = refiller_.wanted();
	const Disks originDisks = stores_.originDisks();
	for (const ReadyRange &range : reserve_.ranges())
		shown.reserve.push_back({range.name(), range.vg, range.length, range.group,
					 range.disks.meets(originDisks)});
	shown.carvableSectors = refiller_.carvableSectors();
	for (const Supply &supply : refiller_.supplies())
		shown.supplies.push_back({supply.vg, std::string(word(supply.state)), supply.size,
					  supply.carvable, supply.problem});
	shown.problems = health_.problems();
	shown.lastErrors = health_.lastErrors();
	shown.extensions = extensions_.count();
	return shown;
}

void Daemon::configure(const Config &config)
{
	// From the settling on: the reload may have come over the old one.
	otherBus_ = otherBus_ || (bus_ && config.bus != config_.bus);
	config_ = config;
	extender_.setSpread(config.policy == Policy::Spread);
	stores_.configure(config);
	refiller_.configure(config);
	parts_.carver.setLvmTimeout(config.lvmTimeoutMs);
	worker_.setLvmTimeout(config.lvmTimeoutMs);
	metrics_.setFile(config.metricsFile);
	if (!bus_)
		bus_ = std::make_unique<Bus>(config.bus, busParts());
	dirty_ = true;
}

Result<> Daemon::reload()
{
	const Result<Config> config = parts_.reload();

	if (!config) {
		wrong("configuration", config.error().message() + "; the old one stays");
		return config.error();
	}
	right("configuration");
	configure(*config);
	event(model::Severity::Ok, "daemon", "", "configuration read again");
	return {};
}

void Daemon::pingWatchdog(int64_t nowNs)
{
	if (!pingEveryNs_ || nowNs < pingNs_)
		return;
	pingNs_ = nowNs + pingEveryNs_;
	parts_.outlet.notify("WATCHDOG=1");
}

void Daemon::event(model::Severity severity, std::string_view kind, std::string_view store,
		   std::string text)
{
	record(severity, kind, store, std::move(text), kind);
}

// word: which explanation the journal has for it.
void Daemon::record(model::Severity severity, std::string_view kind, std::string_view store,
		    std::string text, std::string_view word)
{
	std::vector<Field> fields = {idField(word), {"SNAPDIFF_EVENT", std::string(kind)}};
	if (!store.empty())
		fields.push_back({"SNAPDIFF_STORE", std::string(store)});
	const std::string line = store.empty() || text.find(store) != text.npos
					 ? text
					 : std::string(store) + ": " + text;
	parts_.outlet.log(priorityOf(severity), line, std::move(fields));

	const Event &added = events_.add({0, wallMicroseconds(), severity, std::string(kind),
					  std::string(store), std::move(text)});
	if (bus_)
		bus_->signal(added);
	dirty_ = true;
}

void Daemon::wrong(std::string_view subject, std::string text)
{
	if (!health_.wrong(subject, text, wallMicroseconds()))
		return;
	record(model::Severity::Warning, "daemon", "", std::string(subject) + ": " + text,
	       wordOfTrouble(subject));
}

void Daemon::right(std::string_view subject)
{
	if (health_.right(subject))
		record(model::Severity::Ok, "daemon", "", std::string(subject) + " is well again",
		       "right");
}

} // namespace snapdiff::daemon
