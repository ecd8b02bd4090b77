// SPDX-License-Identifier: GPL-2.0-or-later
// What origins and ranges may lie on: each kind of device carries a random load with snapshots, and
// a take in the middle of it; not one sector may differ.

#include "support/command.h"
#include "support/loop_device.h"
#include "support/nbd_disk.h"
#include "support/shadow.h"
#include "support/stack.h"
#include "support/volume_group.h"

#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t sectors = 8192;
constexpr uint64_t rangeSectors = 65536;

// "7:0" of a device node, as a table can name it.
std::string numberOf(const std::string &path)
{
	struct stat about = {};
	if (stat(path.c_str(), &about))
		throw std::runtime_error("no device " + path);
	return std::to_string(major(about.st_rdev)) + ":" + std::to_string(minor(about.st_rdev));
}

// A device of some kind with what it is made of.
class Lower
{
public:
	virtual ~Lower() = default;
	virtual std::string number() const = 0;
};

// Over slices of the guest's disks.
class Mapped : public Lower
{
public:
	Mapped(const std::vector<uint64_t> &slices,
	       const std::function<std::string(const std::vector<Disk> &)> &table)
	{
		int disk = 0;
		for (const uint64_t slice : slices)
			disks_.emplace_back(disk++ % 4, slice);
		device_ = std::make_unique<DmDevice>("lower", table(disks_));
	}
	std::string number() const override { return device_->number(); }

private:
	std::vector<Disk> disks_;
	std::unique_ptr<DmDevice> device_;
};

class Loop : public Lower
{
public:
	Loop(uint64_t length, uint32_t block) : loop_(length * sectorSize, block) {}
	std::string number() const override { return numberOf(loop_.path()); }

private:
	LoopDevice loop_;
};

class Nbd : public Lower
{
public:
	explicit Nbd(uint64_t length) : disk_(1, length) {}
	std::string number() const override { return disk_.number(); }

private:
	NbdDisk disk_;
};

// A thin volume in a pool of its own.
class Thin : public Lower
{
public:
	Thin() : meta_(0, 8192), data_(1, 2 * sectors)
	{
		meta_.zero();
		pool_ = std::make_unique<DmDevice>("pool", "0 " + std::to_string(data_.sectors()) +
								   " thin-pool " + meta_.number() +
								   " " + data_.number() + " 128 0");
		EXPECT_TRUE(pool_->message("create_thin 0").ok());
		thin_ = std::make_unique<DmDevice>(
			"thin", "0 " + std::to_string(sectors) + " thin " + pool_->number() + " 0");
	}
	std::string number() const override { return thin_->number(); }

private:
	Disk meta_;
	Disk data_;
	std::unique_ptr<DmDevice> pool_;
	std::unique_ptr<DmDevice> thin_;
};

// A logical volume, made by LVM.
class Logical : public Lower
{
public:
	explicit Logical(uint64_t length) : loop_((length + 16384) * sectorSize, sectorSize)
	{
		runCommand("lvcreate -q -y -Wn -Zn -n range -L " + std::to_string(length) +
			   "s stacks");
	}
	std::string number() const override { return numberOf("/dev/mapper/stacks-range"); }

private:
	LoopDevice loop_;
	VolumeGroup group_{"stacks", loop_.path()};
};

std::unique_ptr<Lower> makeLinear(uint64_t length)
{
	// Two pieces that do not meet at a chunk's edge.
	return std::make_unique<Mapped>(
		std::vector<uint64_t>{length, length}, [length](const std::vector<Disk> &disks) {
			const std::string first = std::to_string(length / 2 + 3);
			return "0 " + first + " linear " + disks[0].number() + " 0\n" + first +
			       " " + std::to_string(length - length / 2 - 3) + " linear " +
			       disks[1].number() + " 5";
		});
}

std::unique_ptr<Lower> makeMapped(size_t slices, uint64_t each, const std::string &words,
				  bool offsets)
{
	return std::make_unique<Mapped>(
		std::vector<uint64_t>(slices, each),
		[words, offsets](const std::vector<Disk> &disks) {
			std::string table = "0 " + std::to_string(sectors) + " " + words;
			for (const Disk &disk : disks)
				table += offsets ? " " + disk.number() + " 0"
						 : " - " + disk.number();
			return table;
		});
}

