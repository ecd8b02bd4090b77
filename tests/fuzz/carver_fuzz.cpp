// SPDX-License-Identifier: GPL-2.0-or-later
// What daemon and carver say to each other: what was understood, said again, is understood as the
// same.
#include "carver.h"
#include "input.h"

using namespace snapdiff::daemon;

namespace {

// The last reply in the text, if it has a whole one; lines as the socket's reader cuts them.
std::optional<CarverReply> readReply(std::string_view text)
{
	ReplyReader reader;

	while (!text.empty()) {
		const size_t end = std::min(text.find('\n'), text.size());
		auto reply = reader.line(text.substr(0, end));
		if (!reply) {
			REQUIRE(!reply.error().message().empty());
			return std::nullopt;
		}
		if (*reply)
			return **reply;
		text.remove_prefix(std::min(end + 1, text.size()));
	}
	return std::nullopt;
}

// What is said has no line breaks, tabs and the like: compare what has been said once.
void checkReply(std::string_view text)
{
	const auto reply = readReply(text);
	if (!reply)
		return;
	REQUIRE(reply->ok() || reply->errnum > 0);
	const auto said = readReply(format(*reply));
	REQUIRE(said);
	REQUIRE(said->errnum == reply->errnum && said->volumes.size() == reply->volumes.size());
	REQUIRE(said->groups.size() == reply->groups.size());
	REQUIRE(said->disks.size() == reply->disks.size());
	const auto again = readReply(format(*said));
	REQUIRE(again);
	REQUIRE(*again == *said);
}

void checkRequest(std::string_view line)
{
	const auto request = parseRequest(line);
	if (!request) {
		REQUIRE(!request.error().message().empty());
		return;
	}
	std::string said = format(*request);
	REQUIRE(!said.empty() && said.back() == '\n');
	said.pop_back();
	const auto again = parseRequest(said);
	REQUIRE(again);
	REQUIRE(again->kind == request->kind && again->sectors == request->sectors);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input input(bytes, size);

	if (input.flag())
		checkRequest(input.rest());
	else
		checkReply(input.rest());
	return 0;
}
