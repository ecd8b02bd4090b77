// SPDX-License-Identifier: GPL-2.0-or-later
// The product as systemd runs it: its units, what is attached at boot, journal and metrics. The
// machine is that of tests/guest/service/prepare-attached.
#include "service/commands.h"
#include "support/command.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include <csignal>
#include <sys/stat.h>
#include <unistd.h>

namespace snapdiff::lab {
namespace {

constexpr const char *metricsFile = "/var/lib/prometheus/node-exporter/snapdiff.prom";

uint64_t capabilities(const std::string &pid)
{
	const std::string status = readAll("/proc/" + pid + "/status");
	const size_t at = status.find("CapBnd:");
	return at == status.npos ? 0 : std::strtoull(status.c_str() + at + 7, nullptr, 16);
}

std::string mainPid()
{
	return property("snapdiffd.service", "MainPID");
}

TEST(Service, TheDaemonIsReadyWatchedAndTheLastToBeKilled)
{
	EXPECT_EQ(property("snapdiffd.service", "ActiveState"), "active");
	EXPECT_EQ(property("snapdiffd.service", "Type"), "notify");
	EXPECT_NE(timeOf("snapdiffd.service", "WatchdogTimestampMonotonic"), 0U);
	EXPECT_EQ(readAll("/proc/" + mainPid() + "/oom_score_adj"), "-1000\n");
	EXPECT_TRUE(contains(property("snapdiffd.service", "StatusText"), "stores"));
}

TEST(Service, TheDaemonHasThreeRightsAndItsExposureIsAtMostThree)
{
	constexpr uint64_t sysAdmin = 1ULL << 21;
	constexpr uint64_t sysResource = 1ULL << 24;
	constexpr uint64_t ipcLock = 1ULL << 14;
	EXPECT_EQ(capabilities(mainPid()), sysAdmin | sysResource | ipcLock);

	const std::string text =
		outputOf("systemd-analyze security --no-pager snapdiffd.service | tail -n 1");
	const size_t colon = text.find("snapdiffd.service: ");
	ASSERT_NE(colon, text.npos) << text;
	const double exposure = std::strtod(text.c_str() + colon + 19, nullptr);
	std::cout << text << "\n";
	EXPECT_GT(exposure, 0.0) << text;
	EXPECT_LE(exposure, 3.0) << text;
}

TEST(Service, LvmRunsInAUnitOfItsOwnAndTheReserveIsFilled)
{
	EXPECT_TRUE(comes([] {
		return contains(outputOf("lvs --noheadings -S lv_tags=snapdiff-reserve -o vg_name"),
				"vg1");
	})) << outputOf("lvs -a; journalctl -b -u 'snapdiffd*' --no-pager");
	const std::string helpers =
		outputOf("systemctl list-units --plain --no-legend 'snapdiffd-helper@*'");
	EXPECT_TRUE(contains(helpers, "running")) << helpers;
	// The daemon is alone in its unit.
	EXPECT_EQ(readAll("/sys/fs/cgroup/system.slice/snapdiffd.service/cgroup.procs"),
		  mainPid() + "\n");
}

TEST(Service, OriginsAreAttachedBeforeTheirFileSystemsAreCheckedAndMounted)
{
	const uint64_t attached =
		timeOf("snapdiff-attach.service", "ExecMainExitTimestampMonotonic");
	ASSERT_NE(attached, 0U);
	for (const std::string volume : {"home", "srv"}) {
		EXPECT_TRUE(contains(outputOf("dmsetup table vg0-" + volume), "snapdiff-origin"))
			<< outputOf("dmsetup table; journalctl -b -u snapdiff-attach --no-pager");
		EXPECT_EQ(outputOf("findmnt -n -o SOURCE /" + volume), "/dev/mapper/vg0-" + volume);
		const std::string check = "systemd-fsck@dev-vg0-" + volume + ".service";
		EXPECT_GT(timeOf(check, "ExecMainStartTimestampMonotonic"), attached);
		EXPECT_GT(timeOf(volume + ".mount", "InactiveExitTimestampMonotonic"), attached);
	}
}

TEST(Service, AStoreMadeAtBootIsGivenARange)
{
	const auto capacity = [] {
		std::istringstream words(outputOf("dmsetup status boot"));
		std::string word;
		uint64_t number = 0;
		words >> word >> word >> word >> word >> number;
		return number;
	};
	EXPECT_TRUE(comes([&] { return capacity() > 0; })) << outputOf("dmsetup status boot");
}

TEST(Service, TheJournalHasFieldsAndExplainsWhatItSays)
{
	const std::string told = outputOf("journalctl -b -x --no-pager -t snapdiffd "
					  "SNAPDIFF_ORIGIN=vg0/srv");
	EXPECT_TRUE(contains(told, "vg0/srv is attached to store boot")) << told;
	EXPECT_TRUE(contains(told, "Next step:")) << told;
	const std::string given =
		outputOf("journalctl -b -o json --no-pager SNAPDIFF_EVENT=store-added");
	EXPECT_TRUE(contains(given, "\"SNAPDIFF_STORE\":\"boot\"")) << given;
	EXPECT_TRUE(contains(given, "\"MESSAGE_ID\"")) << given;
}

TEST(Service, MetricsAreWrittenForAnExporterThatIsNotRoot)
{
	ASSERT_TRUE(comes([] {
		return contains(readAll(metricsFile),
				"snapdiff_store_capacity_bytes{store=\"boot\"}");
	})) << readAll(metricsFile)
	    << outputOf("journalctl -b -u 'snapdiffd*' --no-pager");
	struct stat info = {};
	ASSERT_EQ(stat(metricsFile, &info), 0);
	EXPECT_EQ(info.st_mode & 0777U, 0644U);
	EXPECT_TRUE(contains(readAll(metricsFile),
			     "snapdiff_origin_watched{store=\"boot\",origin=\""
			     "vg0-home\"} 1"));
}

TEST(Service, AReloadWithAMistakeKeepsTheOldConfigurationAndNamesTheLine)
{
	const std::string bad = "/etc/snapdiff/snapdiffd.toml.d/20-bad.toml";
	std::ofstream(bad) << "\nreserve_ranges = 0\n";
	outputOf("systemctl reload snapdiffd.service");
	const auto log = [] { return outputOf("journalctl -b -u snapdiffd.service --no-pager"); };
	EXPECT_TRUE(comes([&] { return contains(log(), "the old one stays"); })) << log();
	EXPECT_TRUE(contains(log(), bad + ":2")) << log();
	unlink(bad.c_str());
	outputOf("systemctl reload snapdiffd.service");
	EXPECT_TRUE(comes([&] { return contains(log(), "configuration read again"); })) << log();
	EXPECT_EQ(property("snapdiffd.service", "ActiveState"), "active");
}

TEST(Service, AKilledDaemonIsStartedAgainAndItsHelperComesToItsEnd)
{
	const std::string before = mainPid();
	ASSERT_GT(std::atoi(before.c_str()), 1);
	kill(std::atoi(before.c_str()), SIGKILL);
	EXPECT_TRUE(comes([&] {
		return mainPid() != before && mainPid() != "0" &&
		       property("snapdiffd.service", "ActiveState") == "active";
	}));
	EXPECT_TRUE(comes([] {
		return outputOf("systemctl list-units --failed --plain --no-legend 'snapdiffd*'")
			.empty();
	})) << outputOf("systemctl list-units --all 'snapdiffd*'");
}

// The last one: what it leaves is there when the machine goes down.
TEST(Service, SnapshotsOfMountedOriginsAreLiveWhenTheMachineGoesDown)
{
	outputOf("dmsetup message boot 0 'take down 10000 *'");
	EXPECT_TRUE(contains(outputOf("dmsetup status boot"), " down "))
		<< outputOf("dmsetup status boot");
	outputOf("dd if=/dev/zero of=/home/file bs=64k count=100 conv=fsync");
	outputOf("dd if=/dev/zero of=/srv/file bs=64k count=100 conv=fsync");
	const std::string table =
		outputOf("snapdiff mount down vg0/home /mnt; findmnt -n /mnt; dmsetup status boot");
	std::cout << table << "\n";
	EXPECT_TRUE(contains(outputOf("dmsetup status boot"), " live ")) << table;
}

} // namespace
} // namespace snapdiff::lab
