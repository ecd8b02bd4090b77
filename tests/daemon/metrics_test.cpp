// SPDX-License-Identifier: GPL-2.0-or-later
//
// Metrics: the text keeps the format's rules, the alert rules and the dashboard use only what
// there is, and the file is replaced whole by a process that nobody waits for.

#include "metrics.h"
#include "metrics_writer.h"

#include "util/fd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <sys/stat.h>
#include <unistd.h>

namespace snapdiff::daemon {
namespace {

Picture busyPicture()
{
	Picture picture;
	picture.manager.version = "1.0";
	picture.manager.moduleVersion = "1.0.0";
	picture.manager.reserveRanges = 3;
	picture.manager.supplies = {{"vg0", "ok", 2048, 1024, ""}, {"vg1", "gone", 0, 0, "no"}};
	for (const char *name : {"a", "b\"\\\nc"}) {
		StorePicture store;
		store.name = name;
		store.summary.capacity = 4096;
		store.summary.mode = dm::StoreMode::Holding;
		store.fillRateShort = 1.5;
		store.fillRateLong = 0;
		store.secondsToFull = 60;
		store.secondsToExhaustion = 600;
		store.ranges.resize(2);
		store.ranges[0].status.state = dm::RangeState::Failed;
		store.origins.resize(1);
		store.origins[0].status.name = "vg0-home";
		store.snapshots.resize(1);
		store.snapshots[0].name = "monday";
		store.snapshots[0].takenAt = 1'700'000'000;
		picture.stores.push_back(store);
	}
	return picture;
}

std::vector<std::string> linesOf(const std::string &text)
{
	std::istringstream in(text);
	std::vector<std::string> lines;
	for (std::string line; std::getline(in, line);)
		lines.push_back(line);
	return lines;
}

std::set<std::string> knownNames()
{
	std::set<std::string> names;
	for (const Metric &metric : knownMetrics())
		names.insert(std::string(metric.name));
	return names;
}

// The names of metrics in any text.
std::set<std::string> namesIn(const std::string &text)
{
	static const std::regex pattern("\\bsnapdiff_[a-z_]+");
	return {std::sregex_token_iterator(text.begin(), text.end(), pattern), {}};
}

std::string fileOf(const std::string &path)
{
	const auto text = readFile(std::string(SNAPDIFF_SOURCE) + "/" + path);
	EXPECT_TRUE(text) << path;
	return text ? *text : "";
}

TEST(Metrics, EveryLineIsASampleOrAHeadAndEveryMetricHasOneHeadBeforeItsSamples)
{
	static const std::regex sample(
		R"(([a-z_]+)(\{[a-z]+="(?:[^"\\]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\]|\\["\\n])*")*\})? )"
		R"(-?[0-9.]+(?:e[+-]?[0-9]+)?)");
	static const std::regex head(R"(# (HELP|TYPE) ([a-z_]+) (.+))");
	const std::string text = metricsText(busyPicture(), 1'700'000'001);
	std::set<std::string> heads;
	std::set<std::string> series;
	std::string current;
	std::smatch found;

	ASSERT_TRUE(text.ends_with('\n'));
	for (const std::string &line : linesOf(text)) {
		if (std::regex_match(line, found, head)) {
			if (found[1] == "HELP")
				EXPECT_TRUE(heads.insert(found[2]).second)
					<< line << " comes twice";
			else
				EXPECT_TRUE(found[3] == "gauge" || found[3] == "counter") << line;
			current = found[2];
			continue;
		}
		ASSERT_TRUE(std::regex_match(line, found, sample)) << line;
		EXPECT_EQ(found[1], current) << line << " stands with another metric";
		EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second)
			<< line << " comes twice";
	}
	// This picture has a value for each.
	EXPECT_EQ(heads, knownNames());
}

TEST(Metrics, NamesHaveTheirUnitAndCountersEndInTotal)
{
	for (const Metric &metric : knownMetrics()) {
		const std::string name(metric.name);
		EXPECT_EQ(metric.type == "counter", name.ends_with("_total")) << name;
		EXPECT_EQ(name.find("sectors"), name.npos) << name;
		EXPECT_FALSE(metric.help.empty()) << name;
		EXPECT_EQ(metric.help.back(), '.') << name;
	}
}

TEST(Metrics, ValuesAreInBytesAndOddNamesAreEscaped)
{
	const std::string text = metricsText(busyPicture(), 1);
	EXPECT_NE(text.find("snapdiff_store_capacity_bytes{store=\"a\"} 2097152\n"), text.npos);
	EXPECT_NE(text.find("{store=\"b\\\"\\\\\\nc\"}"), text.npos);
	EXPECT_NE(text.find("snapdiff_store_mode{store=\"a\",mode=\"holding\"} 1\n"), text.npos);
	EXPECT_NE(text.find("snapdiff_store_mode{store=\"a\",mode=\"active\"} 0\n"), text.npos);
	EXPECT_NE(text.find("snapdiff_store_fill_rate_bytes_per_second{store=\"a\","
			    "window=\"short\"} 768\n"),
		  text.npos);
	EXPECT_NE(text.find("snapdiff_supply_usable{supply=\"vg1\"} 0\n"), text.npos);
}

TEST(Metrics, AForecastThatIsNotThereIsNoNumber)
{
	Picture picture = busyPicture();
	for (StorePicture &store : picture.stores) {
		store.secondsToFull = -1;
		store.fillRateShort = -1;
		store.fillRateLong = -1;
	}
	const std::set<std::string> names = namesIn(metricsText(picture, 1));
	EXPECT_FALSE(names.contains("snapdiff_store_time_to_full_seconds"));
	EXPECT_FALSE(names.contains("snapdiff_store_fill_rate_bytes_per_second"));
}

TEST(Metrics, AlertRulesUseOnlyMetricsThatExistAndSayWhatToDo)
{
	const std::string text = fileOf("docs/prometheus/snapdiff.rules.yml");
	const std::set<std::string> names = namesIn(text);
	EXPECT_GE(names.size(), 8U);
	for (const std::string &name : names)
		EXPECT_TRUE(knownNames().contains(name)) << name;

	static const std::regex keys("\\n +(- alert|expr|severity|summary|description):");
	std::map<std::string, int> counts;
	for (std::sregex_iterator at(text.begin(), text.end(), keys), end; at != end; ++at)
		counts[(*at)[1]]++;
	EXPECT_GE(counts["- alert"], 5);
	for (const char *key : {"expr", "severity", "summary", "description"})
		EXPECT_EQ(counts[key], counts["- alert"]) << key;
	EXPECT_EQ(text.find('\t'), text.npos) << "YAML has no tabs";
}

TEST(Metrics, TheDashboardIsJsonAndUsesOnlyMetricsThatExist)
{
	const std::string text = fileOf("docs/grafana/snapdiff.json");
	const auto dashboard = nlohmann::json::parse(text, nullptr, false);
	ASSERT_FALSE(dashboard.is_discarded());
	std::set<int> ids;
	for (const auto &panel : dashboard["panels"]) {
		EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second);
		ASSERT_FALSE(panel["targets"].empty()) << panel["title"];
		for (const auto &target : panel["targets"]) {
			const auto names = namesIn(target["expr"].get<std::string>());
			EXPECT_FALSE(names.empty()) << panel["title"];
			for (const std::string &name : names)
				EXPECT_TRUE(knownNames().contains(name)) << name;
		}
	}
	EXPECT_GE(ids.size(), 8U);
	for (const auto &variable : dashboard["templating"]["list"])
		for (const std::string &name : namesIn(variable.dump()))
			EXPECT_TRUE(knownNames().contains(name)) << name;
}

class MetricsFile : public testing::Test
{
protected:
	MetricsFile()
	{
		char name[] = "/tmp/snapdiff-metrics.XXXXXX";
		folder_ = mkdtemp(name);
	}
	~MetricsFile() override { std::filesystem::remove_all(folder_); }

