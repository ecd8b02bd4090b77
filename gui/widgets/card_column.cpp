// SPDX-License-Identifier: GPL-3.0-or-later
#include "card_column.h"

#include <algorithm>

#include <QKeyEvent>
#include <QScrollBar>
#include <QVBoxLayout>

#include "look.h"
#include "store_card.h"

namespace snapdiff::gui {

CardColumn::CardColumn(QWidget *parent) : QScrollArea(parent)
{
	auto *content = new QWidget(this);

	layout_ = new QVBoxLayout(content);
	layout_->setContentsMargins(0, 0, 0, 0);
	layout_->setSpacing(look::step(this));
	layout_->addStretch(1);
	setWidget(content);
	setWidgetResizable(true);
	setFrameShape(QFrame::NoFrame);
	setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
	/* The ground of the window, not that of lists. */
	content->setAutoFillBackground(false);
	viewport()->setAutoFillBackground(false);
	setFocusPolicy(Qt::NoFocus);
	setAccessibleName(tr("Stores"));
}

void CardColumn::setStores(const std::vector<Store> &stores)
{
	std::erase_if(cards_, [&](StoreCard *card) {
		const bool stays =
			std::any_of(stores.begin(), stores.end(), [&](const Store &store) {
				return store.name == card->storeName();
			});
		if (!stays)
			card->deleteLater();
		return !stays;
	});

	for (const Store &store : stores) {
		StoreCard *card = cardOf(store.name);
		if (!card) {
			card = new StoreCard(widget());
			connect(card, &StoreCard::chosen, this, &CardColumn::select);
			cards_.push_back(card);
		}
		card->setStore(store);
	}
	sortCards();
	/* What the cards need may have changed, and the scroll area does not ask them. */
	updateGeometry();

	if (!cardOf(selected_))
		select(cards_.empty() ? QString() : cards_.front()->storeName());
}

void CardColumn::sortCards()
{
	std::stable_sort(cards_.begin(), cards_.end(), [](StoreCard *a, StoreCard *b) {
		if (a->severity() != b->severity())
			return a->severity() > b->severity();
		return a->storeName() < b->storeName();
	});

	QWidget *before = nullptr;
	for (size_t i = 0; i < cards_.size(); i++) {
		const int place = static_cast<int>(i);
		if (layout_->indexOf(cards_[i]) != place)
			layout_->insertWidget(place, cards_[i]);
		if (before)
			QWidget::setTabOrder(before, cards_[i]);
		before = cards_[i];
	}
}

void CardColumn::select(const QString &store)
{
	if (store == selected_)
		return;
	if (StoreCard *card = cardOf(selected_))
		card->setSelected(false);
	selected_ = store;
	if (StoreCard *card = cardOf(selected_)) {
		card->setSelected(true);
		setFocusProxy(card);
		ensureWidgetVisible(card, 0, 0);
	}
	emit selectionChanged(selected_);
}

StoreCard *CardColumn::cardOf(const QString &store) const
{
	const auto found = std::find_if(cards_.begin(), cards_.end(), [&](StoreCard *card) {
		return card->storeName() == store;
	});
	return found == cards_.end() ? nullptr : *found;
}

void CardColumn::step(int by)
{
	const auto here = std::find(cards_.begin(), cards_.end(), cardOf(selected_));
	const auto place = (here - cards_.begin()) + by;

	if (here == cards_.end() || place < 0 || place >= static_cast<qsizetype>(cards_.size()))
		return;
	/* Focus selects. */
	cards_[static_cast<size_t>(place)]->setFocus(Qt::OtherFocusReason);
}

void CardColumn::keyPressEvent(QKeyEvent *event)
{
	switch (event->key()) {
	case Qt::Key_Up:
		step(-1);
		break;
	case Qt::Key_Down:
		step(1);
		break;
	default:
		QScrollArea::keyPressEvent(event);
	}
}

QSize CardColumn::sizeHint() const
{
	return {fontMetrics().averageCharWidth() * 58, fontMetrics().height() * 30};
}

QSize CardColumn::minimumSizeHint() const
{
	/* Never less than what a card needs beside a scroll bar, and the same for all figures. */
	const int needed =
		widget()->minimumSizeHint().width() + verticalScrollBar()->sizeHint().width();
	return {std::max(needed, fontMetrics().averageCharWidth() * 50),
		fontMetrics().height() * 8};
}

} // namespace snapdiff::gui
