// SPDX-License-Identifier: GPL-2.0-or-later
//
// Boot attach: wait, make the store, attach.

#include "boot_attach.h"

#include "ops/attach.h"
#include "ops/store.h"
#include "util/units.h"

#include <algorithm>
#include <cerrno>

namespace snapdiff::daemon {

namespace {

constexpr unsigned lookEveryMs = 100;

// LVM may be in the middle of making it: then it has no table yet, or is suspended.
bool isComing(const Error &error)
{
	return error.errnum() == ENOENT || error.errnum() == ENXIO;
}

Result<> ensureStore(ops::Context &context, const Config &config, const std::string &name)
{
	const Result<dm::DeviceInfo> info = context.dm.info(name);
	if (info && info->liveTable)
		return {};
	if (!info && info.error().errnum() != ENXIO)
		return info.error();

	ops::StoreRequest request;
	request.name = name;
	request.lowWater = config.lowWaterOf(name).value_or(config.rangeSize / 5);
	return ops::createStore(context, request);
}

// Nothing: it is not there yet.
std::optional<Result<std::string>> attachOne(ops::Context &context, const Config &config,
					     const OriginConfig &origin)
{
	const Result<std::string> name = ops::resolveOrigin(context, origin.device);
	if (!name && isComing(name.error()))
		return {};
	if (!name)
		return name;
	const Result<dm::DeviceInfo> info = context.dm.info(*name);
	if (!info && !isComing(info.error()))
		return Result<std::string>(info.error());
	if (!info || !info->liveTable || info->suspended)
		return {};

	if (Result<> done = ensureStore(context, config, origin.store); !done)
		return Result<std::string>(std::move(done).error());
	if (Result<> done = ops::attach(context, *name, origin.store); !done)
		return Result<std::string>(std::move(done).error());
	return name;
}

Error absent(const Config &config, const OriginConfig &origin)
{
	return Error(ENOENT, "attach " + origin.device,
		     "it did not appear within " + std::to_string(config.attachTimeoutMs / 1000) +
			     " s")
		.advise("\"lvs\" lists volumes. When it is there, \"systemctl start "
			"snapdiff-attach\" attaches it; should it only be slow, raise "
			"attach_timeout.");
}

} // namespace

bool attachAtBoot(ops::Context &context, const Config &config, const BootTold &told)
{
	const int64_t deadline =
		context.clock.monotonicNs() + int64_t{config.attachTimeoutMs} * 1'000'000;
	std::vector<OriginConfig> missing = config.origins;
	bool good = true;

	const auto tell = [&](const OriginConfig &origin, Result<std::string> done) {
		good = good && done;
		told(done ? BootOrigin{origin, std::move(*done), {}}
			  : BootOrigin{origin, {}, std::move(done).error()});
	};
	for (;;) {
		std::erase_if(missing, [&](const OriginConfig &origin) {
			auto done = attachOne(context, config, origin);
			if (done)
				tell(origin, std::move(*done));
			return done.has_value();
		});
		if (missing.empty())
			return good;
		if (context.clock.monotonicNs() >= deadline)
			break;
		context.clock.sleepMs(lookEveryMs);
	}
	for (const OriginConfig &origin : missing)
		tell(origin, absent(config, origin));
	return false;
}

} // namespace snapdiff::daemon
