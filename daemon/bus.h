// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bus: org.snapdiff1 on D-Bus.  Shows the last picture it was given.
//
// Nothing here ever waits for the bus: it is connected by a thread that does only
// that, the name is asked for without waiting for the answer, and what the socket
// does not take is queued.  Without a bus everything else goes on, and it is tried
// again.

#pragma once

#include "authority.h"
#include "history.h"
#include "notices.h"
#include "picture.h"
#include "requests.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace snapdiff::daemon {

constexpr const char *busName = "org.snapdiff1";

class Bus
{
public:
	// All borrowed: what is shown, and to whom goes what methods ask for.
	struct Parts
	{
		Notices &notices;
		const Ring<Event> &events;
		const Ring<Extension> &extensions;
		Requests &requests;
		BusAuthority::Limits limits = {};
	};

	// address: system, session, or a D-Bus address.
	Bus(std::string address, const Parts &parts);
	~Bus();

	Bus(const Bus &) = delete;
	Bus &operator=(const Bus &) = delete;

	// What to poll, and for how long at most.
	struct Poll
	{
		int fd = -1;
		short events = 0;
		int64_t untilNs = INT64_MAX; // monotonic
	};
	Poll poll() const;

	// Call it after every poll: connects, reads, writes, whatever is due.
	void process(int64_t nowNs);

	bool connected() const;

	// Becomes what is shown; signals what changed.  Only after the first call do we
	// appear on the bus, so that nobody finds the name without the objects.
	void publish(const Picture &picture);
	void signal(const Event &event);
	void signal(const Extension &extension);

private:
	struct Shown;
	struct Connector;

	void startConnecting();
	void finishConnecting(int64_t nowNs);
	void lose(const std::string &why, int64_t nowNs);

	std::string address_;
	Parts parts_;
	std::shared_ptr<Connector> connector_; // shared with its thread, which may hang
	std::unique_ptr<Shown> shown_;
	std::optional<Picture> picture_; // no name is taken before there is one
	int64_t retryNs_ = 0;
	bool processing_ = false;	  // the connection is at work and must not go
	std::optional<std::string> lost_; // while it was
};

} // namespace snapdiff::daemon
