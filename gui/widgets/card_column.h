// SPDX-License-Identifier: GPL-3.0-or-later
/* The overview: a card per store, the most urgent first, one of them selected. */
#pragma once

#include <vector>

#include <QScrollArea>

#include "models/values.h"

class QVBoxLayout;

namespace snapdiff::gui {

class StoreCard;

class CardColumn final : public QScrollArea
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(CardColumn)

public:
	explicit CardColumn(QWidget *parent = nullptr);

	/* Keeps the cards of the stores that stay, and the selection among them. */
	void setStores(const std::vector<Store> &stores);

	/* Empty: there is no store. */
	const QString &selected() const { return selected_; }
	void select(const QString &store);

	QSize sizeHint() const override;
	QSize minimumSizeHint() const override;

signals:
	void selectionChanged(const QString &store);

protected:
	void keyPressEvent(QKeyEvent *event) override;

private:
	StoreCard *cardOf(const QString &store) const;
	void sortCards();
	void step(int by);

	QVBoxLayout *layout_;
	/* In the order in which they are shown. */
	std::vector<StoreCard *> cards_;
	QString selected_;
};

} // namespace snapdiff::gui
