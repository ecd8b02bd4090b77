// SPDX-License-Identifier: GPL-3.0-or-later
/* A small piece of a bar's colour and pattern, for legends. */
#pragma once

#include <optional>

#include <QWidget>

#include "models/fill_geometry.h"

namespace snapdiff::gui {

class Swatch final : public QWidget
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(Swatch)

public:
	/* Without @part: that of a failed range. */
	explicit Swatch(std::optional<FillPart> part, QWidget *parent = nullptr);

	QSize sizeHint() const override;

protected:
	void paintEvent(QPaintEvent *event) override;

private:
	const std::optional<FillPart> part_;
};

} // namespace snapdiff::gui
