// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bus arguments: what a method of org.snapdiff1 was given, checked and made an
// operation.  Nothing is looked up here: a text is a legal name or it is not.

#pragma once

#include "operation.h"

#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <string>
#include <vector>

namespace snapdiff::daemon {

using BusOptions = std::map<std::string, sdbus::Variant>;

// The arguments of methods of org.snapdiff1.Manager ...
Result<Operation> attachOperation(std::vector<std::string> origins, const BusOptions &options);
Result<Operation> detachOperation(const std::string &origin, const BusOptions &options);
Result<Operation> createOperation(std::vector<std::string> origins, const BusOptions &options);
Result<Operation> reloadOperation(const BusOptions &options);

// ... and of org.snapdiff1.Store.
Result<Operation> takeOperation(const std::string &store, const std::string &snapshot,
				std::vector<std::string> origins, const BusOptions &options);
Result<Operation> deleteOperation(const std::string &store, const std::string &snapshot,
				  const BusOptions &options);
Result<Operation> extendOperation(const std::string &store, const BusOptions &options);
Result<Operation> removeOperation(const std::string &store, const BusOptions &options);
Result<Operation> mountOperation(const std::string &store, const std::string &snapshot,
				 const BusOptions &options);
Result<Operation> unmountOperation(const std::string &store, const std::string &snapshot,
				   const BusOptions &options);

} // namespace snapdiff::daemon
