// SPDX-License-Identifier: GPL-2.0-or-later
//
// Operation: its text on the worker's socket, one line of JSON.  The only file here
// that includes nlohmann-json.

#include "operation.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <utility>

namespace snapdiff::daemon {

namespace {

using Json = nlohmann::json;

std::string written(const Json &json)
{
	// Mount points may hold any bytes; what is no UTF-8 is replaced, never thrown.
	return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Takes the fields of an object; every one must be there and of its type, and no other.
class Fields
{
public:
	explicit Fields(const Json &json) : json_(json) {}

	template<class Value>
	void take(const char *name, Value &value)
	{
		taken_++;
		if (!isGood_ || !json_.is_object() || !json_.contains(name) ||
		    !fits<Value>(json_.at(name)))
			isGood_ = false;
		else
			value = json_.at(name).get<Value>();
	}
	const Json *list(const char *name)
	{
		taken_++;
		isGood_ = isGood_ && json_.is_object() && json_.contains(name) &&
			  json_.at(name).is_array();
		return isGood_ ? &json_.at(name) : nullptr;
	}
	bool good() const { return isGood_ && json_.size() == taken_; }

private:
	template<class Value>
	static bool fits(const Json &field)
	{
		if constexpr (std::is_same_v<Value, bool>)
			return field.is_boolean();
		else if constexpr (std::is_same_v<Value, std::string>)
			return field.is_string();
		else if constexpr (std::is_same_v<Value, int>)
			return field.is_number_integer() && field.get<int64_t>() >= INT32_MIN &&
			       field.get<int64_t>() <= INT32_MAX;
		else if constexpr (std::is_integral_v<Value>)
			return field.is_number_unsigned() &&
			       std::in_range<Value>(field.get<uint64_t>());
		else
			return field.is_array() &&
			       std::all_of(field.begin(), field.end(),
					   [](const Json &item) { return item.is_string(); });
	}

	const Json &json_;
	size_t taken_ = 0;
	bool isGood_ = true;
};

Error malformed(const char *what)
{
	return Error(EPROTO, what, "it is not as expected");
}

// A field of an operation or outcome, named once for both directions.
template<class Visitor, class Of>
void visitOperation(Of &operation, Visitor &&visit)
{
	visit("store", operation.store);
	visit("snapshot", operation.snapshot);
	visit("origins", operation.origins);
	visit("vgs", operation.vgs);
	visit("devices", operation.devices);
	visit("size", operation.size);
	visit("chunk", operation.chunk);
	visit("timeout", operation.timeoutMs);
	visit("ranges", operation.ranges);
	visit("freeze", operation.freeze);
	visit("force", operation.force);
	visit("keep", operation.keepImages);
}

template<class Visitor, class Of>
void visitOutcome(Of &outcome, Visitor &&visit)
{
	visit("store", outcome.store);
	visit("snapshot", outcome.snapshot);
	visit("new", outcome.newStore);
	visit("names", outcome.names);
	visit("origins", outcome.origins);
	visit("frozen", outcome.frozen);
	visit("frozen_us", outcome.frozenUs);
	visit("take_us", outcome.takeUs);
}

template<class Visitor, class Of>
void visitRange(Of &range, Visitor &&visit)
{
	visit("device", range.device);
	visit("sectors", range.sectors);
	visit("there", range.alreadyThere);
}

template<class Visitor, class Of>
void visitMounted(Of &mounted, Visitor &&visit)
{
	visit("origin", mounted.origin);
	visit("image", mounted.image);
	visit("target", mounted.target);
}

auto writerTo(Json &json)
{
	return [&json](const char *name, const auto &value) { json[name] = value; };
}

auto readerFrom(Fields &fields)
{
	return [&fields](const char *name, auto &value) { fields.take(name, value); };
}

Json errorJson(const Error &error)
{
	return {{"errno", error.errnum()},
		{"kind", static_cast<unsigned>(error.kind())},
		{"doing", error.doing()},
		{"why", error.why()},
		{"next", error.next()}};
}

std::optional<Error> readError(const Json &json)
{
	Fields fields(json);
	int errnum = 0;
	unsigned kind = 0;
	std::string doing;
	std::string why;
	std::string next;

	fields.take("errno", errnum);
	fields.take("kind", kind);
	fields.take("doing", doing);
	fields.take("why", why);
	fields.take("next", next);
	if (!fields.good() || kind > static_cast<unsigned>(ErrorKind::TimedOut))
		return std::nullopt;
	return Error(errnum, std::move(doing), std::move(why))
		.as(static_cast<ErrorKind>(kind))
		.advise(std::move(next));
}

} // namespace

std::string format(const Operation &operation)
{
	Json json = {{"verb", word(operation.verb)}};
	visitOperation(operation, writerTo(json));
	return written(json);
}

Result<Operation> parseOperation(std::string_view line)
{
	const Json json = Json::parse(line, nullptr, false);
	Fields fields(json);
	Operation operation;
	std::string verb;

	fields.take("verb", verb);
	visitOperation(operation, readerFrom(fields));
	if (!fields.good())
		return malformed("request to the worker");
	for (int number = 0; number <= static_cast<int>(Operation::Verb::Reload); number++) {
		operation.verb = static_cast<Operation::Verb>(number);
		if (word(operation.verb) == verb)
			return operation;
	}
	return malformed("request to the worker");
}

std::string format(const Outcome &outcome)
{
	if (outcome.error)
		return written({{"error", errorJson(*outcome.error)}});
	Json json = Json::object();
	visitOutcome(outcome, writerTo(json));
	json["ranges"] = Json::array();
	for (const GivenRange &range : outcome.ranges) {
		Json one;
		visitRange(range, writerTo(one));
		json["ranges"].push_back(std::move(one));
	}
	json["mounted"] = Json::array();
	for (const MountedImage &mounted : outcome.mounted) {
		Json one;
		visitMounted(mounted, writerTo(one));
		json["mounted"].push_back(std::move(one));
	}
	return written(json);
}

Result<Outcome> parseOutcome(std::string_view line)
{
	const Json json = Json::parse(line, nullptr, false);
	Outcome outcome;

	if (json.is_object() && json.contains("error")) {
		outcome.error = readError(json.at("error"));
		return outcome.error ? Result<Outcome>(std::move(outcome))
				     : malformed("answer of the worker");
	}
	Fields fields(json);
	visitOutcome(outcome, readerFrom(fields));
	const Json *ranges = fields.list("ranges");
	const Json *mounted = fields.list("mounted");
	bool good = fields.good();
	for (size_t i = 0; good && i < ranges->size(); i++) {
		Fields one(ranges->at(i));
		visitRange(outcome.ranges.emplace_back(), readerFrom(one));
		good = one.good();
	}
	for (size_t i = 0; good && i < mounted->size(); i++) {
		Fields one(mounted->at(i));
		visitMounted(outcome.mounted.emplace_back(), readerFrom(one));
		good = one.good();
	}
	if (!good)
		return malformed("answer of the worker");
	return outcome;
}

} // namespace snapdiff::daemon
