// SPDX-License-Identifier: GPL-2.0-or-later
//
// Allocations: replaces operator new of this test program.

#include "allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> counting = false;
std::atomic<size_t> counted = 0;

void *allocate(size_t size)
{
	if (counting)
		counted++;
	if (void *memory = std::malloc(size ? size : 1))
		return memory;
	throw std::bad_alloc();
}

} // namespace

void *operator new(size_t size)
{
	return allocate(size);
}

void *operator new[](size_t size)
{
	return allocate(size);
}

// The library's own would call these, but not those of a sanitizer.
void *operator new(size_t size, const std::nothrow_t &) noexcept
{
	if (counting)
		counted++;
	return std::malloc(size ? size : 1);
}

void *operator new[](size_t size, const std::nothrow_t &tag) noexcept
{
	return operator new(size, tag);
}

void operator delete(void *memory) noexcept
{
	std::free(memory);
}

void operator delete[](void *memory) noexcept
{
	std::free(memory);
}

void operator delete(void *memory, size_t) noexcept
{
	std::free(memory);
}

void operator delete[](void *memory, size_t) noexcept
{
	std::free(memory);
}

namespace snapdiff::daemon {

Allocations::Allocations()
{
	counted = 0;
	counting = true;
}

Allocations::~Allocations()
{
	counting = false;
}

size_t Allocations::count() const
{
	return counted;
}

Allocations::Pause::Pause()
{
	counting = false;
}

Allocations::Pause::~Pause()
{
	counting = true;
}

} // namespace snapdiff::daemon
