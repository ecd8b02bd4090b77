// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A daemon that plays scenes: org.snapdiff1 on the bus whose address is the first argument, told
 * what to say by lines on standard input.  Each line is answered with one.  A process of its own,
 * because the tests stop and kill it.
 *
 *   own            take the name
 *   release        give it up
 *   scene NAME     from now on say what the sample NAME says, and signal that stores changed
 *   use SECTORS    move so many sectors of the first store from free to used, and signal that
 *   event TEXT     add an event and signal it
 *   strange        from now on Used is a word instead of a number
 *   deny           from now on refuse every call
 *   quit
 */
#include <cstdio>
#include <iostream>
#include <string>

#include <QCoreApplication>
#include <QDBusConnection>
#include <QDBusMessage>
#include <QDBusObjectPath>
#include <QDBusVirtualObject>
#include <QSocketNotifier>

#include "samples.h"
#include "wire.h"

using namespace snapdiff::gui;

namespace {

const QString root = QStringLiteral("/org/snapdiff1");
const QString service = QStringLiteral("org.snapdiff1");
const QString managerInterface = QStringLiteral("org.snapdiff1.Manager");

class FakeDaemon final : public QDBusVirtualObject
{
public:
	explicit FakeDaemon(const QDBusConnection &bus) : bus_(bus), monitor_(samples::calm()) {}

	bool handleMessage(const QDBusMessage &call, const QDBusConnection &) override
	{
		if (denying_)
			return bus_.send(call.createErrorReply(
				QStringLiteral("org.freedesktop.DBus.Error.AccessDenied"),
				QStringLiteral("the test says no")));
		if (call.member() == QLatin1String("GetAll"))
			return bus_.send(call.createReply(wire::managerProperties(monitor_)));
		if (call.member() == QLatin1String("GetManagedObjects"))
			return bus_.send(call.createReply(wire::managedObjects(monitor_)));
		if (call.member() == QLatin1String("RecentEvents"))
			return bus_.send(call.createReply(wire::events(monitor_)));
		return false;
	}

	QString introspect(const QString &) const override { return {}; }

	bool obey(const QString &verb, const QString &argument)
	{
		if (verb == QLatin1String("own"))
			return bus_.registerService(service);
		if (verb == QLatin1String("release"))
			return bus_.unregisterService(service);
		if (verb == QLatin1String("scene"))
			return play(argument);
		if (verb == QLatin1String("use"))
			return use(argument.toULongLong());
		if (verb == QLatin1String("event"))
			return addEvent(argument);
		if (verb == QLatin1String("strange"))
			return sayStrange();
		if (verb == QLatin1String("deny"))
			return denying_ = true;
		return false;
	}

private:
	bool play(const QString &scene)
	{
		if (!samples::names().contains(scene))
			return false;
		denying_ = false;
		monitor_ = samples::byName(scene);
		QDBusMessage signal = QDBusMessage::createSignal(
			root, QStringLiteral("org.freedesktop.DBus.ObjectManager"),
			QStringLiteral("InterfacesRemoved"));
		signal << QVariant::fromValue(QDBusObjectPath(root))
		       << QStringList{QStringLiteral("org.snapdiff1.Store")};
		return bus_.send(signal);
	}

	bool use(quint64 sectors)
	{
		Store &store = monitor_.stores.front();

		store.used += sectors;
		store.free -= sectors;
		return tellChanged({{QStringLiteral("Used"), static_cast<qulonglong>(store.used)},
				    {QStringLiteral("Free"), static_cast<qulonglong>(store.free)}});
	}

	bool sayStrange()
	{
		return tellChanged({{QStringLiteral("Used"), QStringLiteral("a lot")}});
	}

	bool tellChanged(const QVariantMap &changed)
	{
		QDBusMessage signal = QDBusMessage::createSignal(
			wire::pathOf(monitor_.stores.front()),
			QStringLiteral("org.freedesktop.DBus.Properties"),
			QStringLiteral("PropertiesChanged"));

		signal << QStringLiteral("org.snapdiff1.Store") << changed << QStringList();
		return bus_.send(signal);
	}

	bool addEvent(const QString &text)
	{
		const quint64 number = monitor_.events.size() + 1;
		const QDateTime now =
			QDateTime::fromSecsSinceEpoch(QDateTime::currentSecsSinceEpoch());

		monitor_.events.push_back(
			{number, now, Severity::Ok, QStringLiteral("daemon"), {}, text});
		QDBusMessage signal =
			QDBusMessage::createSignal(root, managerInterface, QStringLiteral("Event"));
		signal << static_cast<qulonglong>(number)
		       << static_cast<qulonglong>(now.toMSecsSinceEpoch()) * 1000
		       << QStringLiteral("ok") << QStringLiteral("daemon") << QString() << text;
		return bus_.send(signal);
	}

	QDBusConnection bus_;
	Monitor monitor_;
	bool denying_ = false;
};

} // namespace

int main(int argc, char **argv)
{
	const QCoreApplication application(argc, argv);
	const QDBusConnection bus = QDBusConnection::connectToBus(
		QString::fromLocal8Bit(argc > 1 ? argv[1] : ""), QStringLiteral("fake"));

	if (!bus.isConnected()) {
		std::cerr << "fake_daemon: no bus\n";
		return 1;
	}
	wire::registerTypes();
	FakeDaemon daemon(bus);
	QDBusConnection(bus).registerVirtualObject(root, &daemon, QDBusConnection::SubPath);

	QSocketNotifier input(0, QSocketNotifier::Read);
	QObject::connect(&input, &QSocketNotifier::activated, &application, [&] {
		std::string line;
		if (!std::getline(std::cin, line) || line == "quit") {
			QCoreApplication::quit();
			return;
		}
		const QString text = QString::fromStdString(line);
		const QString verb = text.section(QLatin1Char(' '), 0, 0);
		const bool done = daemon.obey(verb, text.section(QLatin1Char(' '), 1));
		std::cout << (done ? "ok" : "refused") << std::endl;
	});
	std::cout << "ready" << std::endl;
	return QCoreApplication::exec();
}
