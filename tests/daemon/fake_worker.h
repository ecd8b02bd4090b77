// SPDX-License-Identifier: GPL-2.0-or-later
//
// FakeWorker: a worker that is finished when the test says so.

#pragma once

#include "requests.h"
#include "told.h"

#include <optional>
#include <utility>
#include <vector>

namespace snapdiff::daemon {

class FakeWorker final : public Worker
{
public:
	bool busy() const override { return busy_; }
	void start(const Operation &operation) override
	{
		started.push_back(operation);
		if (cannotStart)
			outcome_ = failed(Error(EAGAIN, "start the worker"));
		else
			busy_ = true;
	}
	std::optional<Outcome> takeOutcome() override
	{
		return std::exchange(outcome_, std::nullopt);
	}
	void finish(Outcome outcome)
	{
		busy_ = false;
		outcome_ = std::move(outcome);
	}

	std::vector<Operation> started;
	bool cannotStart = false;

private:
	bool busy_ = false;
	std::optional<Outcome> outcome_;
};

// For a bus on which nobody asks for anything.
struct NoRequests
{
	FakeWorker worker;
	ToldNotices told;
	Requests requests{{worker, told, [](const Operation &) { return Outcome(); }, [] {}}};
};

} // namespace snapdiff::daemon
