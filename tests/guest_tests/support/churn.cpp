// SPDX-License-Identifier: GPL-2.0-or-later
// Writers and image readers in threads of their own.

#include "support/churn.h"

#include "harness/pattern.h"
#include "support/async_io.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

namespace snapdiff::lab {

namespace {

constexpr uint64_t longest = 32;

struct Stretch
{
	uint64_t sector;
	uint64_t count;
};

Stretch randomStretch(std::mt19937_64 &engine, uint64_t sectors)
{
	const uint64_t sector = engine() % sectors;
	return {sector, std::min(1 + engine() % longest, sectors - sector)};
}

} // namespace

Writer::Writer(const std::string &path, const Buffer &contents, uint64_t seed, unsigned depth)
	: device_(path), contents_(contents), thread_([this, seed, depth] { run(seed, depth); })
{
}

void Writer::stop()
{
	stop_.store(true);
	if (thread_.joinable())
		thread_.join();
}

void Writer::run(uint64_t seed, unsigned depth)
{
	std::mt19937_64 engine(seed);
	AsyncIo io(depth);
	while (!stop_.load() || io.inFlight()) {
		while (!stop_.load() && io.hasRoom()) {
			const Stretch at = randomStretch(engine, contents_.sectors());
			io.write(device_.fd(), at.sector, contents_.sector(at.sector), at.count, 0);
		}
		for (const IoDone &done : io.wait()) {
			if (done.error)
				error_.store(done.error);
			++done_;
		}
	}
}

Reader::Reader(const std::string &path, const Buffer &contents, uint64_t seed, unsigned depth)
	: device_(path, BlockDevice::Mode::ReadOnly), contents_(contents),
	  thread_([this, seed, depth] { run(seed, depth); })
{
}

void Reader::stop()
{
	stop_.store(true);
	if (thread_.joinable())
		thread_.join();
}

void Reader::judge(const Buffer &memory, uint64_t sector, uint64_t count)
{
	if (memcmp(memory.data(), contents_.sector(sector), count * sectorSize) == 0) {
		++right_;
		return;
	}
	for (uint64_t i = 0; i < count && !wrong_; ++i)
		if (memcmp(memory.sector(i), contents_.sector(sector + i), sectorSize) != 0) {
			firstWrong_ = "sector " + std::to_string(sector + i) + " held " +
				      describeSector(memory.sector(i));
			break;
		}
	++wrong_;
}

void Reader::run(uint64_t seed, unsigned depth)
{
	std::mt19937_64 engine(seed);
	AsyncIo io(depth);
	std::vector<Buffer> memory;
	std::vector<Stretch> stretches(depth);
	std::vector<size_t> idle;
	for (size_t i = 0; i < depth; ++i) {
		memory.emplace_back(longest);
		idle.push_back(i);
	}
	while (!stop_.load() || io.inFlight()) {
		while (!stop_.load() && !idle.empty()) {
			const size_t index = idle.back();
			idle.pop_back();
			const Stretch at = randomStretch(engine, contents_.sectors());
			stretches[index] = at;
			io.read(device_.fd(), at.sector, memory[index].data(), at.count, index);
		}
		for (const IoDone &done : io.wait()) {
			const Stretch &at = stretches[done.cookie];
			if (done.error)
				++failed_;
			else
				judge(memory[done.cookie], at.sector, at.count);
			idle.push_back(done.cookie);
		}
	}
}

bool everyReadFails(const std::string &path)
{
	const BlockDevice device(path, BlockDevice::Mode::ReadOnly);
	const uint64_t sectors = device.sectors();
	for (const uint64_t piece : {uint64_t(1), uint64_t(8), uint64_t(256)}) {
		Buffer memory(piece);
		const uint64_t step = std::max(piece, sectors / 64);
		for (uint64_t sector = 0; sector + piece <= sectors; sector += step)
			if (device.read(sector, memory) != EIO)
				return false;
	}
	return true;
}

} // namespace snapdiff::lab
