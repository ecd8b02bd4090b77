// SPDX-License-Identifier: GPL-3.0-or-later
/* A bus and a daemon of the test's own, each a process that lives in a scope. */
#pragma once

#include <signal.h>

#include <QFile>
#include <QProcess>
#include <QTemporaryDir>
#include <QTest>

namespace snapdiff::gui {

/* Base: a process that can be stopped, continued and killed, and is gone at the end. */
class OwnProcess
{
public:
	OwnProcess() = default;
	OwnProcess(const OwnProcess &) = delete;
	OwnProcess &operator=(const OwnProcess &) = delete;

	~OwnProcess()
	{
		if (process_.state() == QProcess::NotRunning)
			return;
		resume();
		kill();
	}

	/* It stays where it is and answers nobody, like one that hangs. */
	void pause() { signal(SIGSTOP); }
	void resume() { signal(SIGCONT); }

	void kill()
	{
		process_.kill();
		process_.waitForFinished();
	}

protected:
	/* The first line that the process prints; empty if it did not start. */
	QString start(const QString &program, const QStringList &arguments)
	{
		process_.setProcessChannelMode(QProcess::SeparateChannels);
		process_.setStandardErrorFile(QProcess::nullDevice());
		process_.start(program, arguments);
		if (!process_.waitForStarted())
			return {};
		return readLine();
	}

	QString readLine()
	{
		while (!process_.canReadLine()) {
			if (!process_.waitForReadyRead(10000))
				return {};
		}
		return QString::fromUtf8(process_.readLine()).trimmed();
	}

	QProcess process_;

private:
	void signal(int number) { ::kill(static_cast<pid_t>(process_.processId()), number); }
};

class PrivateBus final : public OwnProcess
{
public:
	/* Empty if there is no bus. */
	QString start()
	{
		QFile config(folder_.filePath(QStringLiteral("bus.conf")));
		if (!config.open(QIODevice::WriteOnly))
			return {};
		config.write("<busconfig><type>session</type><listen>unix:path=");
		config.write(folder_.filePath(QStringLiteral("socket")).toUtf8());
		config.write("</listen><auth>EXTERNAL</auth><policy context='default'>"
			     "<allow send_destination='*'/><allow receive_sender='*'/>"
			     "<allow own='*'/></policy></busconfig>");
		config.close();
		return OwnProcess::start(QStringLiteral("dbus-daemon"),
					 {QStringLiteral("--nofork"),
					  QStringLiteral("--config-file"), config.fileName(),
					  QStringLiteral("--print-address=1")});
	}

private:
	QTemporaryDir folder_;
};

/* See fake_daemon.cpp for what can be told. */
class FakeDaemon final : public OwnProcess
{
public:
	bool start(const QString &bus)
	{
		return OwnProcess::start(QStringLiteral(FAKE_DAEMON), {bus}) ==
		       QLatin1String("ready");
	}

	bool tell(const QString &line)
	{
		process_.write(line.toUtf8() + '\n');
		return readLine() == QLatin1String("ok");
	}
};

} // namespace snapdiff::gui
