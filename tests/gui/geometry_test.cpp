// SPDX-License-Identifier: GPL-3.0-or-later
/* Pixel geometry: how lengths are shared out, where the pieces of the fill bar and the map lie. */
#include <algorithm>
#include <limits>
#include <numeric>

#include <QRandomGenerator>
#include <QTest>

#include "models/fill_geometry.h"
#include "models/map_geometry.h"
#include "models/shares.h"

using namespace snapdiff::gui;

class GeometryTest final : public QObject
{
	Q_OBJECT

	using Lanes = std::vector<std::vector<quint64>>;

	static std::vector<quint64> randomQuantities(QRandomGenerator &random)
	{
		std::vector<quint64> quantities(random.bounded(1, 9));

		for (quint64 &quantity : quantities)
			quantity = random.bounded(4) == 0
					   ? 0
					   : random.generate64() >> random.bounded(1, 64);
		return quantities;
	}

	static MapMetrics metricsOf(int width)
	{
		MapMetrics metrics;

		metrics.width = width;
		return metrics;
	}

private slots:
	void sharesFillTheLengthExactly()
	{
		QRandomGenerator random(1);

		for (int i = 0; i < 2000; i++) {
			const auto quantities = randomQuantities(random);
			const int length = random.bounded(0, 1500);
			const auto widths = shareOut(quantities, length, 3);
			const bool any = std::any_of(quantities.begin(), quantities.end(),
						     [](quint64 q) { return q > 0; });
			QCOMPARE(std::accumulate(widths.begin(), widths.end(), 0),
				 any ? length : 0);
			for (size_t k = 0; k < widths.size(); k++) {
				QVERIFY(widths[k] >= 0);
				QVERIFY(quantities[k] > 0 || widths[k] == 0);
			}
		}
	}

	void sharesShowEverythingThatIsThere()
	{
		const std::vector<quint64> quantities{1, quint64(1) << 60, 1, 0, 5};
		const auto widths = shareOut(quantities, 100, 3);

		QCOMPARE(widths, (std::vector<int>{3, 91, 3, 0, 3}));
	}

	void sharesDoWithLittleRoom()
	{
		const auto widths = shareOut(std::vector<quint64>{1, 1, 1, 1000}, 4, 3);

		QCOMPARE(widths, (std::vector<int>{1, 1, 1, 1}));
		QCOMPARE(shareOut(std::vector<quint64>{}, 100, 3), std::vector<int>{});
		QCOMPARE(shareOut(std::vector<quint64>{7}, -1, 3), std::vector<int>{0});
	}

	void fillPiecesLieSideBySide()
	{
		QRandomGenerator random(2);

		for (int i = 0; i < 2000; i++) {
			const auto quantity = [&] {
				return random.bounded(3) == 0
					       ? quint64(0)
					       : random.generate64() >> random.bounded(4, 60);
			};
			const FillAmounts amounts{quantity(), quantity(), quantity(),
						  quantity(), quantity(), quantity()};
			const int width = random.bounded(40, 900);
			const FillGeometry geometry(amounts, width);
			int end = 0;
			for (const auto &piece : geometry.pieces()) {
				QVERIFY(piece.x == end || piece.x == end + FillGeometry::gap);
				QVERIFY(piece.width > 0);
				end = piece.x + piece.width;
			}
			QVERIFY(geometry.pieces().empty() || end == width);
			QVERIFY(geometry.lowWaterX() <= geometry.storeWidth());
		}
	}

	void fillKeepsTheScaleWhileTheStoreIsLargeEnough()
	{
		const FillGeometry geometry({50, 0, 50, 25, 0, 0}, 1008);

		QVERIFY(geometry.toScale());
		QCOMPARE(geometry.storeWidth(), 800);
		QCOMPARE(geometry.pieces().size(), size_t(3));
		QCOMPARE(geometry.pieces()[0], (FillGeometry::Piece{FillPart::Used, 0, 400}));
		QCOMPARE(geometry.pieces()[2], (FillGeometry::Piece{FillPart::Reserve, 808, 200}));
	}

	void fillNeverSqueezesTheStoreBehindALargeSupply()
	{
		const FillGeometry geometry({50, 0, 50, 0, quint64(1) << 40, 0}, 1008);

		QVERIFY(!geometry.toScale());
		QCOMPARE(geometry.storeWidth(), 620);
	}

	void fillMarksLowWaterWhereFreeWouldReachIt()
	{
		QCOMPARE(FillGeometry({60, 0, 40, 0, 0, 25}, 400).lowWaterX(), 300);
		QCOMPARE(FillGeometry({60, 0, 40, 0, 0, 0}, 400).lowWaterX(), -1);
		QCOMPARE(FillGeometry({60, 0, 40, 0, 0, 500}, 400).lowWaterX(), 0);
		QCOMPARE(FillGeometry({0, 0, 0, 10, 0, 5}, 400).lowWaterX(), -1);
	}

