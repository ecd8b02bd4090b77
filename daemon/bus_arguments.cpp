// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bus arguments: what a method of org.snapdiff1 was given, checked and made an
// operation.

#include "bus_arguments.h"

#include "dm/names.h"
#include "util/text.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

namespace snapdiff::daemon {

namespace {

constexpr size_t mostObjects = 64;
constexpr size_t longestPath = 255;
constexpr uint64_t mostSectors = uint64_t{1} << 53; // an exabyte is 2^51 of them
constexpr unsigned longestTakeMs = 60000;
constexpr uint64_t smallestChunk = 8; // sectors
constexpr uint64_t largestChunk = 2048;
constexpr unsigned mostRanges = 64;

Error invalid(std::string doing, std::string why)
{
	return Error(EINVAL, std::move(doing), std::move(why)).as(ErrorKind::Usage);
}

Result<> checkName(const char *what, const std::string &text)
{
	if (isName(text))
		return {};
	return invalid(std::string(what) + " \"" + printable(text) + "\"",
		       "a name is 1 to 64 of A-Z a-z 0-9 _ . + : - and does not begin with -");
}

// As LVM allows them.
Result<> checkGroup(const std::string &text)
{
	constexpr size_t longest = 127;
	const auto legal = [](char c) {
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		       c == '+' || c == '_' || c == '.' || c == '-';
	};

	if (!text.empty() && text.size() <= longest && text.front() != '-' && text != "." &&
	    text != ".." && std::all_of(text.begin(), text.end(), legal))
		return {};
	return invalid("volume group \"" + printable(text) + "\"",
		       "a name is 1 to 127 of A-Z a-z 0-9 _ . + - and does not begin with -");
}

// A device below /dev, and not where everybody may put links.
Result<> checkDevice(const std::string &text)
{
	const bool legal = text.starts_with("/dev/") && text.size() <= longestPath &&
			   !text.starts_with("/dev/shm/") && !text.starts_with("/dev/mqueue/") &&
			   text.find("/../") == text.npos && !text.ends_with("/..") &&
			   text.find("//") == text.npos && text.find("/./") == text.npos &&
			   printable(text) == text;
	if (legal)
		return {};
	return invalid("device \"" + printable(text) + "\"",
		       "it is no path of a device: /dev/..., without \"..\"");
}

template<class Check>
Result<> checkAll(const char *what, const std::vector<std::string> &texts, Check check)
{
	if (texts.size() > mostObjects)
		return invalid(what, "more than " + std::to_string(mostObjects) + " are given");
	for (size_t i = 0; i < texts.size(); i++) {
		if (Result<> done = check(texts[i]); !done)
			return done;
		if (std::find(texts.begin(), texts.begin() + static_cast<ptrdiff_t>(i), texts[i]) !=
		    texts.begin() + static_cast<ptrdiff_t>(i))
			return invalid(std::string(what) + " " + texts[i], "it is given twice");
	}
	return {};
}

Result<> checkOrigins(const std::vector<std::string> &origins)
{
	return checkAll("origins", origins,
			[](const std::string &text) { return checkName("origin", text); });
}

// Takes the options one after the other; the first thing that is wrong stays.
class Options
{
public:
	Options(const char *method, const BusOptions &given) : method_(method), given_(given) {}

	template<class Value>
	bool take(const char *key, Value &value)
	{
		known_.emplace_back(key);
		const auto found = given_.find(key);
		if (found == given_.end() || error_)
			return false;
		if (!found->second.containsValueOfType<Value>()) {
			fail(key,
			     std::string("its type is not ") + sdbus::signature_of<Value>::str());
			return false;
		}
		value = found->second.get<Value>();
		return true;
	}
	void takeNumber(const char *key, uint64_t &value, uint64_t least, uint64_t greatest)
	{
		if (take(key, value) && (value < least || value > greatest))
			failRange(key, least, greatest);
	}
	void takeNumber(const char *key, unsigned &value, unsigned least, unsigned greatest)
	{
		uint32_t number = value;
		if (take(key, number) && (number < least || number > greatest))
			failRange(key, least, greatest);
		value = number;
	}
	void takeName(const char *key, std::string &value)
	{
		if (take(key, value))
			check(checkName(key, value));
	}
	void check(Result<> done)
	{
		if (!done && !error_)
			error_ = std::move(done).error();
	}
	void fail(const std::string &key, std::string why)
	{
		if (!error_)
			error_ = invalid(std::string(method_) + ": option " + printable(key),
					 std::move(why));
	}

	// What is left over is unknown.
	Result<> finish()
	{
		for (const auto &[key, value] : given_) {
			if (std::find(known_.begin(), known_.end(), key) == known_.end())
				failUnknown(key);
		}
		if (error_)
			return std::move(*error_);
		return {};
	}

private:
	void failRange(const char *key, uint64_t least, uint64_t greatest)
	{
		fail(key, "it must be from " + std::to_string(least) + " to " +
				  std::to_string(greatest));
	}
	void failUnknown(const std::string &key)
	{
		std::string list;
		for (const std::string &known : known_)
			list += (list.empty() ? "" : ", ") + known;
		fail(key, "there is no such option");
		error_ = std::move(*error_).advise(list.empty() ? "The method has no options."
								: "Its options are: " + list + ".");
	}

