// SPDX-License-Identifier: GPL-2.0-or-later
//
// JSON: what verbs answer with --json, described in docs/json.md.  A small tree is
// built here and written with nlohmann-json in the .cpp only.

#pragma once

#include "cli/verb.h"
#include "model/changes.h"
#include "model/store.h"

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace snapdiff::cli {

class Node
{
public:
	using List = std::vector<Node>;
	using Fields = std::vector<std::pair<std::string, Node>>;
	using Value = std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string,
				   List, Fields>;

	Node() : value_(nullptr) {}
	template<std::same_as<bool> T>
	Node(T value) : value_(value)
	{
	}
	template<std::unsigned_integral T>
	requires(!std::same_as<T, bool>) Node(T value) : value_(static_cast<uint64_t>(value)) {}
	template<std::signed_integral T>
	Node(T value) : value_(static_cast<int64_t>(value))
	{
	}
	Node(double value) : value_(value) {}
	Node(const char *text) : value_(std::string(text)) {}
	Node(std::string_view text) : value_(std::string(text)) {}
	Node(std::string text) : value_(std::move(text)) {}
	Node(List list) : value_(std::move(list)) {}
	Node(Fields fields) : value_(std::move(fields)) {}

	static Node listOf(const std::vector<std::string> &items);

	const Value &value() const { return value_; }

private:
	Value value_;
};

// {"schema":"snapdiff/1", ...} over several lines, with a line end.
std::string document(Node::Fields fields);

// The same on one line: JSON Lines.
std::string documentLine(Node::Fields fields);

std::string jsonError(const Error &error, Exit exit);

// The objects that several answers contain.
Node nodeOf(const model::Store &store);
Node nodeOf(const model::Origin &origin, const model::Store &store);
Node nodeOf(const model::Snapshot &snapshot, const model::Store &store);
Node nodeOf(const model::Image &image);
Node nodeOf(const model::Range &range);

} // namespace snapdiff::cli
