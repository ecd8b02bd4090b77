// SPDX-License-Identifier: GPL-2.0-or-later
//
// FakeDeviceMapper: devices in memory, with tables and messages, and failures on demand.

#pragma once

#include "dm/device_mapper.h"

#include <map>
#include <set>
#include <string>
#include <vector>

class FakeDeviceMapper : public snapdiff::dm::DeviceMapper
{
public:
	using Table = snapdiff::dm::Table;
	template<class T = void>
	using Result = snapdiff::Result<T>;

	struct Entry
	{
		snapdiff::dm::DeviceInfo info;
		Table active;
		Table inactive;
		bool detached = false;
	};

	void add(const std::string &name, const std::string &uuid, Table table);

	Result<std::optional<snapdiff::dm::TargetVersion>>
	targetVersion(const std::string &target) override;
	Result<std::vector<snapdiff::dm::Device>> devices() override;
	Result<snapdiff::dm::DeviceInfo> info(const std::string &name) override;
	Result<snapdiff::dm::DeviceInfo> info(snapdiff::dm::DeviceNumber number) override;
	Result<Table> table(const std::string &name, bool inactive = false) override;
	Result<Table> status(const std::string &name) override;
	Result<std::vector<snapdiff::dm::DeviceNumber>>
	dependencies(const std::string &name) override;
	Result<> create(const snapdiff::dm::NewDevice &device) override;
	Result<> load(const std::string &name, const Table &table, bool readOnly) override;
	Result<> clear(const std::string &name) override;
	Result<> resume(const std::string &name, snapdiff::dm::Visibility visibility) override;
	Result<> remove(const std::string &name) override;
	Result<std::string> message(const std::string &name, const std::string &text) override;
	Result<uint32_t> wait(const std::string &name, uint32_t lastEvent) override;

	std::map<std::string, Entry> entries;
	std::optional<uint32_t> majorVersion = 1;
	std::string refusal; // non-empty: messages are refused (EBUSY) for this reason
	std::string failing; // "resume vg0-home": this call fails with EIO, once
	std::vector<std::string> calls;

private:
	Result<Entry *> find(const std::string &name);
	bool fails(const std::string &call);

	uint32_t nextMinor_ = 0;
};
