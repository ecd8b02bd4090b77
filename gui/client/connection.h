// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The GUI thread's end of a BusClient, which works in a thread of its own.  Nothing here waits,
 * except stop(), and that not for long.
 */
#pragma once

#include <chrono>
#include <memory>

#include <QObject>
#include <QThread>

#include "models/values.h"

namespace snapdiff::gui {

class BusClient;

class Connection final : public QObject
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(Connection)

public:
	explicit Connection(const QString &address, QObject *parent = nullptr);
	~Connection() override;

	void start();
	void refresh();
	/* Is there anybody who looks at the figures? */
	void setWatched(bool watched);

	/*
	 * Ends the thread.  False if it did not end in time, because it waits for a bus that does
	 * not answer: the caller then leaves the process without destroying this object.
	 */
	bool stop(std::chrono::milliseconds within);

signals:
	void linkChanged(snapdiff::gui::Link link, const QString &detail);
	void received(const snapdiff::gui::Monitor &monitor);

private:
	QThread thread_;
	BusClient *client_;
};

} // namespace snapdiff::gui
