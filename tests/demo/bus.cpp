// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus.h"

#include "trouble.h"

#include <sdbus-c++/sdbus-c++.h>

namespace snapdiff::demo {

namespace {

constexpr const char *manager = "org.snapdiff1.Manager";
constexpr uint32_t all = 0;

using ExtensionRow = sdbus::Struct<uint64_t, uint64_t, std::string, std::string, std::string,
				   uint64_t, uint64_t>;
using EventRow =
	sdbus::Struct<uint64_t, uint64_t, std::string, std::string, std::string, std::string>;
using ProblemRow = sdbus::Struct<std::string, std::string>;

Trouble from(const sdbus::Error &error)
{
	return Trouble("ask snapdiffd on D-Bus: " + error.getMessage());
}

} // namespace

struct Bus::Proxy
{
	std::unique_ptr<sdbus::IConnection> connection;
	std::unique_ptr<sdbus::IProxy> daemon;

	sdbus::Variant property(const std::string &name)
	{
		return daemon->getProperty(name).onInterface(manager);
	}
};

Bus::Bus() : proxy_(std::make_unique<Proxy>())
{
	try {
		proxy_->connection = sdbus::createSystemBusConnection();
		proxy_->daemon =
			sdbus::createProxy(*proxy_->connection, "org.snapdiff1", "/org/snapdiff1");
	} catch (const sdbus::Error &error) {
		throw from(error);
	}
}

Bus::~Bus() = default;

bool Bus::daemonAnswers()
{
	try {
		return !proxy_->property("Version").get<std::string>().empty();
	} catch (const sdbus::Error &) {
		return false;
	}
}

Reserve Bus::reserve()
{
	try {
		Reserve reserve;
		reserve.ranges = proxy_->property("ReserveRanges").get<uint32_t>();
		reserve.wanted = proxy_->property("ReserveWanted").get<uint32_t>();
		reserve.sectors = proxy_->property("ReserveSectors").get<uint64_t>();
		for (const ProblemRow &row :
		     proxy_->property("Problems").get<std::vector<ProblemRow>>())
			reserve.problems.push_back(std::get<0>(row) + ": " + std::get<1>(row));
		return reserve;
	} catch (const sdbus::Error &error) {
		throw from(error);
	}
}

std::vector<Extension> Bus::extensions()
{
	std::vector<ExtensionRow> rows;
	std::vector<Extension> extensions;
	try {
		proxy_->daemon->callMethod("RecentExtensions")
			.onInterface(manager)
			.withArguments(all)
			.storeResultsTo(rows);
	} catch (const sdbus::Error &error) {
		throw from(error);
	}
	for (const ExtensionRow &row : rows)
		extensions.push_back({std::get<0>(row), std::get<2>(row), std::get<3>(row),
				      std::get<4>(row), std::get<5>(row), std::get<6>(row)});
	return extensions;
}

std::vector<DaemonEvent> Bus::events()
{
	std::vector<EventRow> rows;
	std::vector<DaemonEvent> events;
	try {
		proxy_->daemon->callMethod("RecentEvents")
			.onInterface(manager)
			.withArguments(all)
			.storeResultsTo(rows);
	} catch (const sdbus::Error &error) {
		throw from(error);
	}
	for (const EventRow &row : rows)
		events.push_back({std::get<2>(row), std::get<3>(row), std::get<5>(row)});
	return events;
}

} // namespace snapdiff::demo
