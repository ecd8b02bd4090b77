// SPDX-License-Identifier: GPL-3.0-or-later
#include "connection.h"

#include "bus_client.h"

namespace snapdiff::gui {

Connection::Connection(const QString &address, QObject *parent)
	: QObject(parent), client_(new BusClient(address))
{
	qRegisterMetaType<Monitor>();
	qRegisterMetaType<Link>();

	client_->moveToThread(&thread_);
	connect(&thread_, &QThread::finished, client_, &QObject::deleteLater);
	connect(client_, &BusClient::linkChanged, this, &Connection::linkChanged);
	connect(client_, &BusClient::received, this, &Connection::received);
	thread_.setObjectName(QStringLiteral("bus"));
}

Connection::~Connection()
{
	if (!thread_.isRunning() && !thread_.isFinished())
		delete client_;
	thread_.quit();
	thread_.wait();
}

void Connection::start()
{
	connect(&thread_, &QThread::started, client_, &BusClient::start);
	thread_.start();
}

void Connection::refresh()
{
	QMetaObject::invokeMethod(client_, &BusClient::refresh, Qt::QueuedConnection);
}

void Connection::setWatched(bool watched)
{
	QMetaObject::invokeMethod(
		client_, [client = client_, watched] { client->setWatched(watched); },
		Qt::QueuedConnection);
}

bool Connection::stop(std::chrono::milliseconds within)
{
	thread_.quit();
	return thread_.wait(static_cast<unsigned long>(within.count()));
}

} // namespace snapdiff::gui
