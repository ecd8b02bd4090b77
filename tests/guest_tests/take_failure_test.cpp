// SPDX-License-Identifier: GPL-2.0-or-later
// A take that fails at any of its steps has changed nothing on any of its origins: gates are open,
// what was safe is safe, older snapshots are right, and the next take works. And takes of file
// systems, frozen and not.

#include "support/dm_control.h"
#include "support/fault_injection.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <iostream>
#include <linux/fs.h>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t originSectors = 4096;

std::string linearTable(const Disk &disk)
{
	return "0 " + std::to_string(disk.sectors()) + " linear " + disk.number() + " 0";
}

// Three origins in one store; below the first one I/O can be stopped, so that a take waits there
// with all gates closed.
struct TakeRig
{
	TakeRig()
		: hanging("hanging", linearTable(disks[0])),
		  store({.chunk = chunk}, {rangeWords(range)}),
		  a(store, "a", hanging.number(), 0, originSectors), b(store, "b", disks[1]),
		  c(store, "c", disks[2])
	{
		int tag = 0;
		for (Origin *origin : {&a, &b, &c})
			data.push_back(
				std::make_unique<Volume>(origin->path(), originSectors, ++tag));
	}

	void take(const std::string &name)
	{
		store.take(name);
		fork(name);
	}

	void fork(const std::string &name)
	{
		for (auto &volume : data)
			volume->fork(name);
	}

	void expectImages(const std::string &name)
	{
		Origin *origins[] = {&a, &b, &c};
		for (size_t i = 0; i < data.size(); ++i) {
			const Image image(store, name, *origins[i]);
			EXPECT_TRUE(deviceHolds(image.path(), data[i]->at(name))) << name;
			EXPECT_TRUE(data[i]->isIntact());
		}
	}

	uint64_t copies() const
	{
		uint64_t sum = 0;
		for (const OriginStatus &origin : store.checked().origins)
			sum += origin.copiedChunks;
		return sum;
	}

	Disk disks[3] = {Disk(0, originSectors), Disk(1, originSectors), Disk(2, originSectors)};
	Disk range{3, 65536};
	DmDevice hanging;
	Store store;
	Origin a;
	Origin b;
	Origin c;
	std::vector<std::unique_ptr<Volume>> data;
};

// One of the origins is lost to the take when all gates are closed already: at the last step, when
// the first origin has its new layer. Then everything must be as before.
void loseAnOriginInTheMiddle(const std::function<void(TakeRig &)> &lose,
			     const std::function<void(TakeRig &)> &comeBack, bool snapshotSurvives)
{
	ExpectKernelLog refused(refusedMessage, Appearance::Must);
	TakeRig rig;
	rig.take("s0");
	for (auto &volume : rig.data)
		ASSERT_EQ(volume->write(0, 64), 0);
	const uint64_t copiedBefore = rig.copies();
	ASSERT_EQ(rig.hanging.suspend(DmDevice::Suspend::NoFlush), 0);
	auto stuck = rig.data[0]->start(8, 8); // safe: only its own write is under way
	std::this_thread::sleep_for(std::chrono::milliseconds(200));
	auto taking = std::async(std::launch::async,
				 [&] { return rig.store.send("take s1 20000 a c b").error; });
	std::this_thread::sleep_for(std::chrono::milliseconds(700));
	lose(rig);
	auto atTheGate = rig.data[2]->start(0, 8);
	std::this_thread::sleep_for(std::chrono::milliseconds(700));
	ASSERT_EQ(rig.hanging.resume(), 0);
	EXPECT_EQ(taking.get(), EBUSY);
	EXPECT_NE(rig.store.why().find("meanwhile"), std::string::npos) << rig.store.why();
	EXPECT_EQ(stuck.get(), 0);
	EXPECT_EQ(atTheGate.get(), 0);
	comeBack(rig);
	EXPECT_FALSE(rig.store.checked().hasSnapshot("s1"));
	// On a slow machine the last write comes while the new layer is there for a moment: then
	// its chunk is copied for it.
	const uint64_t copied = rig.copies();
	if (snapshotSurvives) {
		EXPECT_LE(copied, copiedBefore + 1);
	}
	// What was safe is safe still, and what was not is copied for s0.
	for (size_t i = 0; i < rig.data.size(); ++i) {
		ASSERT_EQ(rig.data[i]->write(0, 64), 0);
		if (snapshotSurvives) {
			EXPECT_EQ(rig.copies(), copied) << i;
		}
	}
	for (auto &volume : rig.data)
		ASSERT_EQ(volume->write(60, 12), 0);
	if (snapshotSurvives) {
		EXPECT_EQ(rig.copies(), copied + 3);
		rig.expectImages("s0");
	}
	rig.take("s1");
	for (auto &volume : rig.data)
		ASSERT_EQ(volume->write(0, 100), 0);
	rig.expectImages("s1");
	if (snapshotSurvives)
		rig.expectImages("s0");
}

} // namespace

