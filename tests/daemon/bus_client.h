// SPDX-License-Identifier: GPL-2.0-or-later
//
// BusClient: a caller on a bus, with a user of its own choice, that never waits.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sys/syscall.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

namespace snapdiff::daemon {

constexpr uid_t nobody = 65534;

struct Reply
{
	bool done = false;
	std::string errorName;
	std::string errorText;
	sd_bus_message *message = nullptr;

	Reply() = default;
	~Reply() { sd_bus_message_unref(message); }
	Reply(const Reply &) = delete;
	Reply &operator=(const Reply &) = delete;

	bool good() const { return done && errorName.empty(); }
	std::string signature() const
	{
		return message ? sd_bus_message_get_signature(message, 1) : "-";
	}
};

class BusClient
{
public:
	// Who is not root is itself whatever it asks for.
	BusClient(const std::string &address, uid_t uid)
	{
		sd_bus_new(&bus_);
		sd_bus_set_address(bus_, address.c_str());
		sd_bus_set_bus_client(bus_, 1);
		// Only this thread, and only for the moment in which the bus looks.
		const bool other = geteuid() == 0 && uid != 0;
		if (other)
			syscall(SYS_setresuid, -1, uid, -1);
		sd_bus_start(bus_);
		if (other)
			syscall(SYS_setresuid, -1, 0, -1);
	}
	~BusClient() { leave(); }
	BusClient(const BusClient &) = delete;
	BusClient &operator=(const BusClient &) = delete;

	void leave()
	{
		if (!bus_)
			return;
		sd_bus_flush(bus_);
		sd_bus_close(bus_);
		bus_ = sd_bus_unref(bus_);
	}
	void process()
	{
		while (bus_ && sd_bus_process(bus_, nullptr) > 0)
			;
	}
	std::string name() const
	{
		const char *unique = nullptr;
		return bus_ && sd_bus_get_unique_name(bus_, &unique) >= 0 ? unique : "";
	}

	// The arguments are those of sd_bus_message_append().
	template<class... Args>
	std::shared_ptr<Reply> call(bool interactive, const char *path, const char *interface,
				    const char *member, const char *types, Args... args)
	{
		auto reply = std::make_shared<Reply>();
		sd_bus_message *message = nullptr;
		sd_bus_message_new_method_call(bus_, &message, "org.snapdiff1", path, interface,
					       member);
		if (interactive)
			sd_bus_message_set_allow_interactive_authorization(message, 1);
		sd_bus_message_append(message, types, args...);
		sd_bus_call_async(bus_, nullptr, message, answered, reply.get(), 0);
		sd_bus_message_unref(message);
		replies_.push_back(reply);
		return reply;
	}

private:
	static int answered(sd_bus_message *message, void *data, sd_bus_error *)
	{
		Reply &reply = *static_cast<Reply *>(data);
		reply.done = true;
		reply.message = sd_bus_message_ref(message);
		if (const sd_bus_error *error = sd_bus_message_get_error(message)) {
			reply.errorName = error->name;
			reply.errorText = error->message ? error->message : "";
		}
		return 1;
	}

	sd_bus *bus_ = nullptr;
	std::vector<std::shared_ptr<Reply>> replies_; // that may still come
};

} // namespace snapdiff::daemon
