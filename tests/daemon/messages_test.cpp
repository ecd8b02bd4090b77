// SPDX-License-Identifier: GPL-2.0-or-later
//
// The journal's messages: each kind has an id, each id an explanation, and the daemon says no
// kind that has none.

#include "message_ids.h"

#include "util/fd.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>

namespace snapdiff::daemon {
namespace {

std::string sourceFile(const std::string &path)
{
	const auto text = readFile(std::string(SNAPDIFF_SOURCE) + "/" + path);
	EXPECT_TRUE(text) << path;
	return text ? *text : "";
}

// id -> all that the catalog says of it.
std::map<std::string, std::string> catalog()
{
	const std::string text = sourceFile("daemon/snapdiff.catalog");
	static const std::regex head("(?:^|\\n)-- ([0-9a-f]{32})\\n");
	std::map<std::string, std::string> entries;
	std::sregex_iterator at(text.begin(), text.end(), head);
	for (const std::sregex_iterator end; at != end;) {
		const std::string id = (*at)[1];
		const auto begin = static_cast<size_t>(at->position() + at->length());
		++at;
		const size_t stop = at == end ? text.size() : static_cast<size_t>(at->position());
		EXPECT_FALSE(entries.contains(id)) << id << " comes twice";
		entries[id] = text.substr(begin, stop - begin);
	}
	return entries;
}

// Whatever stands in the daemon's sources where a kind of event is named.
std::set<std::string> kindsSaid()
{
	static const std::regex patterns[] = {
		std::regex("event\\(\\s*(?:model::)?Severity::[A-Za-z]+,\\s*\"([a-z-]+)\""),
		std::regex("(?:idField|messageId)\\(\"([a-z-]+)\"\\)"),
		std::regex(
			"\\{Severity::[A-Za-z]+,\\s*(?:waited \\? \"released\" : )?\"([a-z-]+)\""),
	};
	std::set<std::string> kinds;
	for (const auto &entry :
	     std::filesystem::directory_iterator(std::string(SNAPDIFF_SOURCE) + "/daemon")) {
		if (entry.path().extension() != ".cpp")
			continue;
		const auto text = readFile(entry.path());
		for (const std::regex &pattern : patterns)
			for (std::sregex_iterator at(text->begin(), text->end(), pattern), end;
			     at != end; ++at)
				kinds.insert((*at)[1]);
	}
	return kinds;
}

TEST(Messages, EveryIdIsA128BitNumberOfItsOwn)
{
	static const std::regex number("[0-9a-f]{32}");
	std::set<std::string> ids;
	std::set<std::string> words;
	for (const MessageId &message : messageIds) {
		const std::string id(message.id);
		EXPECT_TRUE(std::regex_match(id, number)) << message.word;
		EXPECT_TRUE(ids.insert(id).second) << message.word;
		EXPECT_TRUE(words.insert(std::string(message.word)).second) << message.word;
	}
}

TEST(Messages, EveryIdHasAnExplanationWithCauseAndNextStepAndNoneIsLeftOver)
{
	auto entries = catalog();
	for (const MessageId &message : messageIds) {
		const auto entry = entries.find(std::string(message.id));
		ASSERT_NE(entry, entries.end()) << message.word;
		EXPECT_EQ(entry->second.substr(0, 9), "Subject: ") << message.word;
		EXPECT_NE(entry->second.find("\n\nCause: "), std::string::npos) << message.word;
		EXPECT_NE(entry->second.find("\n\nNext step: "), std::string::npos) << message.word;
		entries.erase(entry);
	}
	EXPECT_TRUE(entries.empty()) << entries.begin()->first;
}

TEST(Messages, EveryKindThatTheDaemonSaysHasAnId)
{
	const std::set<std::string> said = kindsSaid();
	for (const char *kind : {"extended", "held", "reserve", "store-added", "started"})
		EXPECT_TRUE(said.contains(kind))
			<< kind << " is not found any more: mend this test";
	for (const std::string &kind : said)
		EXPECT_FALSE(messageId(kind).empty())
			<< kind << " needs an id in message_ids.h and a text in snapdiff.catalog";
}

TEST(Messages, WhatIsWrongIsExplainedBySubject)
{
	EXPECT_EQ(wordOfTrouble("lvm"), "wrong-lvm");
	EXPECT_EQ(wordOfTrouble("supply vg0"), "wrong-supply");
	EXPECT_EQ(wordOfTrouble("range vg0/x"), "wrong-range");
	EXPECT_EQ(wordOfTrouble("metrics"), "wrong-metrics");
	EXPECT_EQ(wordOfTrouble("low-water mark of a"), "wrong-low-water");
	EXPECT_EQ(wordOfTrouble("anything else"), "wrong");
	for (const char *subject :
	     {"lvm", "supply v", "range v", "store s", "kernel module", "D-Bus", "device-mapper",
	      "configuration", "lock memory", "else"})
		EXPECT_FALSE(messageId(wordOfTrouble(subject)).empty()) << subject;
	EXPECT_TRUE(messageId("nonsense").empty());
}

} // namespace
} // namespace snapdiff::daemon
