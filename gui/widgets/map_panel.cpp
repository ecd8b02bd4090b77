// SPDX-License-Identifier: GPL-3.0-or-later
#include "map_panel.h"

#include <array>
#include <utility>

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QVBoxLayout>

#include "elided_label.h"
#include "look.h"
#include "models/words.h"
#include "store_map.h"
#include "swatch.h"

namespace snapdiff::gui {

MapPanel::MapPanel(QWidget *parent)
	: QWidget(parent), title_(new ElidedLabel(this)), map_(new StoreMap(this)),
	  range_(new ElidedLabel(this))
{
	const int step = look::step(this);
	auto *layout = new QVBoxLayout(this);
	auto *head = new QHBoxLayout;
	QFont bold = font();

	bold.setBold(true);
	title_->setFont(bold);
	setFocusProxy(map_);
	range_->setForegroundRole(QPalette::PlaceholderText);
	head->addWidget(title_, 1);
	head->addWidget(legend());
	layout->setContentsMargins(2 * step, 3 * step / 2, 2 * step, 3 * step / 2);
	layout->setSpacing(step);
	layout->addLayout(head);
	layout->addWidget(map_, 1);
	layout->addWidget(range_);
	connect(map_, &StoreMap::currentChanged, this, &MapPanel::showCurrent);
	showCurrent();
}

void MapPanel::paintEvent(QPaintEvent *)
{
	QPainter painter(this);

	painter.setBrush(palette().color(QPalette::Base));
	look::paintPanel(painter, rect(), look::outline(palette()), 1);
}

QWidget *MapPanel::legend()
{
	const std::array<std::pair<std::optional<FillPart>, QString>, 4> entries{{
		{FillPart::Used, words::part(FillPart::Used)},
		{FillPart::Free, words::part(FillPart::Free)},
		{FillPart::Unusable, words::part(FillPart::Unusable)},
		{std::nullopt, tr("Failed")},
	}};
	const int step = look::step(this);
	auto *legend = new QWidget(this);
	auto *layout = new QHBoxLayout(legend);

	layout->setContentsMargins(0, 0, 0, 0);
	layout->setSpacing(step / 2);
	for (const auto &[part, name] : entries) {
		layout->addSpacing(step);
		layout->addWidget(new Swatch(part, legend));
		auto *label = new QLabel(name, legend);
		label->setForegroundRole(QPalette::PlaceholderText);
		layout->addWidget(label);
	}
	return legend;
}

void MapPanel::setStore(const Store &store)
{
	title_->setText(tr("Ranges of %1").arg(store.name));
	map_->setRanges(store.ranges);
}

void MapPanel::showCurrent()
{
	const Range *range = map_->current();
	QString text = tr("Select a range to see its figures.");

	if (range)
		text = words::range(*range).replace(QLatin1Char('\n'), QStringLiteral(" \u00b7 "));
	range_->setText(text);
}

} // namespace snapdiff::gui
