// SPDX-License-Identifier: GPL-2.0-or-later
//
// Message ids: the MESSAGE_ID of each kind of line in the journal.  snapdiff.catalog has an
// explanation for each; journalctl -x shows it.

#pragma once

#include <array>
#include <string>
#include <string_view>

namespace snapdiff::daemon {

struct MessageId
{
	std::string_view word; // a kind of event, or what is wrong
	std::string_view id;
};

inline constexpr std::array messageIds = {
	MessageId{"started", "6e0811194057521aa8a1cf7616c12a40"},
	MessageId{"stopping", "b48352e5e58857ce991871a7884f96ea"},
	MessageId{"daemon", "fe068759d6ca5127b7ec89056b051cd1"},
	MessageId{"extended", "8dbaea9710d9566c8e39e348159d7fac"},
	MessageId{"postponed", "3a3377358ca2566292dbb78d131a96ee"},
	MessageId{"level", "770af1c3f71f5c45a6cd8f4fd8a4940b"},
	MessageId{"held", "bc23d0995ccf5146bc1d33db9ad24ca3"},
	MessageId{"released", "7ad69ad281475b8c88cb9be5d8a526cb"},
	MessageId{"full", "111d895aa7945f12ba83de601d882991"},
	MessageId{"reserve", "d7d663d09c745f3c847c9e430706e2d7"},
	MessageId{"supply", "76e909a16a015827b4760616ef0ff583"},
	MessageId{"store-added", "7320c9ddab1454cc85e24d749fac8a6b"},
	MessageId{"store-removed", "a4a5a2307c2f5bac9ee03d2271cf57fe"},
	MessageId{"snapshot-taken", "6c3e374056cc53d8aab399a452c3f9a0"},
	MessageId{"snapshot-deleted", "f2513fb5f498528693a957e8eeeb52b9"},
	MessageId{"snapshot-invalid", "a0860358972c5b2bb82a52d6ebe22d45"},
	MessageId{"origin-attached", "ccc13dd402b85f34a4fc4646318b3ca4"},
	MessageId{"origin-gone", "af1f49f268415cbba11a5cc73cf51bc4"},
	MessageId{"range-failed", "7e63890b9f3c553c8f7c2c049bf4eda2"},
	MessageId{"range-gone", "62639e08d8ce58518551b765b3b7045f"},
	MessageId{"range-shrinking", "2b43a342c3a25519a94e3e0a7ddfbd7c"},
	MessageId{"shrink-undone", "eb34b2dd28465a739c25c7db8c4d9803"},
	MessageId{"request", "085370364a675924beaa67334fcd2635"},
	MessageId{"origin-boot", "6d0d7af1405a5f118a7be09f3eb9dc1e"},
	MessageId{"origin-boot-failed", "508c409845395e3abf4d4f34696ad6f8"},
	MessageId{"wrong", "02d2b57f6c605eadbdd35b0c7554dd8f"},
	MessageId{"wrong-lvm", "4b6cfe0f00ac53c28b824639be9fd890"},
	MessageId{"wrong-supply", "394e96310cb553f6815b5a4694e4679e"},
	MessageId{"wrong-range", "9b73aae084a95e2f906c5eb59d8434c1"},
	MessageId{"wrong-store", "fceb6d5563745fd786ef868c589a93d5"},
	MessageId{"wrong-kernel", "4dbf0bb86efb5337bfc1772075bc405e"},
	MessageId{"wrong-device-mapper", "769acee0477b5a25b988c28383d4fdf1"},
	MessageId{"wrong-configuration", "20466287d3cf5c4b9818c3a406b1d208"},
	MessageId{"wrong-bus", "fb7ce2792526507c932354f3b60ae68b"},
	MessageId{"wrong-low-water", "ea93d3cd9ecb5675bbd48d5cdf410181"},
	MessageId{"wrong-metrics", "bf6cb334afad5f2ea2b7a3cb0180808f"},
	MessageId{"wrong-memory", "513d6417adb85544b28109ddbf678116"},
	MessageId{"right", "b2f0bffdcf7952b3881190ae71bdb0a7"},
};

// Of a kind of event; empty for a word that is none.
std::string_view messageId(std::string_view word);

// The word for something that is wrong, by its subject ("supply vg0" -> "wrong-supply").
std::string_view wordOfTrouble(std::string_view subject);

} // namespace snapdiff::daemon
