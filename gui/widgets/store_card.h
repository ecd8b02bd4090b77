// SPDX-License-Identifier: GPL-3.0-or-later
/* A store at a glance: state, fill, what it could still get, how fast it fills, the worst case. */
#pragma once

#include <array>

#include <QFrame>

#include "models/values.h"

class QGridLayout;
class QLabel;

namespace snapdiff::gui {

class ElidedLabel;
class FillBar;
class StateLabel;

class StoreCard final : public QFrame
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(StoreCard)

public:
	explicit StoreCard(QWidget *parent = nullptr);

	void setStore(const Store &store);
	const QString &storeName() const { return name_; }
	Severity severity() const { return severity_; }

	void setSelected(bool selected);
	bool isSelected() const { return selected_; }

signals:
	void chosen(const QString &store);

protected:
	void paintEvent(QPaintEvent *event) override;
	void mousePressEvent(QMouseEvent *event) override;
	void focusInEvent(QFocusEvent *event) override;
	void focusOutEvent(QFocusEvent *event) override;

private:
	enum Figure {
		Rate,
		TimeToFull,
		TimeToExhaustion,
		Held,
		State,
		Extensions,
		Contents,
		FigureCount
	};

	void buildLegend(QGridLayout *grid);
	void buildFigures(QGridLayout *grid);
	void showFill(const Store &store);
	void showFigures(const Store &store);

	QString name_;
	Severity severity_ = Severity::Ok;
	bool selected_ = false;
	ElidedLabel *title_;
	StateLabel *state_;
	QLabel *sentence_;
	FillBar *bar_;
	QLabel *usedOf_;
	std::array<QLabel *, 5> amounts_ = {};
	QLabel *lowWater_ = nullptr;
	std::array<ElidedLabel *, FigureCount> figures_ = {};
	StateLabel *worst_;
	QLabel *worstSentence_;
};

} // namespace snapdiff::gui
