// SPDX-License-Identifier: GPL-3.0-or-later
#include "list_view.h"

#include <QHeaderView>
#include <QPainter>
#include <QProxyStyle>

#include "look.h"
#include "severity_delegate.h"

namespace snapdiff::gui {

namespace {

/*
 * The style of the program with more room at the sides of cells, so that figures at the right end
 * of one column do not touch the words of the next.
 */
class RoomyStyle final : public QProxyStyle
{
public:
	int pixelMetric(PixelMetric metric, const QStyleOption *option,
			const QWidget *widget) const override
	{
		const int value = QProxyStyle::pixelMetric(metric, option, widget);

		if (metric == PM_FocusFrameHMargin || metric == PM_HeaderMargin)
			return value + 4;
		return value;
	}
};

} // namespace

ListView::ListView(QAbstractItemModel *model, int severityRole, int stretched, const QString &empty,
		   QWidget *parent)
	: QTreeView(parent), stretched_(stretched), empty_(empty)
{
	auto *roomy = new RoomyStyle;
	roomy->setParent(this);
	setStyle(roomy);
	header()->setStyle(roomy);
	setModel(model);
	setItemDelegate(new SeverityDelegate(severityRole, this));
	setAllColumnsShowFocus(true);
	setUniformRowHeights(true);
	setTextElideMode(Qt::ElideRight);
	setSelectionMode(QAbstractItemView::SingleSelection);
	setFrameShape(QFrame::NoFrame);
	header()->setStretchLastSection(false);
	header()->setMinimumSectionSize(fontMetrics().averageCharWidth() * 9);
	for (int column = 0; column < model->columnCount(); column++)
		setColumnWidth(column, 0);
	header()->setSectionResizeMode(stretched, QHeaderView::Stretch);
	header()->setSectionsMovable(false);
	/* What comes new is shown; what the reader closed stays closed. */
	connect(model, &QAbstractItemModel::rowsInserted, this,
		[this](const QModelIndex &above, int first, int last) {
			for (int row = first; !above.isValid() && row <= last; row++)
				expand(this->model()->index(row, 0));
		});
}

void ListView::fitColumns()
{
	const int room = look::step(this) * 2;

	for (int column = 0; column < model()->columnCount(); column++) {
		if (column == stretched_)
			continue;
		const int wanted = std::min(sizeHintForColumn(column) + room,
					    fontMetrics().averageCharWidth() * 40);
		const int head = header()->sectionSizeHint(column);
		if (std::max(wanted, head) > columnWidth(column))
			setColumnWidth(column, std::max(wanted, head));
	}
}

QSize ListView::minimumSizeHint() const
{
	return {fontMetrics().averageCharWidth() * 30, fontMetrics().height() * 5};
}

void ListView::paintEvent(QPaintEvent *event)
{
	QTreeView::paintEvent(event);
	if (model()->rowCount() > 0)
		return;

	const int margin = look::step(this) * 2;
	QPainter painter(viewport());
	painter.setPen(look::quietText(palette()));
	painter.drawText(viewport()->rect().adjusted(margin, margin, -margin, -margin),
			 static_cast<int>(Qt::AlignCenter) | Qt::TextWordWrap, empty_);
}

} // namespace snapdiff::gui