	std::string file() const { return folder_ + "/snapdiff.prom"; }
	static std::string content(const std::string &path)
	{
		const auto text = readFile(path);
		return text ? *text : "";
	}
	// Until there is one, for ten seconds.
	static MetricsWriter::Outcome wait(MetricsWriter &writer, std::string &why)
	{
		for (int i = 0; i < 1000; i++) {
			const auto outcome = writer.outcome(why);
			if (outcome != MetricsWriter::Outcome::Nothing)
				return outcome;
			usleep(10'000);
		}
		return MetricsWriter::Outcome::Nothing;
	}

	std::string folder_;
};

TEST_F(MetricsFile, IsReplacedWholeReadableForAllAndLeavesNothingBeside)
{
	umask(0077);
	ASSERT_TRUE(replaceFile(file(), "old\n"));
	std::ifstream reader(file()); // whoever reads it now goes on to read the old one
	ASSERT_TRUE(replaceFile(file(), "new\n"));
	std::string seen;
	std::getline(reader, seen);
	EXPECT_EQ(seen, "old");
	EXPECT_EQ(content(file()), "new\n");
	struct stat info = {};
	ASSERT_EQ(stat(file().c_str(), &info), 0);
	EXPECT_EQ(info.st_mode & 0777U, 0644U);
	EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(MetricsFile, IsWrittenThroughNoLinkOfTheFoldersOwner)
{
	const std::string other = folder_ + "/other";
	ASSERT_TRUE(replaceFile(other, "mine\n"));
	ASSERT_EQ(symlink(other.c_str(), (file() + ".new").c_str()), 0);
	ASSERT_TRUE(replaceFile(file(), "new\n"));
	EXPECT_EQ(content(other), "mine\n");
	EXPECT_EQ(content(file()), "new\n");
	EXPECT_FALSE(std::filesystem::is_symlink(file()));
}

TEST_F(MetricsFile, IsWrittenByAProcessOfItsOwnAgainAndAgain)
{
	MetricsWriter writer(SNAPDIFFD);
	std::string why;
	writer.put("nothing is wanted");
	EXPECT_EQ(writer.outcome(why), MetricsWriter::Outcome::Nothing);
	writer.setFile(file());
	for (const std::string text : {"one\n", "two\n"}) {
		writer.put(text);
		ASSERT_EQ(wait(writer, why), MetricsWriter::Outcome::Written) << why;
		EXPECT_EQ(content(file()), text);
	}
	// More than a socket takes at once.
	const std::string large(3'000'000, 'x');
	writer.put(large);
	ASSERT_EQ(wait(writer, why), MetricsWriter::Outcome::Written) << why;
	EXPECT_EQ(content(file()), large);
}

TEST_F(MetricsFile, ThatCannotBeWrittenIsToldWithItsReason)
{
	MetricsWriter writer(SNAPDIFFD);
	std::string why;
	writer.setFile(folder_ + "/missing/snapdiff.prom");
	writer.put("one\n");
	EXPECT_EQ(wait(writer, why), MetricsWriter::Outcome::Failed);
	EXPECT_THAT(why, testing::HasSubstr("No such file or directory"));
}

TEST_F(MetricsFile, AWriterThatHangsHoldsUpNobodyAndTextsAreLeftOut)
{
	const std::string script = folder_ + "/hangs";
	std::ofstream(script) << "#!/bin/sh\nsleep 5\n";
	std::filesystem::permissions(script, std::filesystem::perms::owner_all);
	MetricsWriter writer(script);
	std::string why;
	writer.setFile(file());
	const std::string large(3'000'000, 'x');
	const auto began = std::chrono::steady_clock::now();
	for (int i = 0; i < 100; i++)
		writer.put(large);
	EXPECT_EQ(writer.outcome(why), MetricsWriter::Outcome::Nothing);
	EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
}

} // namespace
} // namespace snapdiff::daemon
