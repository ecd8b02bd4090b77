// SPDX-License-Identifier: GPL-2.0-or-later
//
// Daemon: puts the parts together and says what they do in which order.
//
//	event -> Extender (hot) -> records -> told: journal, D-Bus
//	                 \-> reserve is short -> Refiller -> Carver (process) -> lvm
//	bus   -> Requests -> Worker (process) -> lib/ops
//	tick  -> Extender looks at every store, whatever the events said
//
// A part that waits for somebody outside (lvm, the journal, connecting to the bus)
// does so in a process or thread of its own.

#pragma once

#include "bus.h"
#include "carver_process.h"
#include "config.h"
#include "extender.h"
#include "health.h"
#include "history.h"
#include "kernel.h"
#include "loop.h"
#include "metrics_writer.h"
#include "notices.h"
#include "ops/context.h"
#include "outlet.h"
#include "refiller.h"
#include "requests.h"
#include "reserve.h"
#include "stores.h"
#include "worker_process.h"

#include <memory>
#include <optional>
#include <string>

namespace snapdiff::daemon {

class Daemon final : private Notices
{
public:
	// All borrowed.  reload: reads the configuration again.
	struct Parts
	{
		Kernel &kernel;
		ops::Context &context;
		CarverProcess &carver;
		Outlet &outlet;
		std::function<Result<Config>()> reload;
	};

	Daemon(Parts parts, const Config &config);
	~Daemon();

	// What was missing for the hot path's memory.
	void admit(const std::vector<Error> &missing);

	// Until SIGTERM or SIGINT; these and SIGHUP must be blocked.
	Result<> run();

private:
	// The sources of the loop, in order of urgency.
	struct HotSource;
	struct TickSource;
	struct CarverSource;
	struct WorkerSource;
	struct SignalSource;
	struct BusSource;

	void event(model::Severity severity, std::string_view kind, std::string_view store,
		   std::string text) override;
	void wrong(std::string_view subject, std::string text) override;
	void right(std::string_view subject) override;

	void record(model::Severity severity, std::string_view kind, std::string_view store,
		    std::string text, std::string_view word);

	Notices &notices() { return *this; }
	int64_t settle(int64_t nowNs);
	void serveMeanwhile();
	void look(int64_t nowNs);
	void refill(int64_t nowNs);
	void giveBack(int64_t nowNs);
	void tellRecords();
	void tellGiven(const Record &record);
	void tellRefused(const Record &record);
	void publish(int64_t nowNs);
	void writeMetrics(const Picture &picture, int64_t nowNs);
	ManagerPicture managerPicture() const;
	void configure(const Config &config);
	Result<> reload();
	void pingWatchdog(int64_t nowNs);

	// In daemon_requests.cpp: what methods on the bus ask for.
	Requests::Parts requestParts();
	Outcome doInside(const Operation &operation);
	Outcome extendFromReserve(const Operation &operation);
	void showWhatWasDone();
	Bus::Parts busParts();
	void stop(int64_t nowNs);
	void stopWhenIdle(int64_t nowNs);

	Parts parts_;
	Config config_;
	Reserve reserve_;
	Extender extender_;
	Refiller refiller_;
	Stores stores_;
	Health health_;
	Ring<Event> events_;
	Ring<Extension> extensions_;
	WorkerProcess worker_;
	Requests requests_;
	std::unique_ptr<Bus> bus_;
	bool otherBus_ = false; // to be connected to, when the old one is not at work
	MetricsWriter metrics_{"/proc/self/exe"};
	Loop loop_;

	bool dirty_ = true; // what is shown may be old
	int64_t discoverNs_ = 0;
	int64_t moduleNs_ = 0;
	int64_t publishNs_ = 0;
	int64_t giveBackNs_ = 0;
	int64_t metricsNs_ = 0;
	int64_t pingNs_ = 0;
	int64_t pingEveryNs_ = 0;    // 0: nobody watches us
	int64_t stopNs_ = INT64_MAX; // told to end, and no longer than until then
	std::string statusLine_;
};

} // namespace snapdiff::daemon
