// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Follows org.snapdiff1 on one bus and says what it knows as plain values.
 *
 * Lives in a thread of its own (see Connection), because reaching a bus blocks in QtDBus; every
 * call to the daemon is asynchronous nevertheless, so that its going away is noticed while an
 * answer is outstanding.
 *
 * Signals of the daemon are applied at once and told at most four times a second.  Every two
 * seconds everything is read again: that shows that the daemon is alive, and nothing can stay
 * wrong for longer.  While nobody looks (setWatched) nothing is asked.
 */
#pragma once

#include <optional>
#include <vector>

#include <QDBusConnection>
#include <QDBusError>
#include <QObject>
#include <QTimer>

#include "decode.h"
#include "models/values.h"

class QDBusServiceWatcher;

namespace snapdiff::gui {

class BusClient final : public QObject
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(BusClient)

public:
	/* @address: "system", "session", or a D-Bus address. */
	explicit BusClient(const QString &address);
	~BusClient() override;

public slots:
	void start();
	/* Reads everything now. */
	void refresh();
	void setWatched(bool watched);

signals:
	/* @detail: what the bus said, if it said something. */
	void linkChanged(snapdiff::gui::Link link, const QString &detail);
	void received(const snapdiff::gui::Monitor &monitor);

private slots:
	void busLost();
	void eventCame();
	void objectsChanged();
	void propertiesChanged(const QString &interface, const QVariantMap &changed,
			       const QStringList &invalidated, const QDBusMessage &message);

private:
	void connectBus();
	void dropBus();
	void subscribe();
	void ownerChanged(const QString &newOwner);
	void say(Link link, const QString &detail = {});
	void ask(const QDBusMessage &call, void (BusClient::*answered)(const QDBusMessage &));
	void managerAnswered(const QDBusMessage &answer);
	void objectsAnswered(const QDBusMessage &answer);
	void eventsAnswered(const QDBusMessage &answer);
	void failed(const QDBusError &error);
	void tellSoon();
	void tell();

	const QString address_;
	QString connectionName_;
	std::optional<QDBusConnection> bus_;
	QDBusServiceWatcher *watcher_ = nullptr;
	QTimer retry_;
	QTimer poll_;
	QTimer settle_;

	std::optional<Link> link_;
	QString detail_;
	bool watched_ = true;
	/* Answers to calls made before the daemon went away or came back count no more. */
	unsigned int generation_ = 0;
	int outstanding_ = 0;
	bool askAgain_ = false;
	bool failedThisRound_ = false;

	std::optional<QVariantMap> manager_;
	std::optional<QMap<QString, QVariantMap>> stores_;
	std::vector<Event> events_;
};

} // namespace snapdiff::gui