TEST(TakeFailure, WhenAnOriginIsSuspendedWithAllGatesClosedIsUndoneOnTheOthers)
{
	loseAnOriginInTheMiddle([](TakeRig &rig) { EXPECT_EQ(rig.b.device().suspend(), 0); },
				[](TakeRig &rig) { EXPECT_EQ(rig.b.device().resume(), 0); }, true);
}

TEST(TakeFailure, WhenAnOriginGoesAwayWithAllGatesClosedIsUndoneOnTheOthers)
{
	ExpectKernelLog lost(invalidSnapshot, Appearance::Must);
	loseAnOriginInTheMiddle(
		[](TakeRig &rig) { rig.b.device().reload(linearTable(rig.disks[1])); },
		[](TakeRig &rig) { rig.b.device().reload(rig.b.table()); }, false);
}

// The n-th allocation fails, for every n until the take works; and so for several takes in a row,
// because the maps grow at some of them.
TEST(TakeFailure, AtEachAllocationChangesNothing)
{
	if (!canInjectFaults())
		GTEST_SKIP() << "the kernel cannot fail allocations on purpose: the debug kernel "
				"can";
	ExpectKernelLog refused(refusedMessage, Appearance::Must);
	const FaultInjection faults;
	const DmControl dm;
	TakeRig rig;
	uint64_t refusals = 0;
	for (int i = 0; i < 7 && !testing::Test::HasFailure(); ++i) {
		const std::string name = "s" + std::to_string(i);
		bool failed = true;
		for (uint64_t n = 1; failed && !testing::Test::HasFailure(); ++n) {
			ASSERT_LT(n, 1000u);
			for (auto &volume : rig.data)
				ASSERT_EQ(volume->write(n * 24 % 4000, 20), 0)
					<< "the gate is open";
			int error = 0;
			failed = faults.failNth(n, [&] {
				error = dm.message(rig.store.device().name(),
						   "take " + name + " 20000 *")
						.error;
			});
			if (!error) {
				// Some failures are made up for, so that the take works.
				rig.fork(name);
				break;
			}
			++refusals;
			EXPECT_EQ(error, ENOMEM);
			EXPECT_TRUE(failed);
			EXPECT_FALSE(rig.store.checked().hasSnapshot(name));
		}
	}
	EXPECT_GT(refusals, 7u);
	std::cout << refusals << " takes refused" << std::endl;
	for (int i = 0; i < 7; ++i)
		rig.expectImages("s" + std::to_string(i));
}

namespace {

// A mounted ext4 on an origin, and a thread that writes files to it, each of which says in its name
// what it holds. Acknowledged: written and synchronised.
class FileSystem
{
public:
	FileSystem(const std::string &device, const std::string &folder) : folder_(folder)
	{
		mkdir(folder.c_str(), 0700);
		run("mkfs.ext4 -q -F " + device);
		run("mount -t ext4 " + device + " " + folder);
	}
	~FileSystem()
	{
		stop();
		run("umount " + folder_);
	}

