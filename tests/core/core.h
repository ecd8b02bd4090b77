// SPDX-License-Identifier: GPL-2.0-or-later
// The portable core's headers, as C++ sees them.
#pragma once

// What the shim includes of the C library must be known before extern "C" begins.
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "cells.h"
#include "cow.h"
#include "dm-snapdiff.h"
#include "emit.h"
#include "live.h"
#include "map.h"
#include "parse.h"
#include "policy.h"
#include "space.h"
}

// While one exists, a WARN_ON() of the core only counts.
class AllowWarnings
{
public:
	AllowWarnings() : before_(shim_warnings) { shim_warnings_allowed = true; }
	~AllowWarnings() { shim_warnings_allowed = false; }
	AllowWarnings(const AllowWarnings &) = delete;
	AllowWarnings &operator=(const AllowWarnings &) = delete;
	unsigned long count() const { return shim_warnings - before_; }

private:
	unsigned long before_;
};
