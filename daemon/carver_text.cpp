// SPDX-License-Identifier: GPL-2.0-or-later
//
// Carver: text form of requests and replies.  Words are separated by tabs; an empty
// word stands for nothing.

#include "carver.h"

#include "util/text.h"

#include <array>
#include <cerrno>
#include <climits>

namespace snapdiff::daemon {

namespace {

struct KindWord
{
	CarverRequest::Kind kind;
	std::string_view word;
};

constexpr std::array<KindWord, 5> kindWords = {{
	{CarverRequest::Kind::Volumes, "volumes"},
	{CarverRequest::Kind::Supplies, "supplies"},
	{CarverRequest::Kind::Carve, "carve"},
	{CarverRequest::Kind::Remove, "remove"},
	{CarverRequest::Kind::Prove, "prove"},
}};

// A word on the socket: without what separates words and lines.
std::string clean(std::string_view text)
{
	return printable(text);
}

template<class... Words>
std::string joined(const Words &...words)
{
	std::string line;
	((line += words, line += '\t'), ...);
	line.back() = '\n';
	return line;
}

std::vector<std::string_view> splitTabs(std::string_view line)
{
	std::vector<std::string_view> words;
	for (size_t at = 0; at <= line.size();) {
		const size_t end = std::min(line.find('\t', at), line.size());
		words.push_back(line.substr(at, end - at));
		at = end + 1;
	}
	return words;
}

std::string format(const Disks &disks)
{
	std::string text;
	for (const dm::DeviceNumber disk : disks.all())
		text += (text.empty() ? "" : ",") + disk.text();
	return text;
}

bool parse(std::string_view text, Disks &disks)
{
	while (!text.empty()) {
		const size_t end = std::min(text.find(','), text.size());
		const auto disk = dm::DeviceNumber::parse(text.substr(0, end));
		if (!disk)
			return false;
		disks.add(*disk);
		text.remove_prefix(std::min(end + 1, text.size()));
	}
	return true;
}

bool parse(std::string_view text, uint64_t &number)
{
	const auto parsed = parseNumber(text);
	number = parsed.value_or(0);
	return parsed.has_value();
}

bool parse(std::string_view text, bool &flag)
{
	flag = text == "1";
	return text == "0" || text == "1";
}

std::string digit(bool flag)
{
	return flag ? "1" : "0";
}

using Words = std::vector<std::string_view>;

bool parseVolume(const Words &words, CarverReply &reply)
{
	CarvedVolume volume;
	if (words.size() != 8 || !parse(words[3], volume.sectors) ||
	    !parse(words[4], volume.ours) || !parse(words[6], volume.disks) ||
	    !parse(words[7], volume.partial))
		return false;
	volume.vg = words[1];
	volume.lv = words[2];
	if (!words[5].empty()) {
		volume.number = dm::DeviceNumber::parse(words[5]);
		if (!volume.number)
			return false;
	}
	reply.volumes.push_back(std::move(volume));
	return true;
}

bool parseGroup(const Words &words, CarverReply &reply)
{
	SupplyGroup group;
	if (words.size() != 6 || !parse(words[2], group.size) || !parse(words[3], group.free) ||
	    !parse(words[4], group.extent) || !parse(words[5], group.partial))
		return false;
	group.vg = words[1];
	reply.groups.push_back(std::move(group));
	return true;
}

bool parseDisk(const Words &words, CarverReply &reply)
{
	SupplyDisk disk;
	if (words.size() != 5 || !parse(words[3], disk.free) || !parse(words[4], disk.disks))
		return false;
	disk.pv = words[1];
	disk.vg = words[2];
	reply.disks.push_back(std::move(disk));
	return true;
}

} // namespace

std::string format(const CarverRequest &request)
{
	std::string_view kind;
	for (const KindWord &known : kindWords)
		if (known.kind == request.kind)
			kind = known.word;
	return joined(kind, clean(request.vg), clean(request.lv), std::to_string(request.sectors),
		      clean(request.pv));
}

Result<CarverRequest> parseRequest(std::string_view line)
{
	const Words words = splitTabs(line);
	CarverRequest request;

	for (const KindWord &known : kindWords) {
		if (words.size() != 5 || words[0] != known.word)
			continue;
		request.kind = known.kind;
		request.vg = words[1];
		request.lv = words[2];
		request.pv = words[4];
		if (parse(words[3], request.sectors))
			return request;
	}
	return Error(EPROTO, "read a request to the carver", "malformed: " + printable(line));
}

std::string format(const CarverReply &reply)
{
	std::string text;

	for (const CarvedVolume &volume : reply.volumes)
		text += joined("volume", clean(volume.vg), clean(volume.lv),
			       std::to_string(volume.sectors), digit(volume.ours),
			       volume.number ? volume.number->text() : std::string(),
			       format(volume.disks), digit(volume.partial));
	for (const SupplyGroup &group : reply.groups)
		text += joined("group", clean(group.vg), std::to_string(group.size),
			       std::to_string(group.free), std::to_string(group.extent),
			       digit(group.partial));
	for (const SupplyDisk &disk : reply.disks)
		text += joined("disk", clean(disk.pv), clean(disk.vg), std::to_string(disk.free),
			       format(disk.disks));
	if (reply.ok())
		return text + "done\n";
	return text + joined("failed", std::to_string(reply.errnum), clean(reply.why));
}

Result<std::optional<CarverReply>> ReplyReader::line(std::string_view line)
{
	const Words words = splitTabs(line);
	bool good = false;

	if (words[0] == "volume")
		good = parseVolume(words, reply_);
	else if (words[0] == "group")
		good = parseGroup(words, reply_);
	else if (words[0] == "disk")
		good = parseDisk(words, reply_);
	if (good)
		return std::optional<CarverReply>();

	uint64_t errnum = 0;
	if (words[0] == "failed" && words.size() == 3 && parse(words[1], errnum) && errnum &&
	    errnum <= INT_MAX) {
		reply_.errnum = static_cast<int>(errnum);
		reply_.why = words[2];
		good = true;
	}
	CarverReply whole = std::exchange(reply_, {});
	if (good || (words[0] == "done" && words.size() == 1))
		return std::optional(std::move(whole));
	return Error(EPROTO, "read what the carver says", "malformed: " + printable(line));
}

} // namespace snapdiff::daemon
