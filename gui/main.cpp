// SPDX-License-Identifier: GPL-3.0-or-later
/* snapdiff-gui: the desktop monitor.  Puts window and connection together. */

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <QApplication>

#include "client/connection.h"
#include "main_window.h"
#include "options.h"
#include "screenshot.h"

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
	std::unique_ptr<Screenshot> screenshot;
	if (!options.screenshot.isEmpty()) {
		screenshot =
			std::make_unique<Screenshot>(window, options.screenshot, options.after);
		QObject::connect(connection.get(), &Connection::linkChanged, screenshot.get(),
				 &Screenshot::setLink);
		QObject::connect(connection.get(), &Connection::received, screenshot.get(),
				 &Screenshot::received);
	}
	connection->start();

	if (options.size)
		window.resize(*options.size);
	window.show();

	const int status = QApplication::exec();
	using namespace std::chrono_literals;
	if (!connection->stop(1s))
		std::_Exit(status);
	return status;
}
