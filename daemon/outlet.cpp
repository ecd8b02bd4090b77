// SPDX-License-Identifier: GPL-2.0-or-later
//
// Outlet: the only file that includes libsystemd.

#include "outlet.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <utility>

#include <pthread.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

namespace snapdiff::daemon {

static constexpr size_t mostItems = 1024;
static constexpr size_t threadStackBytes = 256U << 10; // locked memory: keep it small

namespace {

struct Item
{
	Priority priority = Priority::Info;
	std::string text;
	std::vector<Field> fields;
};

using Clock = std::chrono::steady_clock;

void sendLine(const Item &item, bool journal)
{
	if (!journal) {
		std::fprintf(stderr, "snapdiffd: %s\n", item.text.c_str());
		return;
	}

	constexpr size_t mostFields = 12;
	std::vector<std::string> lines = {
		"MESSAGE=" + item.text,
		"PRIORITY=" + std::to_string(static_cast<int>(item.priority)),
		"SYSLOG_IDENTIFIER=snapdiffd",
	};
	for (const Field &field : item.fields)
		if (lines.size() < mostFields && !field.value.empty())
			lines.push_back(std::string(field.name) + "=" + field.value);
	std::array<iovec, mostFields> parts = {};
	for (size_t i = 0; i < lines.size(); i++)
		parts[i] = {lines[i].data(), lines[i].size()};
	sd_journal_sendv(parts.data(), static_cast<int>(lines.size()));
}

void sendToStderr(const Item &item)
{
	sendLine(item, false);
}

void sendToJournal(const Item &item)
{
	sendLine(item, true);
}

void sendState(const Item &item)
{
	sd_notify(0, item.text.c_str());
}

} // namespace

// A queue, and the thread that empties it.
class Outlet::Channel
{
public:
	using Send = void (*)(const Item &);

	explicit Channel(Send send);

	// Sends what is queued, until then at most.
	void end(Clock::time_point until);

	void put(Item item);

private:
	struct Shared
	{
		Send send = nullptr;
		std::mutex mutex;
		std::condition_variable work;
		std::condition_variable done;
		std::deque<Item> items;
		uint64_t lost = 0;
		bool stop = false;
		bool ended = false;
	};

	static void *run(void *shared);

	std::shared_ptr<Shared> shared_; // the thread's too, which outlives us when it hangs
	pthread_t thread_ = {};
	bool running_ = false;
};

Outlet::Channel::Channel(Send send) : shared_(std::make_shared<Shared>())
{
	shared_->send = send;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, threadStackBytes);
	auto its = std::make_unique<std::shared_ptr<Shared>>(shared_);
	running_ = pthread_create(&thread_, &attributes, run, its.get()) == 0;
	if (running_)
		(void)its.release(); // run() has it
	pthread_attr_destroy(&attributes);
}

void Outlet::Channel::end(Clock::time_point until)
{
	if (!running_)
		return;
	std::unique_lock lock(shared_->mutex);
	shared_->stop = true;
	shared_->work.notify_one();
	const bool ended = shared_->done.wait_until(lock, until, [this] { return shared_->ended; });
	lock.unlock();
	if (ended)
		pthread_join(thread_, nullptr);
	else
		pthread_detach(thread_);
}

void Outlet::Channel::put(Item item)
{
	if (!running_) {
		shared_->send(item);
		return;
	}
	const std::lock_guard lock(shared_->mutex);
	if (shared_->items.size() == mostItems) {
		shared_->lost++;
		return;
	}
	shared_->items.push_back(std::move(item));
	shared_->work.notify_one();
}

void *Outlet::Channel::run(void *pointer)
{
	const std::unique_ptr<std::shared_ptr<Shared>> its(
		static_cast<std::shared_ptr<Shared> *>(pointer));
	Shared *const shared = its->get();

	std::unique_lock lock(shared->mutex);
	for (;;) {
		shared->work.wait(lock, [&] { return shared->stop || !shared->items.empty(); });
		if (shared->items.empty())
			break;
		const Item item = std::move(shared->items.front());
		shared->items.pop_front();
		const uint64_t lost = std::exchange(shared->lost, 0);
		lock.unlock();
		shared->send(item);
		// Of states nobody can lose so many before systemd has ended us.
		if (lost && shared->send != sendState)
			shared->send({Priority::Warning,
				      std::to_string(lost) + " lines of the log were lost",
				      {}});
		lock.lock();
	}
	shared->ended = true;
	shared->done.notify_one();
	return nullptr;
}

bool Outlet::runsUnderJournal()
{
	const char *stream = std::getenv("JOURNAL_STREAM"); // "DEVICE:INODE"
	if (!stream)
		return false;
	struct stat status = {};
	unsigned long long device = 0;
	unsigned long long inode = 0;
	return std::sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

Outlet::Outlet(bool journal)
	: lines_(std::make_unique<Channel>(journal ? sendToJournal : sendToStderr)),
	  states_(std::make_unique<Channel>(sendState))
{
}

Outlet::~Outlet()
{
	const Clock::time_point until = Clock::now() + std::chrono::seconds(1);
	states_->end(until);
	lines_->end(until);
}

void Outlet::log(Priority priority, std::string_view text, std::vector<Field> fields)
{
	lines_->put({priority, std::string(text), std::move(fields)});
}

void Outlet::notify(std::string state)
{
	states_->put({Priority::Info, std::move(state), {}});
}

} // namespace snapdiff::daemon
