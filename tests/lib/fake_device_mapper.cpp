// SPDX-License-Identifier: GPL-2.0-or-later
//
// FakeDeviceMapper: devices in memory, with tables and messages, and failures on demand.

#include "fake_device_mapper.h"

#include "util/text.h"

#include <cerrno>

using namespace snapdiff;
using namespace snapdiff::dm;

void FakeDeviceMapper::add(const std::string &name, const std::string &uuid, Table table)
{
	Entry entry;
	entry.info.name = name;
	entry.info.uuid = uuid;
	entry.info.number = {253, nextMinor_++};
	entry.info.liveTable = !table.empty();
	entry.active = std::move(table);
	entries[name] = entry;
}

Result<FakeDeviceMapper::Entry *> FakeDeviceMapper::find(const std::string &name)
{
	const auto found = entries.find(name);
	if (found == entries.end())
		return Error(ENXIO, "look at " + name);
	return &found->second;
}

bool FakeDeviceMapper::fails(const std::string &call)
{
	calls.push_back(call);
	if (call != failing)
		return false;
	failing.clear();
	return true;
}

Result<std::optional<TargetVersion>> FakeDeviceMapper::targetVersion(const std::string &target)
{
	if (!majorVersion)
		return std::optional<TargetVersion>();
	return std::optional(TargetVersion{target, *majorVersion, 0, 0});
}

Result<std::vector<Device>> FakeDeviceMapper::devices()
{
	std::vector<Device> list;
	for (const auto &[name, entry] : entries)
		list.push_back({name, entry.info.number});
	return list;
}

Result<DeviceInfo> FakeDeviceMapper::info(const std::string &name)
{
	const Result<Entry *> entry = find(name);
	if (!entry)
		return entry.error();
	DeviceInfo info = (*entry)->info;
	info.liveTable = !(*entry)->active.empty();
	info.inactiveTable = !(*entry)->inactive.empty();
	return info;
}

Result<DeviceInfo> FakeDeviceMapper::info(DeviceNumber number)
{
	for (const auto &[name, entry] : entries) {
		if (entry.info.number == number)
			return info(name);
	}
	return Error(ENXIO, "look at " + number.text());
}

Result<Table> FakeDeviceMapper::table(const std::string &name, bool inactive)
{
	const Result<Entry *> entry = find(name);
	if (!entry)
		return entry.error();
	return inactive ? (*entry)->inactive : (*entry)->active;
}

Result<Table> FakeDeviceMapper::status(const std::string &name)
{
	const Result<Entry *> entry = find(name);
	if (!entry)
		return entry.error();
	Table lines = (*entry)->active;
	if (!lines.empty() && lines[0].target == "snapdiff-origin")
		lines[0].params = name + ((*entry)->detached ? " detached" : " watched");
	return lines;
}

Result<std::vector<DeviceNumber>> FakeDeviceMapper::dependencies(const std::string &)
{
	return std::vector<DeviceNumber>();
}

Result<> FakeDeviceMapper::create(const NewDevice &device)
{
	if (fails("create " + device.name))
		return Error(EIO, "create " + device.name);
	if (entries.contains(device.name))
		return Error(EBUSY, "create " + device.name);
	add(device.name, device.uuid, device.table);
	return {};
}

Result<> FakeDeviceMapper::load(const std::string &name, const Table &table, bool)
{
	if (fails("load " + name))
		return Error(EIO, "load " + name);
	const Result<Entry *> entry = find(name);
	if (!entry)
		return entry.error();
	(*entry)->inactive = table;
	return {};
}

Result<> FakeDeviceMapper::clear(const std::string &name)
{
	calls.push_back("clear " + name);
	const Result<Entry *> entry = find(name);
	if (!entry)
		return entry.error();
	(*entry)->inactive.clear();
	return {};
}

// As in the kernel: a swap that fails leaves the device suspended with its old table.
Result<> FakeDeviceMapper::resume(const std::string &name, Visibility)
{
	const Result<Entry *> entry = find(name);
	if (!entry)
		return entry.error();
	Entry &device = **entry;
	const bool bad = fails("resume " + name);
	Table next = std::exchange(device.inactive, {});
	if (bad) {
		device.info.suspended = true;
		return Error(EIO, "resume " + name);
	}
	if (!next.empty()) {
		device.active = std::move(next);
		device.detached = false;
	}
	device.info.suspended = false;
	return {};
}

Result<> FakeDeviceMapper::remove(const std::string &name)
{
	if (fails("remove " + name))
		return Error(EBUSY, "remove " + name);
	return entries.erase(name) ? Result<>() : Result<>(Error(ENXIO, "remove " + name));
}

Result<std::string> FakeDeviceMapper::message(const std::string &name, const std::string &text)
{
	if (text == "why")
		return refusal.empty() ? std::string("-") : refusal;
	calls.push_back("message " + name + " " + text);
	if (!refusal.empty())
		return Error(EBUSY, "message to " + name);
	const std::vector<std::string_view> words = splitWords(text);
	if (words.size() > 1 && words[0] == "detach")
		entries[std::string(words[1])].detached = true;
	return std::string();
}

Result<uint32_t> FakeDeviceMapper::wait(const std::string &, uint32_t)
{
	return Error(EINTR, "wait");
}
