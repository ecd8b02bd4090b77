// SPDX-License-Identifier: GPL-2.0-or-later
#include "rewrite.h"

#include "console.h"
#include "trouble.h"

#include <chrono>
#include <utility>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace snapdiff::demo {

namespace {

constexpr uint64_t newFileBytes = 4U << 20;
constexpr double bytesPerSecond = 8U << 20;

// Room for files without filling the file system to its last block.
uint64_t roomIn(const std::string &root)
{
	struct statvfs facts;
	if (statvfs(root.c_str(), &facts) != 0)
		throw systemTrouble("ask for the free space of " + root);
	const uint64_t free = uint64_t{facts.f_bfree} * facts.f_frsize;
	const uint64_t margin = uint64_t{facts.f_blocks} * facts.f_frsize / 20;
	return free > margin ? free - margin : 0;
}

} // namespace

Rewrite::Rewrite(std::string root, KnownFiles old, uint64_t seed)
	: root_(std::move(root)), old_(std::move(old)), seed_(seed), began_(elapsed())
{
	thread_ = std::thread([this] { work(); });
}

Rewrite::~Rewrite()
{
	stop_ = true;
	if (thread_.joinable())
		thread_.join();
}

KnownFiles Rewrite::finish()
{
	if (thread_.joinable())
		thread_.join();
	if (!failure_.empty())
		throw Trouble(failure_);
	return now_;
}

void Rewrite::work()
{
	try {
		replaceAll();
		fillUp();
	} catch (const Trouble &trouble) {
		failure_ = trouble.what();
	}
	done_ = true;
}

void Rewrite::add(const std::string &name, uint64_t bytes)
{
	now_.push_back(writeFile(root_, name, bytes, seed_ + now_.size()));
	written_ += bytes;
	keepPace();
}

void Rewrite::keepPace() const
{
	const double due = began_ + static_cast<double>(written_) / bytesPerSecond;
	const double early = due - elapsed();
	if (early > 0)
		std::this_thread::sleep_for(std::chrono::duration<double>(early));
}

void Rewrite::replaceAll()
{
	for (size_t i = 0; i < old_.size() && !stop_; i++) {
		const KnownFile &file = old_[i];
		if (i % 4 != 3) {
			add(file.name, file.bytes);
			continue;
		}
		if (unlink((root_ + "/" + file.name).c_str()) != 0)
			throw systemTrouble("remove " + file.name);
		add(file.name + ".new", file.bytes);
	}
}

void Rewrite::fillUp()
{
	mkdir((root_ + "/more").c_str(), 0755);
	for (unsigned i = 1; roomIn(root_) >= newFileBytes && !stop_; i++)
		add("more/" + std::to_string(i), newFileBytes);
}

} // namespace snapdiff::demo
