// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bus methods: the methods of the objects that change something.  Each makes an
// operation of its arguments, hands it in as a request, and answers later.

#include "bus_arguments.h"
#include "bus_objects.h"

#include "util/text.h"

#include <memory>
#include <tuple>
#include <utility>

#include <systemd/sd-bus.h>

namespace snapdiff::daemon {

namespace {

constexpr const char *errorPrefix = "org.snapdiff1.Error.";

// sdbus-c++ 1.2 has no word for one flag of a message; libsystemd has.
struct Flags : sdbus::Message
{
	static bool interactive(const sdbus::Message &message)
	{
		auto *raw = static_cast<sd_bus_message *>(message.*&Flags::msg_);
		return sd_bus_message_get_allow_interactive_authorization(raw) > 0;
	}
};

Caller callerOf(const sdbus::IObject &object)
{
	const sdbus::Message *message = object.getCurrentlyProcessedMessage();
	if (!message)
		return {};
	return {message->getSender(), Flags::interactive(*message)};
}

sdbus::Error busError(const Outcome &outcome)
{
	const Error &error = *outcome.error;
	std::string text = error.message();
	if (!error.next().empty())
		text += ". " + error.next();
	return {errorPrefix + errorWord(outcome), printable(text)};
}

// results: what the method answers, as a tuple, out of what the operation came to.
template<class... Outs, class Results>
void handIn(Requests &requests, const sdbus::IObject &object, Result<Operation> operation,
	    sdbus::Result<Outs...> &&reply, Results results)
{
	auto kept = std::make_shared<sdbus::Result<Outs...>>(std::move(reply));
	const auto answer = [kept, results](const Outcome &outcome) {
		try {
			if (outcome.error)
				kept->returnError(busError(outcome));
			else
				std::apply(
					[&](const Outs &...outs) { kept->returnResults(outs...); },
					std::tuple<Outs...>(results(outcome)));
		} catch (const sdbus::Error &) {
			// The connection is lost: whoever reads from it next will say so.
		}
	};
	if (operation)
		requests.submit(callerOf(object), std::move(*operation), answer);
	else
		answer(failed(std::move(operation).error()));
}

std::tuple<> nothing(const Outcome &)
{
	return {};
}

} // namespace

void ManagerObject::Attach(sdbus::Result<std::string, bool, Names> &&result, Names origins,
			   Options options)
{
	handIn(requests_, getObject(), attachOperation(std::move(origins), options),
	       std::move(result), [](const Outcome &outcome) {
		       return std::tuple(outcome.store, outcome.newStore, outcome.names);
	       });
}

void ManagerObject::Detach(sdbus::Result<> &&result, std::string origin, Options options)
{
	handIn(requests_, getObject(), detachOperation(origin, options), std::move(result),
	       nothing);
}

void ManagerObject::Create(sdbus::Result<std::string, std::string, Names> &&result, Names origins,
			   Options options)
{
	handIn(requests_, getObject(), createOperation(std::move(origins), options),
	       std::move(result), [](const Outcome &outcome) {
		       return std::tuple(outcome.store, outcome.snapshot, outcome.names);
	       });
}

void ManagerObject::Reload(sdbus::Result<> &&result, Options options)
{
	handIn(requests_, getObject(), reloadOperation(options), std::move(result), nothing);
}

void StoreObject::Take(sdbus::Result<std::string, Names, Names, uint64_t, uint64_t> &&result,
		       std::string snapshot, Names origins, Options options)
{
	handIn(requests_, getObject(),
	       takeOperation(picture_.name, snapshot, std::move(origins), options),
	       std::move(result), [](const Outcome &outcome) {
		       return std::tuple(outcome.snapshot, outcome.origins, outcome.frozen,
					 outcome.frozenUs, outcome.takeUs);
	       });
}

void StoreObject::Delete(sdbus::Result<> &&result, std::string snapshot, Options options)
{
	handIn(requests_, getObject(), deleteOperation(picture_.name, snapshot, options),
	       std::move(result), nothing);
}

void StoreObject::Extend(sdbus::Result<std::vector<GivenStruct>> &&result, Options options)
{
	handIn(requests_, getObject(), extendOperation(picture_.name, options), std::move(result),
	       [](const Outcome &outcome) {
		       std::vector<GivenStruct> list;
		       for (const GivenRange &range : outcome.ranges)
			       list.push_back(GivenStruct{range.device, range.sectors,
							  range.alreadyThere});
		       return std::tuple(std::move(list));
	       });
}

void StoreObject::Mount(sdbus::Result<std::vector<MountedStruct>> &&result, std::string snapshot,
			Options options)
{
	handIn(requests_, getObject(), mountOperation(picture_.name, snapshot, options),
	       std::move(result), [](const Outcome &outcome) {
		       std::vector<MountedStruct> list;
		       for (const MountedImage &one : outcome.mounted)
			       list.push_back(MountedStruct{one.origin, one.image, one.target});
		       return std::tuple(std::move(list));
	       });
}

void StoreObject::Unmount(sdbus::Result<Names> &&result, std::string snapshot, Options options)
{
	handIn(requests_, getObject(), unmountOperation(picture_.name, snapshot, options),
	       std::move(result), [](const Outcome &outcome) { return std::tuple(outcome.names); });
}

void StoreObject::Remove(sdbus::Result<Names> &&result, Options options)
{
	handIn(requests_, getObject(), removeOperation(picture_.name, options), std::move(result),
	       [](const Outcome &outcome) { return std::tuple(outcome.names); });
}

} // namespace snapdiff::daemon
