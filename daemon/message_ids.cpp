// SPDX-License-Identifier: GPL-2.0-or-later
//
// Message ids: looking them up.

#include "message_ids.h"

namespace snapdiff::daemon {

std::string_view messageId(std::string_view word)
{
	for (const MessageId &known : messageIds) {
		if (known.word == word)
			return known.id;
	}
	return {};
}

std::string_view wordOfTrouble(std::string_view subject)
{
	struct Subject
	{
		std::string_view begins;
		std::string_view word;
	};
	constexpr std::array subjects = {
		Subject{"lvm", "wrong-lvm"},
		Subject{"supply ", "wrong-supply"},
		Subject{"range ", "wrong-range"},
		Subject{"store ", "wrong-store"},
		Subject{"kernel module", "wrong-kernel"},
		Subject{"device-mapper", "wrong-device-mapper"},
		Subject{"configuration", "wrong-configuration"},
		Subject{"D-Bus", "wrong-bus"},
		Subject{"low-water mark ", "wrong-low-water"},
		Subject{"metrics", "wrong-metrics"},
		Subject{"lock memory", "wrong-memory"},
		Subject{"become an I/O flusher", "wrong-memory"},
	};

	for (const Subject &known : subjects) {
		if (subject.starts_with(known.begins))
			return known.word;
	}
	return "wrong";
}

} // namespace snapdiff::daemon
