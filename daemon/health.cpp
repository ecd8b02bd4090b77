// SPDX-License-Identifier: GPL-2.0-or-later
//
// Health: what is wrong now, and the newest errors that were met.

#include "health.h"

namespace snapdiff::daemon {

bool Health::wrong(std::string_view subject, std::string sentence, uint64_t timeUs)
{
	const auto known = wrong_.find(subject);

	if (known != wrong_.end() && known->second == sentence)
		return false;
	errors_.push_front({timeUs, std::string(subject) + ": " + sentence});
	if (errors_.size() > mostErrors)
		errors_.pop_back();
	wrong_.insert_or_assign(std::string(subject), std::move(sentence));
	return true;
}

bool Health::right(std::string_view subject)
{
	const auto known = wrong_.find(subject);

	if (known == wrong_.end())
		return false;
	wrong_.erase(known);
	return true;
}

std::vector<std::pair<std::string, std::string>> Health::problems() const
{
	return {wrong_.begin(), wrong_.end()};
}

std::vector<TimedText> Health::lastErrors() const
{
	return {errors_.begin(), errors_.end()};
}

} // namespace snapdiff::daemon
