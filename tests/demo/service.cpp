// SPDX-License-Identifier: GPL-2.0-or-later
#include "service.h"

#include "console.h"
#include "trouble.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

namespace snapdiff::demo {

namespace {

constexpr auto pause = std::chrono::milliseconds(100);
constexpr int patienceSeconds = 60;

// Small ranges, so that a small demo needs many; taken from both volume groups in turn.
constexpr const char *configuration = "supplies = [\"vg0\", \"vg1\"]\n"
				      "policy = \"spread\"\n"
				      "range_size = \"52MiB\"\n"
				      "range_max_size = \"52MiB\"\n"
				      "reserve_ranges = 6\n"
				      "low_water = \"24MiB\"\n";

// Calls ready() until it says true.
template<class Ready>
void waitFor(const std::string &what, Ready ready)
{
	const double until = elapsed() + patienceSeconds;
	while (!ready()) {
		if (elapsed() > until)
			throw Trouble("no " + what + " within " + std::to_string(patienceSeconds) +
				      " s");
		std::this_thread::sleep_for(pause);
	}
}

void writeConfiguration()
{
	std::filesystem::create_directories("/etc/snapdiff");
	std::ofstream file("/etc/snapdiff/snapdiffd.toml");
	file << configuration;
	if (!file.flush())
		throw Trouble("write /etc/snapdiff/snapdiffd.toml: it cannot be written");
}

// Qt complains of one that others can read.
std::string privateFolder()
{
	const std::string folder = "/run/snapdiff-demo";
	std::filesystem::create_directories(folder);
	std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
	return folder;
}

bool startsLikePng(const std::string &path)
{
	char begin[8] = {};
	std::ifstream(path, std::ios::binary).read(begin, sizeof(begin));
	return std::string(begin, sizeof(begin)) == "\x89PNG\r\n\x1a\n";
}

} // namespace

Service::Service(const std::string &results)
{
	writeConfiguration();
	std::filesystem::create_directories("/run/dbus");
	run({"dbus-uuidgen", "--ensure"});
	busDaemon_ = std::make_unique<Background>(
		Words{"dbus-daemon", "--system", "--nofork", "--nopidfile"},
		results + "/dbus-daemon.log");
	waitFor("D-Bus", [] { return std::filesystem::exists("/run/dbus/system_bus_socket"); });
	daemon_ = std::make_unique<Background>(Words{"snapdiffd"}, results + "/snapdiffd.log");
	bus_ = std::make_unique<Bus>();
	waitFor("answer of snapdiffd", [&] {
		if (daemon_->ended())
			throw Trouble("snapdiffd ended with status " +
				      std::to_string(daemon_->status()) + "; see snapdiffd.log");
		return bus_->daemonAnswers();
	});
}

Reserve Service::waitForReserve()
{
	waitFor("full reserve of snapdiffd", [&] {
		const Reserve reserve = bus_->reserve();
		return reserve.ranges >= reserve.wanted && reserve.wanted > 0;
	});
	return bus_->reserve();
}

void Service::release()
{
	busDaemon_->release();
	daemon_->release();
}

Picture::Picture(const std::string &results, const std::string &name)
	: results_(results), name_(name),
	  gui_({"snapdiff-gui", "--screenshot", results + "/" + name, "--after", "4000", "--size",
		"1280x800"},
	       results + "/snapdiff-gui.log",
	       {"QT_QPA_PLATFORM=offscreen", "HOME=/root", "XDG_RUNTIME_DIR=" + privateFolder()})
{
}

std::string Picture::finish()
{
	const int status = gui_.wait();
	if (status != 0)
		return "snapdiff-gui ended with status " + std::to_string(status) +
		       "; see snapdiff-gui.log";
	if (!startsLikePng(results_ + "/" + name_))
		return name_ + " is no PNG file";
	return {};
}

} // namespace snapdiff::demo
