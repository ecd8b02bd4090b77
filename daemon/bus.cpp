// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bus: the connection to D-Bus and the objects on it.

#include "bus.h"

#include "bus_objects.h"
#include "util/clock.h"
#include "util/fd.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace snapdiff::daemon {

namespace {

constexpr int64_t retryAfterNs = 5'000'000'000;
constexpr size_t threadStackBytes = 256U << 10;
constexpr int messagesPerRound = 32;

// The bus's answers to RequestName.
constexpr uint32_t namePrimaryOwner = 1;
constexpr uint32_t nameAlreadyOurs = 4;
constexpr uint32_t nameDoNotQueue = 4;

std::unique_ptr<sdbus::IConnection> connect(const std::string &address)
{
	if (address == "system")
		return sdbus::createSystemBusConnection();
	if (address == "session")
		return sdbus::createSessionBusConnection();
	return sdbus::createSessionBusConnectionWithAddress(address);
}

// Who left the bus, in the order in which the connection was told.
using Departures = std::vector<std::string>;

// To be told costs a round trip, for which the connecting thread may wait.
void watchDepartures(sdbus::IConnection &connection, const std::shared_ptr<Departures> &gone)
{
	connection.addMatch(
		"type='signal',sender='org.freedesktop.DBus',"
		"interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
		[gone](sdbus::Message &message) {
			std::string name;
			message >> name;
			if (name.starts_with(':'))
				gone->push_back(std::move(name));
		},
		sdbus::floating_slot);
}

} // namespace

// What the connecting thread leaves behind.  It may outlive the bus.
struct Bus::Connector
{
	std::string address;
	std::shared_ptr<Departures> departures = std::make_shared<Departures>();
	Fd done; // eventfd
	std::mutex mutex;
	std::unique_ptr<sdbus::IConnection> connection;
	std::string error;
	std::atomic<bool> finished = false;

	static void *run(void *pointer)
	{
		const std::unique_ptr<std::shared_ptr<Connector>> mine(
			static_cast<std::shared_ptr<Connector> *>(pointer));
		Connector &self = **mine;
		std::unique_ptr<sdbus::IConnection> connection;
		std::string error;

		try {
			connection = connect(self.address);
			watchDepartures(*connection, self.departures);
		} catch (const sdbus::Error &failure) {
			connection.reset();
			error = failure.getMessage();
		}
		{
			const std::lock_guard lock(self.mutex);
			self.connection = std::move(connection);
			self.error = std::move(error);
		}
		self.finished = true;
		eventfd_write(self.done.get(), 1);
		return nullptr;
	}
};

// Everything that exists only while there is a connection.  The order matters: the
// objects go before the connection does.
struct Bus::Shown
{
	std::unique_ptr<sdbus::IConnection> connection;
	std::shared_ptr<Departures> departures;
	std::unique_ptr<sdbus::IProxy> bus;
	std::unique_ptr<BusAuthority> authority;
	std::unique_ptr<ManagerObject> manager;
	using Stores = std::map<std::string, std::unique_ptr<StoreObject>>;

	Stores stores;
	Stores leaving;	     // are gone, but a call of theirs is not yet answered
	std::string refusal; // why we do not have the name

	void show(const StorePicture &picture, Requests &requests);
	void keepOnly(const std::vector<StorePicture> &pictures, const Requests &requests);
	void letGo(const Requests &requests);
};

void Bus::Shown::show(const StorePicture &picture, Requests &requests)
{
	if (auto known = stores.find(picture.name); known != stores.end()) {
		known->second->update(picture);
	} else if (auto back = leaving.extract(picture.name)) {
		// There first: what tells of it may find the connection lost.
		stores.insert(std::move(back)).position->second->comeBack(picture);
	} else {
		stores[picture.name] =
			std::make_unique<StoreObject>(*connection, picture, requests);
	}
}

void Bus::Shown::keepOnly(const std::vector<StorePicture> &pictures, const Requests &requests)
{
	const auto isThere = [&](const std::string &name) {
		return std::ranges::any_of(pictures, [&](const StorePicture &picture) {
			return picture.name == name;
		});
	};
	for (auto next = stores.begin(); next != stores.end();) {
		const auto one = next++;
		if (isThere(one->first))
			continue;
		auto gone = stores.extract(one);
		if (!requests.isAbout(gone.key()))
			continue;
		leaving.insert(std::move(gone)).position->second->leave();
	}
}

void Bus::Shown::letGo(const Requests &requests)
{
	std::erase_if(leaving, [&](const auto &one) { return !requests.isAbout(one.first); });
}

Bus::Bus(std::string address, const Parts &parts) : address_(std::move(address)), parts_(parts)
{
	startConnecting();
}

Bus::~Bus()
{
	// Answers hold on to the connection.
	if (shown_)
		parts_.requests.setAuthority(nullptr);
}

bool Bus::connected() const
{
	return shown_ != nullptr;
}

