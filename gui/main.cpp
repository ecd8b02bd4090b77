// SPDX-License-Identifier: GPL-3.0-or-later
/* snapdiff-gui: the desktop monitor.  Puts window and connection together. */

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <QApplication>
#include <QPixmap>
#include <QTimer>

#include "client/connection.h"
#include "main_window.h"
#include "options.h"

using namespace snapdiff::gui;

namespace {

/* Asking for help must work where there is no display. */
void answerWithoutDisplay(int argc, char **argv)
{
	const std::array words{"-h", "--help", "-v", "--version"};
	const bool asked = std::any_of(argv + 1, argv + argc, [&](const char *argument) {
		return std::any_of(words.begin(), words.end(), [&](const char *word) {
			return std::strcmp(argument, word) == 0;
		});
	});

	if (asked) {
		const QCoreApplication application(argc, argv);
		parseOptions(QCoreApplication::arguments());
	}
}

void shoot(MainWindow &window, const QString &file)
{
	if (window.grab().save(file, "PNG")) {
		QCoreApplication::exit(EXIT_SUCCESS);
		return;
	}
	std::fprintf(stderr, "snapdiff-gui: cannot write the picture %s\n", qUtf8Printable(file));
	QCoreApplication::exit(EXIT_FAILURE);
}

} // namespace

int main(int argc, char **argv)
{
	QCoreApplication::setApplicationName(QStringLiteral("snapdiff-gui"));
	QCoreApplication::setApplicationVersion(QStringLiteral(SNAPDIFF_VERSION));
	QGuiApplication::setDesktopFileName(QStringLiteral("snapdiff-gui"));
	answerWithoutDisplay(argc, argv);
	const QApplication application(argc, argv);
	const Options options = parseOptions(QCoreApplication::arguments());

	auto connection = std::make_unique<Connection>(options.bus);
	MainWindow window;
	QObject::connect(connection.get(), &Connection::linkChanged, &window, &MainWindow::setLink);
	QObject::connect(connection.get(), &Connection::received, &window, &MainWindow::setMonitor);
	QObject::connect(&window, &MainWindow::refreshWanted, connection.get(),
			 &Connection::refresh);
	QObject::connect(&window, &MainWindow::watchedChanged, connection.get(),
			 &Connection::setWatched);
	connection->start();

	if (options.size)
		window.resize(*options.size);
	window.show();
	if (!options.screenshot.isEmpty())
		QTimer::singleShot(options.after, &window,
				   [&] { shoot(window, options.screenshot); });

	const int status = QApplication::exec();
	using namespace std::chrono_literals;
	if (!connection->stop(1s))
		std::_Exit(status);
	return status;
}
