// SPDX-License-Identifier: GPL-2.0-or-later
// What an origin costs its writers: one fio job each on dm-linear, on an origin without a snapshot
// and on one with a fresh snapshot, in turn, on separate throttled disks for origin and store.

#include "harness/disk.h"
#include "samples.h"
#include "support/command.h"
#include "support/stack.h"

#include <array>
#include <cstdlib>
#include <gtest/gtest.h>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace snapdiff::bench {
namespace {

using lab::mib;

constexpr const char *file = "io.md";
constexpr unsigned turns = 5;
constexpr uint64_t originSectors = 192 * mib;

struct Job
{
	const char *name;
	const char *options;
};

constexpr std::array<Job, 2> jobs = {{
	{"4 KiB random, depth 32", "--rw=randwrite --bs=4k --iodepth=32 --size=24m"},
	{"1 MiB sequential, depth 4", "--rw=write --bs=1m --iodepth=4 --size=192m"},
}};

// Bytes a second of fio's terse output, version 3: the 47th field is what was written in KiB, the
// 50th the milliseconds.
double runFio(const Job &job, const std::string &device)
{
	constexpr size_t writtenField = 46;
	constexpr size_t timeField = 49;
	const std::string out = lab::runCommand(
		"fio --name=job --ioengine=libaio --direct=1 --end_fsync=0 --minimal "
		"--terse-version=3 --filename=" +
		device + " " + job.options);
	std::vector<std::string> fields;
	std::istringstream words(out.substr(out.find("3;fio")));
	for (std::string field; std::getline(words, field, ';');)
		fields.push_back(field);
	if (fields.size() <= timeField)
		throw std::runtime_error("not fio's terse output: " + out);
	const double kilobytes = std::strtod(fields[writtenField].c_str(), nullptr);
	const double ms = std::strtod(fields[timeField].c_str(), nullptr);
	return ms > 0 ? kilobytes * 1024 * 1000 / ms : 0;
}

struct Figures
{
	std::vector<double> linear;    // MiB/s
	std::vector<double> unwatched; // of linear, in the same turn
	std::vector<double> snapshot;
};

// The default chunk and the smallest.
class Io : public testing::TestWithParam<uint32_t>
{
protected:
	void turn(const Job &job, Figures &figures)
	{
		const double linear = runFio(job, below.path());
		lab::Store store({.chunk = GetParam()}, {rangeWords(range)});
		lab::Origin origin(store, "home", below);
		const double unwatched = runFio(job, origin.path());
		store.take("s");
		const double snapshot = runFio(job, origin.path());
		EXPECT_EQ(store.checked().snapshot("s").state, "live");
		origin.letGo();
		figures.linear.push_back(linear / (1U << 20));
		figures.unwatched.push_back(unwatched / linear);
		figures.snapshot.push_back(snapshot / linear);
	}

	lab::Disk below{0, originSectors};
	lab::Disk range{2, originSectors + 16 * mib};
};

TEST_P(Io, OfFioOnAnOriginBesideDmLinear)
{
	Table table(
		{"job", "dm-linear, MiB/s", "no snapshot, of linear", "first writes, of linear"});
	for (const Job &job : jobs) {
		Figures figures;
		for (unsigned i = 0; i < turns; i++)
			turn(job, figures);
		table.add({job.name, number(medianOf(figures.linear)),
			   number(medianOf(figures.unwatched)),
			   number(medianOf(figures.snapshot))});
	}
	tell(file,
	     "fio, chunk " + std::to_string(GetParam() / 2) + " KiB, medians of " +
		     std::to_string(turns) + " turns",
	     table);
}

INSTANTIATE_TEST_SUITE_P(Io, Io, testing::Values(8U, 128U), testing::PrintToStringParamName());

} // namespace
} // namespace snapdiff::bench
