// SPDX-License-Identifier: GPL-2.0-or-later
//
// BusAuthority: asks the bus who a caller is, and polkit what it may do.
//
// polkit is asked about the caller's name on this bus, which nobody else ever gets,
// so that what it says cannot be about somebody else.  It is asked on the system bus
// only: there nobody but polkit can be org.freedesktop.PolicyKit1.  On any other bus
// root may and nobody else.

#pragma once

#include "requests.h"

#include <memory>

namespace sdbus {
class IConnection;
class IProxy;
} // namespace sdbus

namespace snapdiff::daemon {

class BusAuthority final : public Authority
{
public:
	// How long an answer is waited for.
	struct Limits
	{
		unsigned busMs = 5000;
		unsigned polkitMs = 10000;
		unsigned personMs = 120000; // polkit asks somebody for a password
	};

	BusAuthority(sdbus::IConnection &connection, bool askPolkit, const Limits &limits);
	~BusAuthority() override;

	void identify(const Caller &caller, Identified then) override;
	void decide(const Question &question, Decided then) override;
	void withdraw(uint64_t request) override;

private:
	Limits limits_;
	std::unique_ptr<sdbus::IProxy> bus_;
	std::unique_ptr<sdbus::IProxy> polkit_; // null: nobody is asked
};

} // namespace snapdiff::daemon
