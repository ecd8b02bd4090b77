// SPDX-License-Identifier: GPL-3.0-or-later
#include "bus_client.h"

#include <atomic>
#include <chrono>

#include <QDBusConnectionInterface>
#include <QDBusPendingCallWatcher>
#include <QDBusPendingReply>
#include <QDBusServiceWatcher>

namespace snapdiff::gui {

using namespace std::chrono_literals;

namespace {

const QString serviceName = QStringLiteral("org.snapdiff1");
const QString managerPath = QStringLiteral("/org/snapdiff1");
const QString managerInterface = QStringLiteral("org.snapdiff1.Manager");
const QString storeInterface = QStringLiteral("org.snapdiff1.Store");
const QString propertiesInterface = QStringLiteral("org.freedesktop.DBus.Properties");
const QString objectsInterface = QStringLiteral("org.freedesktop.DBus.ObjectManager");

/* The daemon answers in milliseconds; one that needs longer than this is in trouble. */
constexpr auto answerWithin = 3s;
constexpr auto pollEvery = 2s;
constexpr auto settleFor = 250ms;
constexpr auto retryAfter = 2s;
constexpr quint32 eventsShown = 200;

QDBusMessage callTo(const QString &interface, const QString &method)
{
	QDBusMessage call =
		QDBusMessage::createMethodCall(serviceName, managerPath, interface, method);
	/* Looking must not start anything. */
	call.setAutoStartService(false);
	return call;
}

} // namespace

BusClient::BusClient(const QString &address) : address_(address)
{
	bus::registerTypes();

	/* As children they follow into the thread that this object is moved to. */
	for (QTimer *timer : {&retry_, &poll_, &settle_})
		timer->setParent(this);
	retry_.setSingleShot(true);
	retry_.setInterval(retryAfter);
	connect(&retry_, &QTimer::timeout, this, &BusClient::connectBus);
	poll_.setInterval(pollEvery);
	connect(&poll_, &QTimer::timeout, this, &BusClient::refresh);
	settle_.setSingleShot(true);
	settle_.setInterval(settleFor);
	connect(&settle_, &QTimer::timeout, this, &BusClient::tell);
}

BusClient::~BusClient()
{
	dropBus();
}

void BusClient::start()
{
	say(Link::Connecting);
	connectBus();
}

void BusClient::connectBus()
{
	static std::atomic<int> serial;

	dropBus();
	connectionName_ = QStringLiteral("snapdiff-gui-%1").arg(serial++);
	if (address_ == QLatin1String("system"))
		bus_ = QDBusConnection::connectToBus(QDBusConnection::SystemBus, connectionName_);
	else if (address_ == QLatin1String("session"))
		bus_ = QDBusConnection::connectToBus(QDBusConnection::SessionBus, connectionName_);
	else
		bus_ = QDBusConnection::connectToBus(address_, connectionName_);

	if (!bus_->isConnected()) {
		say(Link::NoBus, bus_->lastError().message());
		dropBus();
		retry_.start();
		return;
	}
	subscribe();
	refresh();
	if (watched_)
		poll_.start();
}

void BusClient::dropBus()
{
	poll_.stop();
	generation_++;
	outstanding_ = 0;
	delete watcher_;
	watcher_ = nullptr;
	if (!bus_)
		return;
	bus_.reset();
	QDBusConnection::disconnectFromBus(connectionName_);
}

void BusClient::subscribe()
{
	watcher_ = new QDBusServiceWatcher(serviceName, *bus_,
					   QDBusServiceWatcher::WatchForOwnerChange, this);
	connect(watcher_, &QDBusServiceWatcher::serviceOwnerChanged, this,
		[this](const QString &, const QString &, const QString &newOwner) {
			ownerChanged(newOwner);
		});
	bus_->connect({}, QStringLiteral("/org/freedesktop/DBus/Local"),
		      QStringLiteral("org.freedesktop.DBus.Local"), QStringLiteral("Disconnected"),
		      this, SLOT(busLost()));
	bus_->connect(serviceName, {}, propertiesInterface, QStringLiteral("PropertiesChanged"),
		      this,
		      SLOT(propertiesChanged(QString, QVariantMap, QStringList, QDBusMessage)));
	bus_->connect(serviceName, managerPath, objectsInterface, QStringLiteral("InterfacesAdded"),
		      this, SLOT(objectsChanged()));
	bus_->connect(serviceName, managerPath, objectsInterface,
		      QStringLiteral("InterfacesRemoved"), this, SLOT(objectsChanged()));
	bus_->connect(serviceName, managerPath, managerInterface, QStringLiteral("Event"), this,
		      SLOT(eventCame()));
}

void BusClient::busLost()
{
	say(Link::NoBus, tr("The connection to the bus was lost."));
	/* Not from within the bus's own signal. */
	retry_.start();
}

void BusClient::ownerChanged(const QString &newOwner)
{
	generation_++;
	outstanding_ = 0;
	manager_.reset();
	stores_.reset();
	if (newOwner.isEmpty()) {
		say(Link::NoDaemon);
		return;
	}
	say(Link::Connecting);
	refresh();
}

void BusClient::setWatched(bool watched)
{
	if (watched_ == watched)
		return;
	watched_ = watched;
	if (!watched) {
		poll_.stop();
	} else if (bus_) {
		refresh();
		poll_.start();
	}
}

void BusClient::eventCame()
{
	refresh();
}

void BusClient::objectsChanged()
{
	refresh();
}

void BusClient::propertiesChanged(const QString &interface, const QVariantMap &changed,
				  const QStringList &invalidated, const QDBusMessage &message)
{
	if (!invalidated.isEmpty())
		refresh();

	if (interface == managerInterface && manager_) {
		manager_->insert(changed);
		tellSoon();
	} else if (interface == storeInterface && stores_ && stores_->contains(message.path())) {
		(*stores_)[message.path()].insert(changed);
		tellSoon();
	}
}

void BusClient::refresh()
{
	if (!bus_)
		return;
	/* One round at a time: a slow daemon is not asked more for being slow. */
	if (outstanding_ > 0) {
		askAgain_ = true;
		return;
	}
	askAgain_ = false;
	failedThisRound_ = false;

	QDBusMessage properties = callTo(propertiesInterface, QStringLiteral("GetAll"));
	properties << managerInterface;
	ask(properties, &BusClient::managerAnswered);
	ask(callTo(objectsInterface, QStringLiteral("GetManagedObjects")),
	    &BusClient::objectsAnswered);
	QDBusMessage events = callTo(managerInterface, QStringLiteral("RecentEvents"));
	events << eventsShown;
	ask(events, &BusClient::eventsAnswered);
}

void BusClient::ask(const QDBusMessage &call, void (BusClient::*answered)(const QDBusMessage &))
{
	const unsigned int generation = generation_;
	auto *pending = new QDBusPendingCallWatcher(
		bus_->asyncCall(call,
				static_cast<int>(std::chrono::milliseconds(answerWithin).count())),
		this);

	outstanding_++;
	connect(pending, &QDBusPendingCallWatcher::finished, this,
		[this, generation, answered](QDBusPendingCallWatcher *finished) {
			finished->deleteLater();
			if (generation != generation_)
				return;
			outstanding_--;
			if (finished->isError())
				failed(finished->error());
			else
				(this->*answered)(finished->reply());
			if (outstanding_ == 0 && !failedThisRound_)
				tellSoon();
			if (outstanding_ == 0 && askAgain_)
				refresh();
		});
}

void BusClient::managerAnswered(const QDBusMessage &answer)
{
	const QDBusPendingReply<QVariantMap> reply(answer);

	if (reply.isError())
		failed(reply.error());
	else
		manager_ = reply.value();
}

void BusClient::objectsAnswered(const QDBusMessage &answer)
{
	const QDBusPendingReply<bus::ManagedObjects> reply(answer);

	if (reply.isError()) {
		failed(reply.error());
		return;
	}
	stores_.emplace();
	const bus::ManagedObjects objects = reply.value();
	for (auto object = objects.begin(); object != objects.end(); ++object) {
		if (object->contains(storeInterface))
			stores_->insert(object.key().path(), object->value(storeInterface));
	}
}

void BusClient::eventsAnswered(const QDBusMessage &answer)
{
	events_ = bus::decodeEvents(answer);
}

void BusClient::failed(const QDBusError &error)
{
	/* The first failure of a round tells most. */
	if (failedThisRound_)
		return;
	failedThisRound_ = true;

	switch (error.type()) {
	case QDBusError::ServiceUnknown:
		say(Link::NoDaemon);
		break;
	case QDBusError::AccessDenied:
		say(Link::Refused, error.message());
		break;
	case QDBusError::NoReply:
	case QDBusError::Timeout:
	case QDBusError::TimedOut:
		say(Link::Silent);
		break;
	case QDBusError::Disconnected:
	case QDBusError::NoServer:
		busLost();
		break;
	case QDBusError::Other:
		/* The name of a service without owner depends on who answers. */
		if (error.name() == QLatin1String("org.freedesktop.DBus.Error.NameHasNoOwner")) {
			say(Link::NoDaemon);
			break;
		}
		[[fallthrough]];
	default:
		say(Link::Misfit, error.message());
	}
}

void BusClient::say(Link link, const QString &detail)
{
	if (link_ == link && detail_ == detail)
		return;
	link_ = link;
	detail_ = detail;
	emit linkChanged(link, detail);
}

void BusClient::tellSoon()
{
	if (!settle_.isActive())
		settle_.start();
}

void BusClient::tell()
{
	if (!manager_ || !stores_)
		return;

	QString misfit = bus::misfitOfManager(*manager_);
	for (const QVariantMap &store : *stores_) {
		if (misfit.isEmpty())
			misfit = bus::misfitOfStore(store);
	}
	if (!misfit.isEmpty()) {
		say(Link::Misfit, tr("property %1 is missing or of another type").arg(misfit));
		return;
	}

	Monitor monitor = bus::decodeManager(*manager_);
	for (const QVariantMap &store : *stores_)
		monitor.stores.push_back(bus::decodeStore(store));
	monitor.events = events_;
	say(Link::Live);
	emit received(monitor);
}

} // namespace snapdiff::gui
