// SPDX-License-Identifier: GPL-3.0-or-later
/* Colours are readable on light and dark windows. */
#include <algorithm>
#include <cmath>

#include <QTest>

#include "palettes.h"
#include "widgets/look.h"

using namespace snapdiff::gui;

class LookTest final : public QObject
{
	Q_OBJECT

	static double luminance(const QColor &color)
	{
		const auto linear = [](double c) {
			return c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
		};
		return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) +
		       0.0722 * linear(color.blueF());
	}

	/* As the web's accessibility guidelines count it: 1 to 21. */
	static double contrast(const QColor &a, const QColor &b)
	{
		const double first = luminance(a) + 0.05;
		const double second = luminance(b) + 0.05;
		return std::max(first, second) / std::min(first, second);
	}

private slots:
	void textIsReadable_data()
	{
		QTest::addColumn<QPalette>("palette");
		QTest::newRow("light") << palettes::light();
		QTest::newRow("dark") << palettes::dark();
	}

	void textIsReadable()
	{
		QFETCH(QPalette, palette);

		for (const QPalette::ColorRole ground : {QPalette::Window, QPalette::Base}) {
			const QColor back = palette.color(ground);
			for (const Severity severity : {Severity::Ok, Severity::Notice,
							Severity::Warning, Severity::Critical}) {
				const double ratio =
					contrast(look::severityColor(severity, palette), back);
				QVERIFY2(ratio >= 4.5, qPrintable(QString::number(ratio)));
			}
			QVERIFY(contrast(look::quietText(palette), back) >= 4.5);
			const QPalette stale = look::stalePalette(palette);
			QVERIFY(contrast(stale.color(QPalette::Text), back) >= 4.5);
		}
	}

	void darkIsToldFromLight()
	{
		QVERIFY(!look::isDark(palettes::light()));
		QVERIFY(look::isDark(palettes::dark()));
	}

	/* Used and free must differ for those who see no colours. */
	void partsDifferInBrightnessOrPattern_data() { textIsReadable_data(); }

	void partsDifferInBrightnessOrPattern()
	{
		QFETCH(QPalette, palette);
		const auto picture = [&](FillPart part) {
			QImage image(40, 20, QImage::Format_RGB32);
			QPainter painter(&image);
			look::paintPart(painter, image.rect(), part, palette);
			painter.end();
			return image.convertToFormat(QImage::Format_Grayscale8);
		};
		const QImage used = picture(FillPart::Used);
		const QImage free = picture(FillPart::Free);

		QVERIFY(std::abs(qGray(used.pixel(5, 5)) - qGray(free.pixel(5, 5))) > 40);
		QVERIFY(picture(FillPart::Reserve) != picture(FillPart::Carvable));
		QVERIFY(picture(FillPart::Unusable) != picture(FillPart::Carvable));
	}
};

QTEST_MAIN(LookTest)
#include "look_test.moc"