std::unique_ptr<Lower> makeOrigin(const std::string &kind)
{
	if (kind == "Linear")
		return makeLinear(sectors);
	if (kind == "Striped")
		return makeMapped(2, sectors, "striped 2 128", true);
	if (kind == "Raid1")
		return makeMapped(2, sectors, "raid raid1 2 0 nosync 2", false);
	if (kind == "Crypt")
		return makeMapped(1, sectors,
				  "crypt aes-xts-plain64 " + std::string(64, '7') + " 0", true);
	if (kind == "Thin")
		return std::make_unique<Thin>();
	if (kind == "Loop")
		return std::make_unique<Loop>(sectors, 512);
	if (kind == "Loop4k")
		return std::make_unique<Loop>(sectors, 4096);
	return std::make_unique<Nbd>(sectors);
}

std::unique_ptr<Lower> makeRange(const std::string &kind)
{
	if (kind == "LogicalVolume")
		return std::make_unique<Logical>(rangeSectors);
	if (kind == "Loop")
		return std::make_unique<Loop>(rangeSectors, 512);
	if (kind == "Loop4k")
		return std::make_unique<Loop>(rangeSectors, 4096);
	if (kind == "Nbd")
		return std::make_unique<Nbd>(rangeSectors);
	return makeLinear(rangeSectors);
}

struct Kinds
{
	const char *origin;
	const char *range;
	uint64_t unit; // sectors of a logical block of the origin
};

class Stacks : public testing::TestWithParam<Kinds>
{
protected:
	Stacks()
		: below_(makeOrigin(GetParam().origin)), range_(makeRange(GetParam().range)),
		  store_({.chunk = chunk, .buffer = 8192},
			 {range_->number() + " 0 " + std::to_string(rangeSectors) + " 0"}),
		  origin_(store_, "a", below_->number(), 0, sectors),
		  data_(origin_.path(), sectors, 1),
		  load_(random_, {.depth = 16, .imageReadsPerWrite = 20, .unit = GetParam().unit})
	{
	}

	uint64_t copies() const { return origin_.status().copiedChunks; }

	void round(const std::string &name)
	{
		store_.take(name);
		data_.fork(name);
		{
			const Image image(store_, name, origin_);
			load_.addImage(image.path(), data_.at(name));
			load_.run(data_, 120);
			load_.clearImages();
			ASSERT_TRUE(deviceHolds(image.path(), data_.at(name)));
		}
		ASSERT_TRUE(data_.isIntact());
		store_.drop(name);
		data_.forget(name);
	}

	// Which instant it shows is for other tests; it must go on showing the same one.
	void takeUnderLoad()
	{
		auto taking = std::async(std::launch::async, [this] { store_.take("middle"); });
		load_.run(data_, 200);
		taking.get();
		Buffer first(sectors);
		const Image image(store_, "middle", origin_);
		ASSERT_EQ(BlockDevice(image.path(), BlockDevice::Mode::ReadOnly).read(0, first), 0);
		load_.run(data_, 100);
		EXPECT_TRUE(deviceHolds(image.path(), first));
		EXPECT_TRUE(data_.isIntact());
	}

	Random random_;
	std::unique_ptr<Lower> below_;
	std::unique_ptr<Lower> range_;
	Store store_;
	Origin origin_;
	Volume data_;
	RandomLoad load_;
};

} // namespace

TEST_P(Stacks, CarryALoadAndATakeInTheMiddleOfIt)
{
	std::cout << "seed " << runSeed() << std::endl;
	constexpr uint64_t wanted = 10000;
	for (int i = 0; copies() < wanted && !HasFailure(); ++i)
		round("s" + std::to_string(i));
	takeUnderLoad();
	std::cout << copies() << " copies" << std::endl;
}

INSTANTIATE_TEST_SUITE_P(Kinds, Stacks,
			 testing::Values(Kinds{"Linear", "LogicalVolume", 1},
					 Kinds{"Striped", "Loop", 1}, Kinds{"Raid1", "Linear", 1},
					 Kinds{"Crypt", "Nbd", 1}, Kinds{"Thin", "Loop4k", 1},
					 Kinds{"Loop", "Loop4k", 1}, Kinds{"Loop4k", "Linear", 8},
					 Kinds{"Nbd", "Loop", 1}),
			 [](const auto &kinds) {
				 return std::string(kinds.param.origin) + "With" +
					kinds.param.range;
			 });
