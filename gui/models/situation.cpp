// SPDX-License-Identifier: GPL-3.0-or-later
#include "situation.h"

#include <QCoreApplication>
#include <QLocale>

#include "format.h"

namespace snapdiff::gui {

namespace {

using Kind = Situation::Kind;

/* An answer later than this is late: the client asks every two seconds. */
constexpr qint64 freshForMs = 6000;

QString text(const char *source)
{
	return QCoreApplication::translate("Situation", source);
}

Situation unreachable(Link link, const QString &detail)
{
	switch (link) {
	case Link::Connecting:
	case Link::Live:
		return {Kind::Connecting,
			Severity::Ok,
			text("Connecting"),
			text("Asking the daemon snapdiffd for the state of the stores."),
			{},
			{}};
	case Link::NoBus:
		return {Kind::NoBus,
			Severity::Critical,
			text("No D-Bus"),
			text("The message bus cannot be reached: %1").arg(detail),
			text("Start the bus; this window goes on by itself."),
			QStringLiteral("systemctl start dbus")};
	case Link::NoDaemon:
		return {Kind::NoDaemon,
			Severity::Warning,
			text("The daemon is not running"),
			text("Nobody answers as org.snapdiff1 on the bus. Snapshots are kept by "
			     "the kernel and do not need the daemon, but nothing extends a store "
			     "that fills up."),
			text("Start it; this window goes on by itself."),
			QStringLiteral("systemctl start snapdiffd")};
	case Link::Refused:
		return {Kind::Refused,
			Severity::Warning,
			text("Not permitted"),
			text("The daemon may not be asked from this session: %1").arg(detail),
			text("See what the bus refuses."),
			QStringLiteral("journalctl -u dbus -u snapdiffd")};
	case Link::Silent:
		return {Kind::Silent,
			Severity::Warning,
			text("The daemon does not answer"),
			text("It is on the bus but has not answered in time. %1").arg(detail),
			text("See what it is doing."),
			QStringLiteral("systemctl status snapdiffd")};
	case Link::Misfit:
		return {Kind::Misfit,
			Severity::Warning,
			text("Daemon and monitor do not fit"),
			text("The daemon answers in a form that this program does not know: %1")
				.arg(detail),
			text("Install snapdiffd and snapdiff-gui of the same version."),
			{}};
	}
	return {};
}

Situation stale(Link link, const QString &detail, const Reception &last)
{
	const Situation cause =
		link == Link::Live ? unreachable(Link::Silent, {}) : unreachable(link, detail);
	Situation result;

	result.kind = Kind::Stale;
	result.severity = Severity::Warning;
	result.headline = link == Link::Connecting ? text("Connecting again") : cause.headline;
	result.explanation =
		text("The figures below are of %1, %2.")
			.arg(QLocale().toString(last.at.time(), QStringLiteral("HH:mm:ss")),
			     format::age(last.at, last.at.addMSecs(last.ageMs)));
	result.nextStep = cause.nextStep;
	result.command = cause.command;
	return result;
}

Situation noModule(const Monitor &monitor)
{
	if (monitor.moduleLoaded)
		return {Kind::NoModule,
			Severity::Warning,
			text("The kernel module does not fit"),
			text("snapdiffd %1 runs, but does not know version %2 of the kernel "
			     "module.")
				.arg(monitor.daemonVersion, monitor.moduleVersion),
			text("Install daemon and module of the same version, then load it again."),
			QStringLiteral("modprobe -r dm-snapdiff && modprobe dm-snapdiff")};
	return {Kind::NoModule,
		Severity::Warning,
		text("The kernel module is not loaded"),
		text("snapdiffd %1 runs, but the kernel has no snapdiff targets.")
			.arg(monitor.daemonVersion),
		text("Load it; if that fails, install the package dm-snapdiff-dkms."),
		QStringLiteral("modprobe dm-snapdiff")};
}

Situation nothingAttached()
{
	return {Kind::NothingAttached,
		Severity::Ok,
		text("Nothing is attached"),
		text("No store exists, so no volume's past is being kept."),
		text("Make a first snapshot: this attaches the volume and makes a store from the "
		     "free space of its volume group."),
		QStringLiteral("snapdiff create /dev/vg0/home")};
}

} // namespace

Situation situationOf(Link link, const QString &detail, const Monitor &monitor,
		      const std::optional<Reception> &last)
{
	if (!last)
		return unreachable(link, detail);
	if (link == Link::Live && !monitor.moduleUsable)
		return noModule(monitor);
	if (monitor.stores.empty())
		return link == Link::Live ? nothingAttached() : unreachable(link, detail);
	if (link != Link::Live || last->ageMs > freshForMs)
		return stale(link, detail, *last);

	Situation normal;
	normal.kind = Kind::Normal;
	return normal;
}

} // namespace snapdiff::gui
