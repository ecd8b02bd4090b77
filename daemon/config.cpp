// SPDX-License-Identifier: GPL-2.0-or-later
//
// Config: the only file that includes toml++.

#include "config.h"

#include "util/fd.h"
#include "util/text.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <functional>
#include <memory>
#include <span>

#include <dirent.h>
#include <fcntl.h>

namespace {

// toml++ 3.3 is somewhere where by its own assertions it cannot be.
struct ParserFault
{
};

[[noreturn]] void parserFault()
{
	throw ParserFault();
}

} // namespace

// A text that its parser was not made for must not end the daemon, and must not be undefined: its
// assertions stay, in every build, and are an error like any other.
#undef NDEBUG
#define TOML_ASSERT(expr) ((expr) ? static_cast<void>(0) : parserFault())
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace snapdiff::daemon {

std::string_view word(Policy policy)
{
	return policy == Policy::Spread ? "spread" : "in-order";
}

std::optional<uint64_t> Config::lowWaterOf(std::string_view store) const
{
	const auto own = stores.find(store);
	if (own != stores.end() && own->second.lowWater)
		return own->second.lowWater;
	return allStores.lowWater;
}

std::optional<uint64_t> Config::maxSizeOf(std::string_view store) const
{
	const auto own = stores.find(store);
	if (own != stores.end() && own->second.maxSize)
		return own->second.maxSize;
	return allStores.maxSize;
}

uint64_t Config::leaveFreeOf(std::string_view vg) const
{
	const auto own = supply.find(vg);
	return own != supply.end() ? own->second.leaveFree.value_or(leaveFree) : leaveFree;
}

const std::vector<std::string> *Config::ownSuppliesOf(std::string_view store) const
{
	const auto own = stores.find(store);
	return own != stores.end() && own->second.supplies ? &*own->second.supplies : nullptr;
}

unsigned Config::reserveRangesOf(std::string_view store) const
{
	const auto own = stores.find(store);
	return own != stores.end() ? own->second.reserveRanges.value_or(reserveRanges)
				   : reserveRanges;
}

std::optional<uint64_t> Config::minSizeOf(std::string_view store) const
{
	const auto own = stores.find(store);
	if (own != stores.end() && own->second.minSize)
		return own->second.minSize;
	return allStores.minSize;
}

namespace {

constexpr unsigned mostReserve = 64;

// One key: takes the value over, or says what is wrong with it.
using Problem = std::optional<std::string>;

struct Key
{
	std::string_view name;
	std::function<Problem(const toml::node &)> take;
};

class Reader
{
public:
	explicit Reader(std::string file) : file_(std::move(file)) {}

	// Every key of the table must be known and its value good.
	Result<> read(const toml::table &table, std::span<const Key> keys, std::string_view where);

	Error complain(const toml::source_position &at, const std::string &what) const
	{
		return {EINVAL, file_ + ":" + std::to_string(at.line), what};
	}

private:
	std::string file_;
};

Result<> Reader::read(const toml::table &table, std::span<const Key> keys, std::string_view where)
{
	for (const auto &[key, node] : table) {
		const std::string_view name = key.str();
		const Key *known = nullptr;

		for (const Key &candidate : keys)
			if (candidate.name == name)
				known = &candidate;
		const std::string shown = std::string(where) + printable(name);
		if (!known)
			return complain(key.source().begin, "there is no key \"" + shown + "\"");
		if (const Problem problem = known->take(node))
			return complain(node.source().begin, shown + " " + *problem);
	}
	return {};
}

// A size: "256MiB", or a number of bytes.  In sectors.
Problem takeSize(const toml::node &node, uint64_t lowest, uint64_t &sectors)
{
	uint64_t bytes = 0;

	if (const auto number = node.value_exact<int64_t>()) {
		if (*number < 0)
			return "must not be negative";
		bytes = static_cast<uint64_t>(*number);
	} else if (const auto text = node.value_exact<std::string>()) {
		const Result<uint64_t> parsed = parseSize(*text);
		if (!parsed)
			return "is no size (like \"256MiB\"): \"" + printable(*text) + "\"";
		bytes = *parsed;
	} else {
		return "must be a size, like \"256MiB\"";
	}
	if (bytes % sectorSize != 0)
		return "must be a multiple of 512 bytes";
	if (bytes / sectorSize < lowest)
		return "must be at least " + formatSize(bytesOf(lowest));
	sectors = bytes / sectorSize;
	return {};
}

Problem takeOptionalSize(const toml::node &node, uint64_t lowest, std::optional<uint64_t> &sectors)
{
	uint64_t value = 0;
	if (Problem problem = takeSize(node, lowest, value))
		return problem;
	sectors = value;
	return {};
}

Problem takeNumber(const toml::node &node, unsigned lowest, unsigned highest, unsigned &value)
{
	const auto number = node.value_exact<int64_t>();
	if (!number)
		return "must be a whole number";
	if (*number < int64_t{lowest} || *number > int64_t{highest})
		return "must be " + std::to_string(lowest) + " to " + std::to_string(highest);
	value = static_cast<unsigned>(*number);
	return {};
}

Problem takeSeconds(const toml::node &node, unsigned lowest, unsigned highest, unsigned &ms)
{
	unsigned seconds = 0;
	if (Problem problem = takeNumber(node, lowest, highest, seconds))
		return problem;
	ms = seconds * 1000;
	return {};
}

// What LVM allows in the name of a volume group.
bool isVolumeGroupName(std::string_view name)
{
	constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz"
					     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
	return !name.empty() && name.size() < 128 && name[0] != '-' && name != "." &&
	       name != ".." && name.find_first_not_of(allowed) == std::string_view::npos;
}

// The path of a block device, told apart from that of a folder only when it is opened.
bool isDevicePath(std::string_view path)
{
	return path.starts_with("/dev/") && path.size() > 5 && path.size() < 4096 &&
	       printable(path) == path && path.find("/../") == path.npos && path.back() != '/';
}

Problem takeSupplies(const toml::node &node, std::optional<std::vector<std::string>> &supplies)
{
	const toml::array *names = node.as_array();
	if (!names)
		return "must be a list of volume groups and devices, like "
		       "[\"vg0\", \"/dev/sdc\"]";
	std::vector<std::string> taken;
	for (const toml::node &element : *names) {
		const auto name = element.value_exact<std::string>();
		if (name && isDeviceSupply(*name) && !isDevicePath(*name))
			return "holds \"" + printable(*name) +
			       "\", which is no path of a device below /dev";
		if (!name || (!isDeviceSupply(*name) && !isVolumeGroupName(*name)))
			return "holds something that is no name of a volume group";
		for (const std::string &other : taken)
			if (other == *name)
				return "names " + *name + " twice";
		taken.push_back(*name);
	}
	supplies = std::move(taken);
	return {};
}

Problem takePolicy(const toml::node &node, Policy &policy)
{
	const auto text = node.value_exact<std::string>();
	for (const Policy candidate : {Policy::InOrder, Policy::Spread}) {
		if (text && *text == word(candidate)) {
			policy = candidate;
			return {};
		}
	}
	return "must be \"in-order\" or \"spread\"";
}

Problem takeBus(const toml::node &node, std::string &bus)
{
	const auto text = node.value_exact<std::string>();
	if (!text ||
	    (*text != "system" && *text != "session" && text->find(':') == std::string::npos))
		return "must be \"system\", \"session\" or a D-Bus address";
	bus = *text;
	return {};
}

std::vector<Key> keysOfStore(StoreConfig &store)
{
	return {
		{"low_water",
		 [&](const auto &node) { return takeOptionalSize(node, 1, store.lowWater); }},
		{"max_size",
		 [&](const auto &node) { return takeOptionalSize(node, 1, store.maxSize); }},
		{"min_size",
		 [&](const auto &node) { return takeOptionalSize(node, 0, store.minSize); }},
	};
}

std::vector<Key> keysOfOneStore(StoreConfig &store)
{
	std::vector<Key> keys = keysOfStore(store);
	keys.push_back(
		{"supplies", [&](const auto &node) { return takeSupplies(node, store.supplies); }});
	keys.push_back({"reserve_ranges", [&](const auto &node) {
				unsigned ranges = 0;
				Problem problem = takeNumber(node, 1, mostReserve, ranges);
				if (!problem)
					store.reserveRanges = ranges;
				return problem;
			}});
	return keys;
}

Problem takePath(const toml::node &node, std::string &path)
{
	const auto text = node.value_exact<std::string>();
	if (!text || text->empty() || text->find('\n') != std::string::npos || (*text)[0] != '/' ||
	    text->back() == '/')
		return "must be a file's path, from \"/\" on";
	path = *text;
	return {};
}

Problem takeDevice(const toml::node &node, std::string &device)
{
	const auto text = node.value_exact<std::string>();
	if (!text || text->empty() || printable(*text) != *text)
		return "must be a volume, like \"vg0/home\"";
	device = *text;
	return {};
}

Problem takeStoreName(const toml::node &node, std::string &store)
{
	const auto text = node.value_exact<std::string>();
	if (!text || !isName(*text))
		return "must be the name of a store (1 to 64 of A-Z a-z 0-9 _ . + : -)";
	store = *text;
	return {};
}

// [[origin]] tables.  One that is said again, in a later file, replaces the earlier one.
Result<> readOrigins(Reader &reader, const toml::node &node, Config &config)
{
	const toml::array *origins = node.as_array();
	if (!origins)
		return reader.complain(node.source().begin, "origins are tables: [[origin]]");
	for (const toml::node &element : *origins) {
		const toml::table *table = element.as_table();
		OriginConfig origin;
		if (!table)
			return reader.complain(element.source().begin,
					       "origins are tables: [[origin]]");
		const std::vector<Key> keys = {
			{"device", [&](const auto &n) { return takeDevice(n, origin.device); }},
			{"store", [&](const auto &n) { return takeStoreName(n, origin.store); }},
		};
		if (auto done = reader.read(*table, keys, "origin."); !done)
			return done;
		if (origin.device.empty() || origin.store.empty())
			return reader.complain(table->source().begin,
					       "an origin needs \"device\" and \"store\"");
		const auto known = std::find_if(
			config.origins.begin(), config.origins.end(),
			[&](const OriginConfig &other) { return other.device == origin.device; });
		if (known != config.origins.end())
			*known = origin;
		else
			config.origins.push_back(origin);
	}
	return {};
}

// [store.NAME] tables.
Result<> readStores(Reader &reader, const toml::node &node, Config &config)
{
	const toml::table *stores = node.as_table();
	if (!stores)
		return reader.complain(node.source().begin, "store must be tables: [store.NAME]");
	for (const auto &[key, value] : *stores) {
		const std::string name(key.str());
		const toml::table *table = value.as_table();

		if (!isName(name))
			return reader.complain(key.source().begin,
					       "\"" + printable(name) + "\" is no name of a store");
		if (!table)
			return reader.complain(key.source().begin,
					       "store." + name + " must be a table");
		StoreConfig &store = config.stores[name];
		const auto keys = keysOfOneStore(store);
		if (auto done = reader.read(*table, keys, "store." + name + "."); !done)
			return done;
	}
	return {};
}

// [supply."VG"] tables.
Result<> readSupplies(Reader &reader, const toml::node &node, Config &config)
{
	const toml::table *supplies = node.as_table();
	if (!supplies)
		return reader.complain(
			node.source().begin,
			"supply must be tables, [supply.\"VG\"]; the list of them is "
			"called supplies");
	for (const auto &[key, value] : *supplies) {
		const std::string name(key.str());
		const toml::table *table = value.as_table();

		if (isDeviceSupply(name))
			return reader.complain(
				key.source().begin,
				"\"" + printable(name) +
					"\" is a device, which is used whole; there is "
					"nothing to say about it");
		if (!isVolumeGroupName(name))
			return reader.complain(key.source().begin,
					       "\"" + printable(name) +
						       "\" is no name of a volume group");
		if (!table)
			return reader.complain(key.source().begin,
					       "supply." + name + " must be a table");
		SupplyConfig &supply = config.supply[name];
		const Key leaveFree = {"leave_free", [&](const auto &n) {
					       return takeOptionalSize(n, 0, supply.leaveFree);
				       }};
		if (auto done = reader.read(*table, {&leaveFree, 1}, "supply." + name + "."); !done)
			return done;
	}
	return {};
}

// Where each key was said last ("FILE:LINE"), for what can only be judged in the end.
using Places = std::map<std::string, std::string, std::less<>>;

Error complaint(const Places &places, std::string_view key, const std::string &what)
{
	const auto place = places.find(key);
	return Error(EINVAL, place == places.end() ? "configuration" : place->second, what);
}

// What is said about a volume group that nobody uses is a slip of the pen.
Result<> checkSupplies(const Config &config, const Places &places)
{
	const auto names = [](const std::vector<std::string> &list, const std::string &vg) {
		return std::ranges::find(list, vg) != list.end();
	};
	for (const auto &[vg, supply] : config.supply) {
		bool named = !config.supplies || names(*config.supplies, vg);
		for (const auto &[store, own] : config.stores)
			named = named || (own.supplies && names(*own.supplies, vg));
		if (named)
			continue;
		std::string what = "supply.";
		what.append(vg).append(" is in no list of supplies");
		return complaint(places, "supply", what);
	}
	return {};
}

Result<> checkTogether(const Config &config, const Places &places)
{
	if (config.minRangeSize > config.rangeSize)
		return complaint(
			places, places.contains("min_range_size") ? "min_range_size" : "range_size",
			"min_range_size is larger than range_size");
	if (config.rangeSize > config.rangeMaxSize)
		return complaint(
			places, places.contains("range_max_size") ? "range_max_size" : "range_size",
			"range_size is larger than range_max_size");
	if (config.reserveRanges > config.reserveMaxRanges)
		return complaint(places, "reserve_max_ranges",
				 "reserve_ranges is larger than reserve_max_ranges");
	if (!config.origins.empty() && !config.supplies)
		return complaint(places, "origin",
				 "with an origin \"supplies\" must be said too: nothing "
				 "else tells where the space of its store comes from");
	return checkSupplies(config, places);
}

std::vector<Key> keysOf(Config &config)
{
	constexpr uint64_t smallest = sectorsOf(1U << 20);
	std::vector<Key> keys = {
		{"supplies", [&](const auto &n) { return takeSupplies(n, config.supplies); }},
		{"policy", [&](const auto &n) { return takePolicy(n, config.policy); }},
		{"range_size",
		 [&](const auto &n) { return takeSize(n, smallest, config.rangeSize); }},
		{"min_range_size",
		 [&](const auto &n) { return takeSize(n, smallest, config.minRangeSize); }},
		{"range_max_size",
		 [&](const auto &n) { return takeSize(n, smallest, config.rangeMaxSize); }},
		{"range_seconds",
		 [&](const auto &n) { return takeNumber(n, 1, 600, config.rangeSeconds); }},
		{"reserve_ranges",
		 [&](const auto &n) {
			 return takeNumber(n, 1, mostReserve, config.reserveRanges);
		 }},
		{"reserve_max_ranges",
		 [&](const auto &n) {
			 return takeNumber(n, 1, mostReserve, config.reserveMaxRanges);
		 }},
		{"leave_free", [&](const auto &n) { return takeSize(n, 0, config.leaveFree); }},
		{"bus", [&](const auto &n) { return takeBus(n, config.bus); }},
		{"attach_timeout",
		 [&](const auto &n) { return takeSeconds(n, 0, 60, config.attachTimeoutMs); }},
		{"metrics_file", [&](const auto &n) { return takePath(n, config.metricsFile); }},
		{"lvm_timeout",
		 [&](const auto &n) { return takeSeconds(n, 1, 3600, config.lvmTimeoutMs); }},
		{"return_after",
		 [&](const auto &n) { return takeSeconds(n, 1, 3600, config.returnAfterMs); }},
		{"give_back_after",
		 [&](const auto &n) {
			 return takeSeconds(n, 1, 7 * 24 * 3600, config.giveBackAfterMs);
		 }},
	};
	for (Key &key : keysOfStore(config.allStores))
		keys.push_back(std::move(key));
	return keys;
}

// Where a '}' stands instead of an array's next value; from then on toml++ 3.3 knows no more what
// it reads.  npos: nowhere.
size_t strayBrace(std::string_view text)
{
	char quote = 0;
	char before = 0; // the last that is neither a blank nor in a text or comment

	for (size_t i = 0; i < text.size(); i++) {
		const char now = text[i];
		if (quote) {
			if (now == '\\' && quote == '"')
				i++;
			else if (now == quote || now == '\n')
				quote = 0;
		} else if (now == '#') {
			i = std::min(text.find('\n', i), text.size());
		} else if (now == '"' || now == '\'') {
			before = quote = now;
		} else if (now == '}' && (before == '[' || before == ',')) {
			return i;
		} else if (!std::isspace(static_cast<unsigned char>(now))) {
			before = now;
		}
	}
	return text.npos;
}

// What toml++ 3.3 has no answer to but undefined behaviour: a few characters that stand where a
// blank may, and the header of a table whose name begins with none of its characters.  No value
// needs anything but ASCII; in comments the rest is made harmless, and keeps its column.  Control
// characters TOML has none but a tab and the ends of lines.
Result<std::string> harmless(std::string_view text, const Reader &reader)
{
	std::string ascii(text.substr(text.starts_with("\xEF\xBB\xBF") ? 3 : 0));
	toml::source_position at{1, 1};

	for (size_t begin = 0; begin < ascii.size(); at.line++) {
		const size_t end = std::min(ascii.find('\n', begin), ascii.size());
		const size_t comment = std::min(ascii.find('#', begin), end);
		for (size_t i = begin; i < end; i++) {
			const auto code = static_cast<unsigned char>(ascii[i]);
			at.column = static_cast<toml::source_index>(i - begin + 1);
			const bool endsLine = code == '\r' && i + 1 == end && end < ascii.size();
			if (code == 127 || (code < ' ' && code != '\t' && !endsLine))
				return reader.complain(at, "a control character");
			if (code < 128)
				continue;
			if (i < comment)
				return reader.complain(at, "a character that is not ASCII");
			ascii[i] = '?';
		}
		std::string_view line(ascii.data() + begin, end - begin);
		begin = end + 1;
		line = trimmed(line);
		if (!line.starts_with('['))
			continue;
		line = trimmed(line.substr(line.starts_with("[[") ? 2 : 1));
		at.column = 1;
		if (line.empty() || !(std::isalnum(static_cast<unsigned char>(line[0])) ||
				      std::string_view("-_\"']").find(line[0]) != line.npos))
			return reader.complain(at, "the name of a table is missing");
	}
	if (const size_t brace = strayBrace(ascii); brace != ascii.npos) {
		const auto begin = ascii.begin();
		at.line = static_cast<toml::source_index>(
			1 + std::count(begin, begin + static_cast<ptrdiff_t>(brace), '\n'));
		return reader.complain(at, "a \"}\" where a value is missing");
	}
	return ascii;
}

Result<toml::table> parsed(std::string_view text, const std::string &file, const Reader &reader)
{
	try {
		toml::parse_result result = toml::parse(text, file);
		if (!result)
			return reader.complain(result.error().source().begin,
					       std::string(result.error().description()));
		return std::move(result).table();
	} catch (const ParserFault &) {
		return Error(EINVAL, file, "it is no TOML; where, the parser cannot say");
	}
}

// One file, over what the files before it said.
Result<> readOver(Config &config, Places &places, std::string_view text, const std::string &file)
{
	Reader reader(file);

	const Result<std::string> checked = harmless(text, reader);
	if (!checked)
		return checked.error();
	Result<toml::table> read = parsed(*checked, file, reader);
	if (!read)
		return std::move(read).error();
	toml::table table = std::move(*read);
	for (const auto &[key, node] : table)
		places.insert_or_assign(std::string(key.str()),
					file + ":" + std::to_string(key.source().begin.line));
	if (const toml::node *stores = table.get("store")) {
		if (auto done = readStores(reader, *stores, config); !done)
			return done;
		table.erase("store");
	}
	if (const toml::node *supplies = table.get("supply")) {
		if (auto done = readSupplies(reader, *supplies, config); !done)
			return done;
		table.erase("supply");
	}
	if (const toml::node *origins = table.get("origin")) {
		if (auto done = readOrigins(reader, *origins, config); !done)
			return done;
		table.erase("origin");
	}
	return reader.read(table, keysOf(config), "");
}

// When all files were read.
Result<Config> finish(Config config, const Places &places)
{
	// A limit raised or lowered alone moves the other one along.
	if (!places.contains("reserve_max_ranges"))
		config.reserveMaxRanges = 2 * config.reserveRanges;
	if (!places.contains("min_range_size") && config.minRangeSize > config.rangeSize)
		config.minRangeSize = config.rangeSize;
	if (!places.contains("range_max_size"))
		config.rangeMaxSize = 16 * config.rangeSize;
	if (auto done = checkTogether(config, places); !done)
		return std::move(done).error();
	return config;
}

// FOLDER/*.toml by name; a folder that is not there is empty.  Hidden files are left out: an
// editor's copies are no configuration.
Result<std::vector<std::string>> dropIns(const std::string &folder)
{
	std::vector<std::string> files;

	Result<Fd> fd = Fd::openUnnoted(folder, O_DIRECTORY);
	if (!fd && fd.error().errnum() == ENOENT)
		return files;
	if (!fd)
		return Error(fd.error().errnum(), "read " + folder);
	const std::unique_ptr<DIR, int (*)(DIR *)> entries(fdopendir(fd->get()), closedir);
	if (!entries)
		return Error(errno, "read " + folder);
	(void)fd->release(); // closedir() closes it
	errno = 0;
	while (const dirent *entry = readdir(entries.get())) {
		const std::string_view name = entry->d_name;
		if (name.ends_with(".toml") && name[0] != '.')
			files.push_back(folder + "/" + entry->d_name);
		errno = 0;
	}
	if (errno)
		return Error(errno, "read " + folder);
	std::sort(files.begin(), files.end());
	return files;
}

} // namespace

Result<Config> parseConfig(std::string_view text, const std::string &file)
{
	Config config;
	Places places;

	if (auto done = readOver(config, places, text, file); !done)
		return std::move(done).error();
	return finish(std::move(config), places);
}

Result<Config> readConfig(const std::string &path, bool mustExist, std::vector<std::string> *files)
{
	Config config;
	Places places;
	const Result<std::vector<std::string>> more = dropIns(path + ".d");
	std::vector<std::string> all = {path};

	if (!more)
		return more.error();
	all.insert(all.end(), more->begin(), more->end());
	for (const std::string &file : all) {
		const Result<std::string> text = readFile(file);
		if (!text && text.error().errnum() == ENOENT && file == path && !mustExist)
			continue;
		if (!text)
			return text.error();
		if (auto done = readOver(config, places, *text, file); !done)
			return std::move(done).error();
		if (files)
			files->push_back(file);
	}
	return finish(std::move(config), places);
}

} // namespace snapdiff::daemon
