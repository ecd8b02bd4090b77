// SPDX-License-Identifier: GPL-3.0-or-later
#include "options.h"

#include <cstdio>
#include <cstdlib>

#include <QCommandLineParser>
#include <QRegularExpression>

namespace snapdiff::gui {

namespace {

[[noreturn]] void refuse(const QString &why)
{
	std::fprintf(stderr, "snapdiff-gui: %s\nTry: snapdiff-gui --help\n", qUtf8Printable(why));
	std::exit(2);
}

QSize sizeOf(const QString &text)
{
	static const QRegularExpression form(QStringLiteral("^([0-9]{1,5})x([0-9]{1,5})$"));
	const QRegularExpressionMatch match = form.match(text);
	const QSize size(match.captured(1).toInt(), match.captured(2).toInt());

	if (size.isEmpty() || size.width() > 16384 || size.height() > 16384)
		refuse(QStringLiteral("--size wants WIDTHxHEIGHT in pixels, not '%1'").arg(text));
	return size;
}

std::chrono::milliseconds delayOf(const QString &text)
{
	bool good = false;
	const int value = text.toInt(&good);

	if (!good || value < 0)
		refuse(QStringLiteral("--after wants milliseconds, not '%1'").arg(text));
	return std::chrono::milliseconds(value);
}

} // namespace

Options parseOptions(const QStringList &arguments)
{
	QCommandLineParser parser;
	const QCommandLineOption bus(
		QStringLiteral("bus"),
		QStringLiteral("Bus of the daemon: system (default), session, or an address."),
		QStringLiteral("BUS"), QStringLiteral("system"));
	const QCommandLineOption screenshot(
		QStringLiteral("screenshot"),
		QStringLiteral("Write a picture of the window to FILE (PNG) and exit."),
		QStringLiteral("FILE"));
	const QCommandLineOption after(
		QStringLiteral("after"),
		QStringLiteral("With --screenshot: wait at least MS milliseconds (default 2000)."),
		QStringLiteral("MS"));
	const QCommandLineOption size(QStringLiteral("size"),
				      QStringLiteral("Size of the window in pixels."),
				      QStringLiteral("WxH"));
	Options options;

	parser.setApplicationDescription(
		QStringLiteral("Shows the stores, origins and snapshots of this machine."));
	const QCommandLineOption help = parser.addHelpOption();
	const QCommandLineOption version = parser.addVersionOption();
	parser.addOptions({bus, screenshot, after, size});
	if (!parser.parse(arguments))
		refuse(parser.errorText());
	if (parser.isSet(help))
		parser.showHelp(0);
	if (parser.isSet(version))
		parser.showVersion();
	if (!parser.positionalArguments().isEmpty())
		refuse(QStringLiteral("unexpected argument '%1'")
			       .arg(parser.positionalArguments().constFirst()));

	options.bus = parser.value(bus);
	if (options.bus != QLatin1String("system") && options.bus != QLatin1String("session") &&
	    !options.bus.contains(QLatin1Char(':')))
		refuse(QStringLiteral("--bus wants system, session or an address, not '%1'")
			       .arg(options.bus));
	options.screenshot = parser.value(screenshot);
	if (parser.isSet(after)) {
		if (options.screenshot.isEmpty())
			refuse(QStringLiteral("--after goes with --screenshot"));
		options.after = delayOf(parser.value(after));
	}
	if (parser.isSet(size))
		options.size = sizeOf(parser.value(size));
	return options;
}

} // namespace snapdiff::gui