	void fillFindsThePieceUnderAPixel()
	{
		const FillGeometry geometry({50, 0, 50, 100, 0, 0}, 308);

		QCOMPARE(geometry.at(0)->part, FillPart::Used);
		QCOMPARE(geometry.at(geometry.storeWidth() - 1)->part, FillPart::Free);
		QVERIFY(!geometry.at(geometry.storeWidth() + 1));
		QCOMPARE(geometry.at(307)->part, FillPart::Reserve);
		QVERIFY(!geometry.at(308));
	}

	void fillOfNothingHasNoPieces()
	{
		QVERIFY(FillGeometry({}, 300).pieces().empty());
		QVERIFY(FillGeometry({1, 1, 1, 1, 1, 1}, 0).pieces().empty());
	}

	void mapBlocksNeitherOverlapNorLeaveTheWidth()
	{
		QRandomGenerator random(3);

		for (int round = 0; round < 200; round++) {
			Lanes lanes(random.bounded(1, 6));
			size_t ranges = 0;
			for (auto &lane : lanes) {
				lane.resize(random.bounded(1, 80));
				for (quint64 &length : lane)
					length =
						1 + (random.generate64() >> random.bounded(20, 60));
				ranges += lane.size();
			}
			const int width = random.bounded(20, 1000);
			const MapGeometry geometry(lanes, metricsOf(width));
			const auto &blocks = geometry.blocks();
			QCOMPARE(blocks.size(), ranges);
			for (size_t i = 0; i < blocks.size(); i++) {
				QVERIFY(blocks[i].left() >= 0 && blocks[i].right() < width);
				QVERIFY(blocks[i].bottom() < geometry.height());
				QVERIFY(!blocks[i].isEmpty());
				if (i > 0)
					QVERIFY(!blocks[i].intersects(blocks[i - 1]));
				QCOMPARE(geometry.at(blocks[i].center()), static_cast<int>(i));
			}
		}
	}

	void mapLanesShareOneScale()
	{
		const MapGeometry geometry(Lanes{{1000, 1000}, {500}}, metricsOf(402));

		QCOMPARE(geometry.blocks()[0].width(), 200);
		QCOMPARE(geometry.blocks()[1].width(), 200);
		QCOMPARE(geometry.blocks()[2].width(), 100);
		QCOMPARE(geometry.blocks()[0].y(), geometry.blocks()[1].y());
	}

	void mapLanesOfManyRangesGoOnInTheNextLine()
	{
		const MapGeometry geometry(Lanes{std::vector<quint64>(100, 64)}, metricsOf(400));
		const auto &blocks = geometry.blocks();

		QCOMPARE(blocks.front().width(), MapMetrics().minimumBlock);
		QVERIFY(blocks.back().y() > blocks.front().y());
	}

	void mapFindsNothingBetweenBlocks()
	{
		const MapGeometry geometry(Lanes{{10, 10}}, metricsOf(402));

		QCOMPARE(geometry.at({0, 0}), -1);
		QCOMPARE(geometry.at({200, geometry.blocks()[0].center().y()}), -1);
		QCOMPARE(geometry.at({-5, 30}), -1);
	}

	void mapStepsReachEveryRange()
	{
		const MapGeometry geometry(Lanes{{10, 10, 20}, {10, 30}}, metricsOf(400));
		using Step = MapGeometry::Step;

		QCOMPARE(geometry.neighbour(-1, Step::Right), 0);
		QCOMPARE(geometry.neighbour(-1, Step::Last), 4);
		QCOMPARE(geometry.neighbour(0, Step::Left), 0);
		QCOMPARE(geometry.neighbour(2, Step::Right), 3);
		QCOMPARE(geometry.neighbour(4, Step::Right), 4);
		QCOMPARE(geometry.neighbour(2, Step::First), 0);
		QCOMPARE(geometry.neighbour(0, Step::Down), 3);
		QCOMPARE(geometry.neighbour(2, Step::Down), 4);
		QCOMPARE(geometry.neighbour(3, Step::Up), 0);
		QCOMPARE(geometry.neighbour(0, Step::Up), 0);
		QCOMPARE(geometry.neighbour(4, Step::Down), 4);
		QCOMPARE(MapGeometry().neighbour(0, Step::Right), -1);
	}

	void mapOfHugeRangesStaysInBounds()
	{
		const quint64 huge = std::numeric_limits<quint64>::max();
		const MapGeometry geometry(Lanes{{huge, huge}, {1}}, metricsOf(300));

		for (const QRect &block : geometry.blocks())
			QVERIFY(block.left() >= 0 && block.right() < 300);
	}
};

QTEST_GUILESS_MAIN(GeometryTest)
#include "geometry_test.moc"
