// SPDX-License-Identifier: GPL-2.0-or-later
// org.snapdiff1 on the system bus, with the policy of the bus and polkit as they are installed. The
// machine is that of tests/guest/service/prepare-attached: a store "boot", a volume vg0/data that
// nobody has attached, an "operator" whom a rule of polkit allows to take and to mount, and a
// "stranger".
#include "service/commands.h"
#include "support/command.h"

#include <gtest/gtest.h>

#include <string>

namespace snapdiff::lab {
namespace {

constexpr const char *manager = "/org/snapdiff1 org.snapdiff1.Manager ";
constexpr const char *bootStore = "/org/snapdiff1/store/boot org.snapdiff1.Store ";
constexpr const char *toOperator = "setpriv --reuid=2001 --regid=2001 --clear-groups ";
constexpr const char *toStranger = "setpriv --reuid=2002 --regid=2002 --clear-groups ";

struct Answer
{
	bool good = false;
	std::string text; // what busctl prints of it, or why not

	bool is(const std::string &words) const { return good && text.starts_with(words); }
	// By the daemon, after polkit did not say yes; and nothing else that went wrong.
	bool isRefused() const
	{
		return !good && contains(text, "An administrator may, or root with snapdiff(8).");
	}
};

std::ostream &operator<<(std::ostream &out, const Answer &answer)
{
	return out << (answer.good ? "answered: " : "failed: ") << answer.text;
}

// words: object, interface, method and arguments as busctl wants them.
Answer call(const std::string &words, const std::string &user = "")
{
	constexpr const char *mark = " status ";
	std::string text =
		outputOf(user +
			 "busctl --timeout=300 --allow-interactive-authorization=no call "
			 "org.snapdiff1 " +
			 words + " 2>&1; echo '" + mark + "'$?");
	const size_t at = text.rfind(mark);
	Answer answer;
	answer.good = at != text.npos && text.substr(at) == std::string(mark) + "0";
	answer.text = text.substr(0, at);
	return answer;
}

// The daemon may come to the bus later than this program.
class OnTheSystemBus : public testing::Test
{
protected:
	static void SetUpTestSuite()
	{
		EXPECT_TRUE(comes([] {
			return contains(outputOf("busctl get-property org.snapdiff1 " +
						 std::string(bootStore) + "Name"),
					"boot");
		})) << outputOf("busctl list; journalctl -b -u snapdiffd --no-pager");
	}
};

TEST_F(OnTheSystemBus, RootMayDoAllOfItAndEachIsAnswered)
{
	Answer answer = call(std::string(manager) + "Attach 'asa{sv}' 1 vg0-data 1 store s boot");
	EXPECT_TRUE(answer.is("sbas \"boot\" false 1 \"vg0-data\"")) << answer;
	answer = call(std::string(bootStore) + "Take 'sasa{sv}' monday 0 0");
	EXPECT_TRUE(answer.is("sasastt \"monday\" 3 ")) << answer;
	answer = call(std::string(bootStore) + "Mount 'sa{sv}' monday 0");
	EXPECT_TRUE(answer.is("a(sss) 3 ") &&
		    contains(answer.text, "/run/snapdiff/monday/vg0-data"))
		<< answer;
	answer = call(std::string(bootStore) + "Unmount 'sa{sv}' monday 0");
	EXPECT_TRUE(answer.is("as 3 ")) << answer;
	answer = call(std::string(bootStore) + "Delete 'sa{sv}' monday 0");
	EXPECT_TRUE(answer.good) << answer;
	answer = call(std::string(manager) + "Detach 'sa{sv}' vg0-data 0");
	EXPECT_TRUE(answer.good) << answer;
	EXPECT_TRUE(comes([] {
		return call(std::string(bootStore) + "Extend 'a{sv}' 0").is("a(stb) 1 ");
	})) << call(std::string(bootStore) + "Extend 'a{sv}' 0");
	answer = call(std::string(manager) + "Reload 'a{sv}' 0");
	EXPECT_TRUE(answer.good) << answer;
}

TEST_F(OnTheSystemBus, AStoreIsMadeShownAndRemovedAndEachIsAnswered)
{
	Answer answer = call(std::string(manager) +
			     "Create 'asa{sv}' 1 vg0-data 2 store s extra snapshot s first");
	EXPECT_TRUE(answer.is("ssas \"extra\" \"first\" 1 ")) << answer;
	const std::string extra = "/org/snapdiff1/store/extra org.snapdiff1.Store ";
	const auto name = [&] {
		return outputOf("busctl get-property org.snapdiff1 " + extra + "Name");
	};
	EXPECT_EQ(name(), "s \"extra\"");
	answer = call(extra + "Remove 'a{sv}' 0");
	EXPECT_FALSE(answer.good);
	EXPECT_TRUE(contains(answer.text, "it has snapshots")) << answer;
	answer = call(extra + "Delete 'sa{sv}' first 0");
	EXPECT_TRUE(answer.good) << answer;
	answer = call(std::string(manager) + "Detach 'sa{sv}' vg0-data 0");
	EXPECT_TRUE(answer.good) << answer;
	answer = call(extra + "Remove 'a{sv}' 0");
	EXPECT_TRUE(answer.is("as ")) << answer;
	EXPECT_NE(name(), "s \"extra\"");
	EXPECT_FALSE(contains(outputOf("dmsetup table"), "extra")) << outputOf("dmsetup table");
}

TEST_F(OnTheSystemBus, AnybodyMayLookAndNobodyMayTouch)
{
	EXPECT_EQ(outputOf(std::string(toStranger) + "busctl get-property org.snapdiff1 " +
			   bootStore + "Name"),
		  "s \"boot\"");
	const std::string calls[] = {
		std::string(manager) + "Attach 'asa{sv}' 1 vg0-data 1 store s boot",
		std::string(manager) + "Detach 'sa{sv}' vg0-home 1 force b true",
		std::string(manager) + "Create 'asa{sv}' 1 vg0-data 0",
		std::string(manager) + "Reload 'a{sv}' 0",
		std::string(bootStore) + "Take 'sasa{sv}' monday 0 0",
		std::string(bootStore) + "Delete 'sa{sv}' monday 0",
		std::string(bootStore) + "Extend 'a{sv}' 0",
		std::string(bootStore) + "Mount 'sa{sv}' monday 0",
		std::string(bootStore) + "Unmount 'sa{sv}' monday 0",
		std::string(bootStore) + "Remove 'a{sv}' 0"};
	for (const std::string &one : calls) {
		const Answer answer = call(one, toStranger);
		EXPECT_TRUE(answer.isRefused()) << one << "\n" << answer;
	}
	EXPECT_FALSE(contains(outputOf("dmsetup status boot"), " monday "));
}

TEST_F(OnTheSystemBus, ARuleOfPolkitAllowsOneMethodAndNotAnother)
{
	Answer answer = call(std::string(bootStore) + "Take 'sasa{sv}' tuesday 0 0", toOperator);
	EXPECT_TRUE(answer.is("sasastt \"tuesday\" 2 ")) << answer;
	answer = call(std::string(bootStore) + "Delete 'sa{sv}' tuesday 0", toOperator);
	EXPECT_TRUE(answer.isRefused()) << answer;
	EXPECT_TRUE(contains(outputOf("dmsetup status boot"), " tuesday "));
	answer = call(std::string(bootStore) + "Delete 'sa{sv}' tuesday 0");
	EXPECT_TRUE(answer.good) << answer;
}

TEST_F(OnTheSystemBus, WithoutPolkitNobodyButRootMay)
{
	outputOf("systemctl mask --runtime --now polkit.service");
	Answer answer = call(std::string(bootStore) + "Take 'sasa{sv}' wednesday 0 0", toOperator);
	EXPECT_TRUE(answer.isRefused()) << answer;
	EXPECT_FALSE(contains(outputOf("dmsetup status boot"), " wednesday "));
	answer = call(std::string(bootStore) + "Take 'sasa{sv}' wednesday 0 0");
	EXPECT_TRUE(answer.good) << answer;
	answer = call(std::string(bootStore) + "Delete 'sa{sv}' wednesday 0");
	EXPECT_TRUE(answer.good) << answer;
	outputOf("systemctl unmask --runtime polkit.service");
}

} // namespace
} // namespace snapdiff::lab
