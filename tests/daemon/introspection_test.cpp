// SPDX-License-Identifier: GPL-2.0-or-later
//
// org.snapdiff1.xml is the contract: what the daemon offers on the bus is that and
// nothing else, and the bus lets all of it through.

#include "bus.h"
#include "bus_client.h"
#include "fake_worker.h"
#include "loop.h"
#include "private_bus.h"
#include "told.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace snapdiff::daemon {
namespace {

std::string fileText(const char *path)
{
	std::ostringstream text;
	text << std::ifstream(path).rdbuf();
	return text.str();
}

struct Tag
{
	std::string name; // "/method" when it closes
	std::map<std::string, std::string> attributes;
	bool isWhole = false; // <x/>
};

Tag parseTag(const std::string &inner)
{
	Tag tag;
	size_t at = inner.find_first_of(" \t\n/", 1);
	tag.name = inner.substr(0, at);
	tag.isWhole = inner.ends_with('/');
	while (at < inner.size() && (at = inner.find('=', at)) != inner.npos) {
		const size_t begin = inner.find_last_of(" \t\n", at) + 1;
		const size_t open = at + 1;
		const size_t close = inner.find(inner[open], open + 1);
		tag.attributes[inner.substr(begin, at - begin)] =
			inner.substr(open + 1, close - open - 1);
		at = close + 1;
	}
	return tag;
}

std::vector<Tag> parseTags(const std::string &text)
{
	std::vector<Tag> tags;
	for (size_t at = 0; (at = text.find('<', at)) != text.npos;) {
		if (text.compare(at, 4, "<!--") == 0) {
			at = text.find("-->", at);
			continue;
		}
		const size_t end = text.find('>', at);
		if (text[at + 1] != '!' && text[at + 1] != '?')
			tags.push_back(parseTag(text.substr(at + 1, end - at - 1)));
		at = end;
	}
	return tags;
}

// "org.snapdiff1.Store method Take(in s snapshot, ...)", one for each member of the
// interfaces of ours.
std::set<std::string> membersIn(const std::string &xml)
{
	std::set<std::string> members;
	std::string interface;
	std::string member;

	for (const Tag &tag : parseTags(xml)) {
		const auto value = [&](const char *name) {
			const auto found = tag.attributes.find(name);
			return found == tag.attributes.end() ? std::string() : found->second;
		};
		if (tag.name == "interface")
			interface = value("name");
		if (!interface.starts_with("org.snapdiff1."))
			continue;
		if (tag.name == "property")
			members.insert(interface + " property " + value("type") + " " +
				       value("name") + " " + value("access"));
		if (tag.name == "method" || tag.name == "signal") {
			member = interface + " " + tag.name + " " + value("name");
			if (tag.isWhole)
				members.insert(member);
		}
		if (tag.name == "arg") {
			const std::string direction = value("direction") == "in" ? " in " : " out ";
			member += direction + value("type") + " " + value("name");
		}
		if (tag.name == "/method" || tag.name == "/signal")
			members.insert(member);
	}
	return members;
}

class Introspection : public testing::Test
{
protected:
	void SetUp() override
	{
		bus = std::make_unique<Bus>(
			server.address, Bus::Parts{none.told, events, extensions, none.requests});
		bus->publish(makePicture());
		client = std::make_unique<BusClient>(server.address, geteuid());
	}
	std::string introspect(const char *path)
	{
		std::shared_ptr<Reply> reply;
		const int64_t end = monotonicNs() + 10'000'000'000;
		while (monotonicNs() < end && !(reply && reply->good())) {
			bus->process(monotonicNs());
			client->process();
			// The name may not be there yet.
			if (!client->name().empty() && (!reply || reply->done))
				reply = client->call(false, path,
						     "org.freedesktop.DBus.Introspectable",
						     "Introspect", "");
			usleep(500);
			client->process();
		}
		const char *text = nullptr;
		if (!reply || !reply->good() ||
		    sd_bus_message_read(reply->message, "s", &text) <= 0) {
			ADD_FAILURE() << "no introspection of " << path;
			return {};
		}
		return text;
	}

	PrivateBus server;
	NoRequests none;
	Ring<Event> events;
	Ring<Extension> extensions;
	std::unique_ptr<Bus> bus;
	std::unique_ptr<BusClient> client;
};

TEST_F(Introspection, WhatIsOfferedIsTheContract)
{
	std::set<std::string> offered = membersIn(introspect("/org/snapdiff1"));
	offered.merge(membersIn(introspect("/org/snapdiff1/store/a_2eb_2d1")));
	const std::set<std::string> contract = membersIn(fileText(SNAPDIFF_INTERFACE));
	EXPECT_GT(contract.size(), 60U);
	EXPECT_TRUE(contract.contains("org.snapdiff1.Store method Delete in s snapshot "
				      "in a{sv} options"));
	for (const std::string &member : contract)
		EXPECT_TRUE(offered.contains(member)) << "not offered: " << member;
	for (const std::string &member : offered)
		EXPECT_TRUE(contract.contains(member)) << "not in the contract: " << member;
}

TEST_F(Introspection, TheBusLetsEveryMethodThrough)
{
	std::set<std::string> allowed;
	for (const Tag &tag : parseTags(fileText(SNAPDIFF_BUS_CONF))) {
		if (tag.name == "allow" && tag.attributes.contains("send_member"))
			allowed.insert(tag.attributes.at("send_interface") + " " +
				       tag.attributes.at("send_member"));
	}
	std::set<std::string> methods;
	std::string interface;
	for (const Tag &tag : parseTags(fileText(SNAPDIFF_INTERFACE))) {
		if (tag.name == "interface")
			interface = tag.attributes.at("name");
		if (tag.name == "method")
			methods.insert(interface + " " + tag.attributes.at("name"));
	}
	methods.insert("org.freedesktop.DBus.Properties Get");
	methods.insert("org.freedesktop.DBus.Properties GetAll");
	EXPECT_EQ(allowed, methods);
}

} // namespace
} // namespace snapdiff::daemon