	const char *method_;
	const BusOptions &given_;
	std::vector<std::string> known_;
	std::optional<Error> error_;
};

void takeSupply(Options &options, Operation &operation)
{
	if (options.take("volume-groups", operation.vgs))
		options.check(checkAll("volume-groups", operation.vgs, checkGroup));
	if (options.take("devices", operation.devices))
		options.check(checkAll("devices", operation.devices, checkDevice));
	options.takeNumber("size", operation.size, 1, mostSectors);
}

void takeStore(Options &options, Operation &operation)
{
	if (options.take("store", operation.store))
		options.check(dm::checkStoreName(operation.store));
	takeSupply(options, operation);
	if (options.take("chunk", operation.chunk) &&
	    (!std::has_single_bit(operation.chunk) || operation.chunk < smallestChunk ||
	     operation.chunk > largestChunk))
		options.fail("chunk", "it must be a power of two from 8 to 2048 sectors");
}

void takeTake(Options &options, Operation &operation)
{
	options.take("freeze", operation.freeze);
	options.takeNumber("timeout-ms", operation.timeoutMs, 1, longestTakeMs);
}

Result<Operation> finished(Options &options, Operation operation)
{
	if (Result<> done = options.finish(); !done)
		return std::move(done).error();
	return operation;
}

Result<Operation> ofSnapshot(Operation::Verb verb, const std::string &store,
			     const std::string &snapshot)
{
	if (Result<> done = checkName("snapshot", snapshot); !done)
		return std::move(done).error();
	Operation operation;
	operation.verb = verb;
	operation.store = store;
	operation.snapshot = snapshot;
	return operation;
}

Result<Operation> ofOrigins(Operation::Verb verb, std::vector<std::string> origins)
{
	if (origins.empty())
		return invalid(std::string(word(verb)), "no origin is given");
	if (Result<> done = checkOrigins(origins); !done)
		return std::move(done).error();
	Operation operation;
	operation.verb = verb;
	operation.origins = std::move(origins);
	return operation;
}

} // namespace

Result<Operation> attachOperation(std::vector<std::string> origins, const BusOptions &given)
{
	Result<Operation> operation = ofOrigins(Operation::Verb::Attach, std::move(origins));
	if (!operation)
		return operation;
	Options options("Attach", given);
	takeStore(options, *operation);
	return finished(options, std::move(*operation));
}

Result<Operation> detachOperation(const std::string &origin, const BusOptions &given)
{
	Result<Operation> operation = ofOrigins(Operation::Verb::Detach, {origin});
	if (!operation)
		return operation;
	Options options("Detach", given);
	options.take("force", operation->force);
	return finished(options, std::move(*operation));
}

Result<Operation> createOperation(std::vector<std::string> origins, const BusOptions &given)
{
	Result<Operation> operation = ofOrigins(Operation::Verb::Create, std::move(origins));
	if (!operation)
		return operation;
	Options options("Create", given);
	options.takeName("snapshot", operation->snapshot);
	takeStore(options, *operation);
	takeTake(options, *operation);
	return finished(options, std::move(*operation));
}

Result<Operation> reloadOperation(const BusOptions &given)
{
	Options options("Reload", given);
	return finished(options, Operation());
}

Result<Operation> takeOperation(const std::string &store, const std::string &snapshot,
				std::vector<std::string> origins, const BusOptions &given)
{
	Operation operation;
	operation.verb = Operation::Verb::Take;
	operation.store = store;
	operation.snapshot = snapshot;
	if (Result<> done = snapshot.empty() ? Result<>() : checkName("snapshot", snapshot); !done)
		return std::move(done).error();
	if (Result<> done = checkOrigins(origins); !done)
		return std::move(done).error();
	operation.origins = std::move(origins);
	Options options("Take", given);
	takeTake(options, operation);
	return finished(options, std::move(operation));
}

Result<Operation> deleteOperation(const std::string &store, const std::string &snapshot,
				  const BusOptions &given)
{
	Result<Operation> operation = ofSnapshot(Operation::Verb::Delete, store, snapshot);
	if (!operation)
		return operation;
	Options options("Delete", given);
	return finished(options, std::move(*operation));
}

Result<Operation> extendOperation(const std::string &store, const BusOptions &given)
{
	Operation operation;
	operation.verb = Operation::Verb::Extend;
	operation.store = store;
	Options options("Extend", given);
	takeSupply(options, operation);
	options.takeNumber("ranges", operation.ranges, 1, mostRanges);
	if (Result<> done = options.finish(); !done)
		return std::move(done).error();
	const bool fromOutside = !operation.vgs.empty() || !operation.devices.empty();
	if (operation.vgs.empty() != (operation.size == 0))
		return invalid("Extend", "volume-groups and size go together");
	if (fromOutside && operation.ranges > 0)
		return invalid("Extend", "ranges of the reserve are a request of their own");
	if (!fromOutside && operation.ranges == 0)
		operation.ranges = 1;
	return operation;
}

Result<Operation> removeOperation(const std::string &store, const BusOptions &given)
{
	Operation operation;
	operation.verb = Operation::Verb::Remove;
	operation.store = store;
	Options options("Remove", given);
	return finished(options, std::move(operation));
}

Result<Operation> mountOperation(const std::string &store, const std::string &snapshot,
				 const BusOptions &given)
{
	Result<Operation> operation = ofSnapshot(Operation::Verb::Mount, store, snapshot);
	if (!operation)
		return operation;
	Options options("Mount", given);
	if (options.take("origins", operation->origins))
		options.check(checkOrigins(operation->origins));
	return finished(options, std::move(*operation));
}

Result<Operation> unmountOperation(const std::string &store, const std::string &snapshot,
				   const BusOptions &given)
{
	Result<Operation> operation = ofSnapshot(Operation::Verb::Unmount, store, snapshot);
	if (!operation)
		return operation;
	Options options("Unmount", given);
	if (options.take("origins", operation->origins))
		options.check(checkOrigins(operation->origins));
	options.take("keep-images", operation->keepImages);
	return finished(options, std::move(*operation));
}

} // namespace snapdiff::daemon
