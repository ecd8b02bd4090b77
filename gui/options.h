// SPDX-License-Identifier: GPL-3.0-or-later
/* The command line. */
#pragma once

#include <chrono>
#include <optional>

#include <QSize>
#include <QString>
#include <QStringList>

namespace snapdiff::gui {

struct Options
{
	/* "system", "session", or a D-Bus address. */
	QString bus = QStringLiteral("system");

	/* Where to write a picture of the window before exiting; empty: stay. */
	QString screenshot;
	std::chrono::milliseconds after{2000};
	std::optional<QSize> size;
};

/* --help and --version end the program here; so does a mistake, with status 2. */
Options parseOptions(const QStringList &arguments);

} // namespace snapdiff::gui
