// SPDX-License-Identifier: GPL-2.0-or-later
// What runs beside a measurement.

#include "load.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <unistd.h>

namespace snapdiff::bench {

const char *word(Load load)
{
	return load == Load::Busy ? "busy" : "idle";
}

Hogs::Hogs(Load load)
{
	if (load == Load::Idle)
		return;
	for (unsigned i = 0; i < std::thread::hardware_concurrency(); i++)
		threads_.emplace_back([this] {
			while (!stop_.load(std::memory_order_relaxed))
				;
		});
}

Hogs::~Hogs()
{
	stop_ = true;
	for (std::thread &thread : threads_)
		thread.join();
}

GrowthWatch::GrowthWatch(std::function<uint64_t()> size, std::chrono::microseconds every)
	: size_(std::move(size)), every_(every), thread_([this] { run(); })
{
	const sched_param priority = {.sched_priority = 10};
	if (pthread_setschedparam(thread_.native_handle(), SCHED_FIFO, &priority) != 0)
		throw std::runtime_error("no real-time priority for the watch: not root?");
}

GrowthWatch::~GrowthWatch()
{
	stop_ = true;
	thread_.join();
}

void GrowthWatch::run()
{
	for (uint64_t before = size_(); !stop_;) {
		std::this_thread::sleep_for(every_);
		const uint64_t now = size_();
		if (now > before) {
			const std::lock_guard lock(mutex_);
			growths_.push_back(Clock::now());
		}
		before = now;
	}
}

std::optional<Clock::time_point> GrowthWatch::since(Clock::time_point time) const
{
	const std::lock_guard lock(mutex_);
	for (const Clock::time_point growth : growths_)
		if (growth >= time)
			return growth;
	return {};
}

namespace {

void signalTo(int fd)
{
	const uint64_t one = 1;
	if (write(fd, &one, sizeof(one)) != sizeof(one))
		throw std::runtime_error("an eventfd does not take its signal");
}

void awaitFrom(int fd)
{
	pollfd wait = {fd, POLLIN, 0};
	uint64_t got = 0;
	while (poll(&wait, 1, -1) < 1 || read(fd, &got, sizeof(got)) != sizeof(got))
		;
}

} // namespace

Samples bareCost(const std::function<void()> &thing, unsigned times)
{
	const int go = eventfd(0, EFD_CLOEXEC);
	const int over = eventfd(0, EFD_CLOEXEC);
	Clock::time_point ended;
	Samples samples;

	std::thread woken([&] {
		for (unsigned i = 0; i < times; i++) {
			awaitFrom(go);
			thing();
			ended = Clock::now();
			signalTo(over);
		}
	});
	for (unsigned i = 0; i < times; i++) {
		std::this_thread::sleep_for(std::chrono::milliseconds(3));
		const Clock::time_point began = Clock::now();
		signalTo(go);
		awaitFrom(over);
		samples.add(msBetween(began, ended));
	}
	woken.join();
	close(go);
	close(over);
	return samples;
}

} // namespace snapdiff::bench
