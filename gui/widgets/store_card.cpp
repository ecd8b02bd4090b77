// SPDX-License-Identifier: GPL-3.0-or-later
#include "store_card.h"

#include <QGridLayout>
#include <QLabel>
#include <QMouseEvent>
#include <QPainter>
#include <QVBoxLayout>

#include "elided_label.h"
#include "fill_bar.h"
#include "look.h"
#include "models/format.h"
#include "models/words.h"
#include "state_label.h"
#include "swatch.h"

namespace snapdiff::gui {

namespace {

constexpr std::array parts{FillPart::Used, FillPart::Free, FillPart::Unusable, FillPart::Reserve,
			   FillPart::Carvable};

QLabel *value(QWidget *parent)
{
	auto *label = new QLabel(parent);
	label->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
	label->setTextFormat(Qt::PlainText);
	return label;
}

/* A caption in the quieter colour, which the palette carries. */
QLabel *caption(const QString &text, QWidget *parent)
{
	auto *label = new QLabel(text, parent);
	label->setTextFormat(Qt::PlainText);
	label->setForegroundRole(QPalette::PlaceholderText);
	return label;
}

QLabel *sentence(QWidget *parent)
{
	auto *label = new QLabel(parent);
	label->setWordWrap(true);
	label->setTextFormat(Qt::PlainText);
	return label;
}

} // namespace

StoreCard::StoreCard(QWidget *parent)
	: QFrame(parent), title_(new ElidedLabel(this)), state_(new StateLabel(this)),
	  sentence_(sentence(this)), bar_(new FillBar(this)), usedOf_(new QLabel(this)),
	  worst_(new StateLabel(this)), worstSentence_(sentence(this))
{
	const int step = look::step(this);
	auto *layout = new QVBoxLayout(this);
	auto *head = new QHBoxLayout;
	auto *legend = new QGridLayout;
	auto *figures = new QGridLayout;

	setFocusPolicy(Qt::StrongFocus);
	setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
	layout->setContentsMargins(2 * step, 2 * step, 2 * step, 2 * step);
	layout->setSpacing(step);

	QFont large = font();
	large.setPointSizeF(large.pointSizeF() * 1.25);
	large.setBold(true);
	title_->setFont(large);
	head->setSpacing(step);
	head->addWidget(title_, 1);
	head->addWidget(state_);
	layout->addLayout(head);
	layout->addWidget(sentence_);
	layout->addSpacing(step / 2);
	usedOf_->setTextFormat(Qt::PlainText);
	layout->addWidget(usedOf_);
	layout->addWidget(bar_);
	buildLegend(legend);
	layout->addLayout(legend);
	layout->addSpacing(step / 2);
	buildFigures(figures);
	layout->addLayout(figures);
	layout->addSpacing(step / 2);
	layout->addWidget(worst_);
	layout->addWidget(worstSentence_);
}

void StoreCard::buildLegend(QGridLayout *grid)
{
	const int step = look::step(this);

	grid->setHorizontalSpacing(step);
	grid->setVerticalSpacing(step / 2);
	/* Two columns of swatch, word and figure; figures of a column end at the same pixel. */
	grid->setColumnStretch(1, 1);
	grid->setColumnMinimumWidth(3, step);
	grid->setColumnStretch(5, 1);
	for (size_t i = 0; i <= parts.size(); i++) {
		const int row = static_cast<int>(i % 3);
		const int column = i < 3 ? 0 : 4;
		QLabel *figure = value(this);
		if (i < parts.size()) {
			auto *name = caption(words::part(parts[i]), this);
			name->setToolTip(words::partMeaning(parts[i]));
			grid->addWidget(new Swatch(parts[i], this), row, column);
			grid->addWidget(name, row, column + 1);
			amounts_[i] = figure;
		} else {
			auto *mark = new QLabel(QStringLiteral("|"), this);
			QFont bold = mark->font();
			bold.setBold(true);
			mark->setFont(bold);
			mark->setAlignment(Qt::AlignCenter);
			auto *name = caption(tr("Low water"), this);
			name->setToolTip(
				tr("free space at or below which the store asks for more"));
			grid->addWidget(mark, row, column);
			grid->addWidget(name, row, column + 1);
			lowWater_ = figure;
		}
		grid->addWidget(figure, row, column + 2);
	}
}

void StoreCard::buildFigures(QGridLayout *grid)
{
	const std::array<QString, FigureCount> names{tr("Fill rate"),	      tr("Time to full"),
						     tr("With all supplies"), tr("Held writes"),
						     tr("Mode and level"),    tr("Extensions"),
						     tr("Contents")};
	const int step = look::step(this);

	grid->setHorizontalSpacing(step);
	grid->setVerticalSpacing(step / 2);
	grid->setColumnStretch(1, 1);
	for (size_t i = 0; i < figures_.size(); i++) {
		figures_[i] = new ElidedLabel(this);
		figures_[i]->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
		figures_[i]->setAccessibleName(names[i]);
		grid->addWidget(caption(names[i], this), static_cast<int>(i), 0);
		grid->addWidget(figures_[i], static_cast<int>(i), 1);
	}
}

void StoreCard::setStore(const Store &store)
{
	const Condition condition = words::ofStore(store);
	const Condition worst = words::worstCase(store);

	name_ = store.name;
	severity_ = condition.severity;
	title_->setText(store.name);
	state_->setState(condition.severity, condition.word);
	sentence_->setText(condition.sentence);
	setAccessibleName(tr("Store %1: %2").arg(store.name, condition.word));
	setAccessibleDescription(condition.sentence);
	showFill(store);
	showFigures(store);
	worst_->setState(worst.severity, worst.word);
	worstSentence_->setText(worst.sentence);
}

void StoreCard::showFill(const Store &store)
{
	const FillAmounts amounts = fillAmounts(store);

	bar_->setAmounts(amounts);
	usedOf_->setText(tr("%1 of %2 used (%3)")
				 .arg(format::size(store.used), format::size(store.capacity),
				      format::percent(store.used, store.capacity)));
	const std::array sectors{store.used, store.free, store.unusable, store.reserve,
				 store.carvable};
	for (size_t i = 0; i < amounts_.size(); i++)
		amounts_[i]->setText(format::size(sectors[i]));
	lowWater_->setText(store.lowWater > 0 ? format::size(store.lowWater) : tr("none"));
}

void StoreCard::showFigures(const Store &store)
{
	quint64 invalid = 0;
	for (const Snapshot &snapshot : store.snapshots)
		invalid += !snapshot.live;
	QString snapshots = format::count(store.snapshots.size(), tr("snapshot"), tr("snapshots"));
	if (invalid > 0)
		snapshots += tr(" (%1 invalid)").arg(format::number(invalid));

	figures_[Rate]->setText(store.expectedRate ? format::rate(*store.expectedRate)
						   : tr("not known yet"));
	const auto time = [&store](const std::optional<quint64> &seconds) {
		if (seconds)
			return format::duration(*seconds);
		return store.expectedRate ? tr("not filling") : tr("not known yet");
	};
	figures_[TimeToFull]->setText(time(store.secondsToFull));
	figures_[TimeToExhaustion]->setText(time(store.secondsToExhaustion));
	if (store.heldWrites > 0)
		figures_[Held]->setText(tr("%1, oldest since %2")
						.arg(format::number(store.heldWrites),
						     format::milliseconds(store.heldMs)));
	else if (store.heldTotal.value_or(0) > 0)
		figures_[Held]->setText(
			tr("none now, %1 so far").arg(format::number(*store.heldTotal)));
	else
		figures_[Held]->setText(tr("none"));
	figures_[State]->setText(
		QStringLiteral("%1, %2").arg(words::mode(store.mode), words::level(store.level)));
	figures_[Extensions]->setText(format::number(store.extensions));
	figures_[Contents]->setText(QStringLiteral("%1, %2").arg(
		format::count(store.origins.size(), tr("origin"), tr("origins")), snapshots));
}

void StoreCard::setSelected(bool selected)
{
	if (selected == selected_)
		return;
	selected_ = selected;
	update();
}

void StoreCard::paintEvent(QPaintEvent *)
{
	QPainter painter(this);
	QColor edge = look::outline(palette());
	double thickness = 1;

	if (selected_ || hasFocus()) {
		edge = palette().color(QPalette::Highlight);
		thickness = hasFocus() ? 2.5 : 1.5;
	}
	painter.setBrush(palette().color(QPalette::Base));
	look::paintPanel(painter, rect(), edge, thickness);
}

void StoreCard::mousePressEvent(QMouseEvent *event)
{
	if (event->button() == Qt::LeftButton)
		emit chosen(name_);
	QFrame::mousePressEvent(event);
}

void StoreCard::focusInEvent(QFocusEvent *event)
{
	emit chosen(name_);
	update();
	QFrame::focusInEvent(event);
}

void StoreCard::focusOutEvent(QFocusEvent *event)
{
	update();
	QFrame::focusOutEvent(event);
}

} // namespace snapdiff::gui
