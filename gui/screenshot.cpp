// SPDX-License-Identifier: GPL-3.0-or-later
/* Screenshot: takes one picture of a window, as soon as there is something to see. */
#include "screenshot.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <QCoreApplication>
#include <QPixmap>
#include <QWidget>

namespace snapdiff::gui {

using namespace std::chrono_literals;

/* A bus that does not answer is a sight too. */
static constexpr auto longestWait = 5s;

Screenshot::Screenshot(QWidget &window, QString file, std::chrono::milliseconds after)
	: window_(window), file_(std::move(file))
{
	after_.setSingleShot(true);
	limit_.setSingleShot(true);
	connect(&after_, &QTimer::timeout, this, [this] {
		due_ = true;
		shootWhenReady();
	});
	connect(&limit_, &QTimer::timeout, this, [this] {
		settled_ = true;
		shootWhenReady();
	});
	after_.start(after);
	limit_.start(after + longestWait);
}

void Screenshot::setLink(Link link)
{
	/* Live comes together with figures, and those are waited for. */
	settled_ = link != Link::Connecting && link != Link::Live;
	shootWhenReady();
}

void Screenshot::received()
{
	settled_ = true;
	shootWhenReady();
}

void Screenshot::shootWhenReady()
{
	if (!due_ || !settled_ || done_)
		return;
	done_ = true;
	/* What was just told to the window is laid out first. */
	QTimer::singleShot(0, this, &Screenshot::shoot);
}

void Screenshot::shoot()
{
	if (window_.grab().save(file_, "PNG")) {
		QCoreApplication::exit(EXIT_SUCCESS);
		return;
	}
	std::fprintf(stderr, "snapdiff-gui: cannot write the picture %s\n", qUtf8Printable(file_));
	QCoreApplication::exit(EXIT_FAILURE);
}

} // namespace snapdiff::gui