Bus::Poll Bus::poll() const
{
	if (connector_)
		return {picture_ ? connector_->done.get() : -1, POLLIN, INT64_MAX};
	if (!shown_)
		return {-1, 0, retryNs_};

	try {
		const auto data = shown_->connection->getEventLoopPollData();
		Poll poll = {data.fd, data.events, INT64_MAX};
		if (data.timeout_usec != UINT64_MAX)
			poll.untilNs = static_cast<int64_t>(data.timeout_usec) * 1000;
		return poll;
	} catch (const sdbus::Error &) {
		return {-1, 0, 0}; // it was lost with the last message: process() finds out
	}
}

void Bus::startConnecting()
{
	connector_ = std::make_shared<Connector>();
	connector_->address = address_;
	connector_->done = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));

	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, threadStackBytes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_t thread = {};
	auto *shared = new std::shared_ptr<Connector>(connector_);
	const int error = pthread_create(&thread, &attributes, Connector::run, shared);
	pthread_attr_destroy(&attributes);
	if (error) {
		delete shared;
		lose("no thread to connect with", SystemClock().monotonicNs());
	}
}

void Bus::finishConnecting(int64_t nowNs)
{
	const std::shared_ptr<Connector> connector = std::move(connector_);
	const std::lock_guard lock(connector->mutex);

	if (!connector->connection) {
		lose(connector->error, nowNs);
		return;
	}
	shown_ = std::make_unique<Shown>();
	shown_->connection = std::move(connector->connection);
	shown_->departures = connector->departures;
	shown_->authority = std::make_unique<BusAuthority>(*shown_->connection,
							   address_ == "system", parts_.limits);
	parts_.requests.setAuthority(shown_->authority.get());
	shown_->manager =
		std::make_unique<ManagerObject>(*shown_->connection, picture_->manager,
						parts_.events, parts_.extensions, parts_.requests);
	for (const StorePicture &store : picture_->stores)
		shown_->show(store, parts_.requests);

	// The name comes last, so that whoever sees it finds everything in place; and
	// without waiting for the answer.
	shown_->bus = sdbus::createProxy(*shown_->connection, "org.freedesktop.DBus",
					 "/org/freedesktop/DBus");
	shown_->bus->callMethodAsync("RequestName")
		.onInterface("org.freedesktop.DBus")
		.withArguments(std::string(busName), nameDoNotQueue)
		.uponReplyInvoke([shown = shown_.get()](const sdbus::Error *error, uint32_t reply) {
			if (error)
				shown->refusal = error->getMessage();
			else if (reply != namePrimaryOwner && reply != nameAlreadyOurs)
				shown->refusal =
					"another program has the name " + std::string(busName);
		});
	parts_.notices.right("D-Bus");
}

void Bus::process(int64_t nowNs)
{
	if (connector_ && connector_->finished && picture_) {
		try {
			finishConnecting(nowNs);
		} catch (const sdbus::Error &error) {
			lose(error.getMessage(), nowNs);
		}
	}
	if (!shown_) {
		if (!connector_ && nowNs >= retryNs_)
			startConnecting();
		return;
	}
	// Before the next message: nobody who has an answer finds what is gone.
	shown_->letGo(parts_.requests);
	processing_ = true;
	try {
		// So many at a time: whoever floods the bus holds up no store.  What is left
		// makes the next poll return at once.
		for (int i = 0; i < messagesPerRound && !lost_; i++) {
			if (!shown_->connection->processPendingRequest())
				break;
		}
		if (!lost_ && !shown_->refusal.empty())
			lost_ = shown_->refusal;
	} catch (const sdbus::Error &error) {
		lost_ = error.getMessage();
	}
	for (const std::string &name : std::exchange(*shown_->departures, {}))
		parts_.requests.callerGone(name);
	shown_->letGo(parts_.requests);
	processing_ = false;
	if (lost_)
		lose(*std::exchange(lost_, std::nullopt), nowNs);
}

void Bus::lose(const std::string &why, int64_t nowNs)
{
	if (processing_) {
		lost_ = why;
		return;
	}
	if (shown_)
		parts_.requests.setAuthority(nullptr);
	shown_.reset();
	connector_.reset();
	retryNs_ = nowNs + retryAfterNs;
	parts_.notices.wrong("D-Bus", why.empty() ? "no connection" : why);
}

void Bus::publish(const Picture &picture)
{
	picture_ = picture;
	if (!shown_)
		return;
	try {
		shown_->letGo(parts_.requests);
		shown_->manager->update(picture.manager);
		shown_->keepOnly(picture.stores, parts_.requests);
		for (const StorePicture &store : picture.stores)
			shown_->show(store, parts_.requests);
	} catch (const sdbus::Error &error) {
		lose(error.getMessage(), SystemClock().monotonicNs());
	}
}

void Bus::signal(const Event &event)
{
	if (!shown_)
		return;
	try {
		shown_->manager->emitEvent(event.number, event.timeUs,
					   std::string(word(event.severity)), event.kind,
					   event.store, event.text);
	} catch (const sdbus::Error &error) {
		lose(error.getMessage(), SystemClock().monotonicNs());
	}
}

void Bus::signal(const Extension &extension)
{
	if (!shown_)
		return;
	try {
		shown_->manager->emitExtended(extension.store, extension.device, extension.sectors,
					      extension.microseconds);
	} catch (const sdbus::Error &error) {
		lose(error.getMessage(), SystemClock().monotonicNs());
	}
}

} // namespace snapdiff::daemon