	void startWriting()
	{
		thread_ = std::thread([this] {
			for (unsigned n = 1; !stop_.load(); ++n) {
				const std::string name = folder_ + "/" + std::to_string(n % 100);
				const int fd =
					open(name.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
				const std::string text = contents(n);
				EXPECT_EQ(write(fd, text.data(), text.size()),
					  static_cast<ssize_t>(text.size()));
				if (n % 4 == 0) {
					EXPECT_EQ(fsync(fd), 0);
					acknowledged_.store(n);
				}
				close(fd);
				if (n % 7 == 0)
					unlink((folder_ + "/" + std::to_string(n % 90)).c_str());
			}
		});
	}

	void stop()
	{
		stop_.store(true);
		if (thread_.joinable())
			thread_.join();
	}

	unsigned acknowledged() const { return acknowledged_.load(); }

	void freeze(bool yes) const
	{
		const int fd = open(folder_.c_str(), O_RDONLY | O_DIRECTORY);
		EXPECT_EQ(ioctl(fd, yes ? FIFREEZE : FITHAW, 0), 0);
		close(fd);
	}

	static void run(const std::string &command)
	{
		EXPECT_EQ(system((command + " >/tmp/command.log 2>&1").c_str()), 0)
			<< command << "\n"
			<< read("/tmp/command.log");
	}

	static std::string read(const std::string &path)
	{
		std::ostringstream text;
		text << std::ifstream(path).rdbuf();
		return text.str();
	}

	static std::string contents(unsigned n)
	{
		std::string text = "file " + std::to_string(n) + "\n";
		while (text.size() < 200 + n % 5 * 3000)
			text += std::to_string(n * 7919 + text.size());
		return text;
	}

private:
	std::string folder_;
	std::atomic<bool> stop_ = false;
	std::atomic<unsigned> acknowledged_ = 0;
	std::thread thread_;
};

// Two file systems under load, one of them frozen for the take.
class TakeOfFileSystems : public testing::Test
{
protected:
	static constexpr uint64_t size = 65536;

	void SetUp() override
	{
		if (system("modprobe -q ext4; grep -qw ext4 /proc/filesystems"))
			GTEST_SKIP() << "the kernel has no ext4";
		store_.emplace(StoreOptions{.chunk = chunk}, std::vector{rangeWords(range_)});
		for (int i = 0; i < 2; ++i)
			origins_.push_back(std::make_unique<Origin>(
				*store_, i ? "unfrozen" : "frozen", below_[i]));
	}

	// Every file that the image shows whole is one that was written; the last one that was
	// acknowledged before the take is there, unless a later one took its name.
	static void judge(const std::string &folder, unsigned acknowledged)
	{
		unsigned newest = 0;
		for (unsigned slot = 0; slot < 100; ++slot) {
			const std::string text =
				FileSystem::read(folder + "/" + std::to_string(slot));
			unsigned n = 0;
			if (sscanf(text.c_str(), "file %u\n", &n) != 1)
				continue;
			EXPECT_EQ(n % 100, slot);
			newest = std::max(newest, n);
			// Files without fsync may be shorter after a recovery.
			if (n % 4 == 0 && n <= acknowledged) {
				EXPECT_EQ(text, FileSystem::contents(n));
			}
		}
		EXPECT_GE(newest + 7, acknowledged);
	}

	Disk below_[2] = {Disk(0, size), Disk(1, size)};
	Disk range_{2, 4 * size};
	std::optional<Store> store_;
	std::vector<std::unique_ptr<Origin>> origins_;
};

} // namespace

TEST_F(TakeOfFileSystems, FrozenOnesNeedNoRecoveryAndOthersRecover)
{
	const std::string at = "/tmp/take-of-file-systems";
	{
		FileSystem frozen(origins_[0]->path(), at + "-1");
		FileSystem unfrozen(origins_[1]->path(), at + "-2");
		frozen.startWriting();
		unfrozen.startWriting();
		for (int i = 0; i < 2 && !HasFailure(); ++i) {
			std::this_thread::sleep_for(std::chrono::milliseconds(700));
			frozen.freeze(true);
			const unsigned before[2] = {frozen.acknowledged(), unfrozen.acknowledged()};
			store_->take("s" + std::to_string(i));
			frozen.freeze(false);
			for (int k = 0; k < 2; ++k) {
				const Image image(*store_, "s" + std::to_string(i), *origins_[k],
						  k ? "rw" : "ro");
				const std::string folder = at + "-image";
				mkdir(folder.c_str(), 0700);
				// Not even the journal may be needed where it was frozen.
				FileSystem::run("mount -t ext4 -o " +
						std::string(k ? "rw" : "ro,noload") + " " +
						image.path() + " " + folder);
				judge(folder, before[k]);
				FileSystem::run("umount " + folder);
				FileSystem::run("e2fsck -fn " + image.path());
			}
			store_->drop("s" + std::to_string(i));
		}
		frozen.stop();
		unfrozen.stop();
		std::cout << frozen.acknowledged() << " and " << unfrozen.acknowledged()
			  << " files acknowledged" << std::endl;
	}
	for (auto &origin : origins_)
		FileSystem::run("e2fsck -fn " + origin->path());
}
