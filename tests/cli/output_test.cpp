// SPDX-License-Identifier: GPL-2.0-or-later
//
// Output: tables as pictures, JSON, sentences of errors, exit codes.

#include "cli/json.h"
#include "cli/report.h"
#include "cli/several.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <sstream>

using namespace snapdiff;
using namespace snapdiff::cli;

static Report sample()
{
	return {"things",
		{{"name", "NAME", "the name"},
		 {"size", "SIZE", "the size"},
		 {"time", "TIME", "when", false},
		 {"parts", "PARTS", "of what"}},
		{{std::string("a"), Bytes{1536}, Time{0}, std::vector<std::string>{"x", "y"}},
		 {std::string("long\x1b"), Bytes{0}, Time{1}, std::vector<std::string>{}}}};
}

TEST(Table, IsAPicture)
{
	EXPECT_EQ("NAME       SIZE  PARTS\n"
		  "a      1.50 KiB  x,y\n"
		  "long?       0 B\n",
		  *formatTable(sample(), {}));
	EXPECT_EQ("1536  1970-01-01T00:00:00Z\n"
		  "   0  1970-01-01T00:00:01Z\n",
		  *formatTable(sample(), {{"size", "time"}, false, UnitChoice::Bytes}));
}

TEST(Table, RefusesUnknownFields)
{
	const Result<std::string> text = formatTable(sample(), {{"nothing"}, true, {}});
	ASSERT_FALSE(text);
	EXPECT_EQ(Exit::Usage, exitOf(text.error()));
}

TEST(JsonReport, HasTypedValues)
{
	EXPECT_EQ(R"({
  "schema": "snapdiff/1",
  "things": [
    {
      "name": "a",
      "size_bytes": 1536,
      "time": "1970-01-01T00:00:00Z",
      "parts": [
        "x",
        "y"
      ]
    },
    {
      "name": "long\u001b",
      "size_bytes": 0,
      "time": "1970-01-01T00:00:01Z",
      "parts": []
    }
  ]
}
)",
		  *formatJson(sample(), {}));
}

TEST(Json, SurvivesBytesThatAreNoText)
{
	EXPECT_NE(std::string::npos,
		  documentLine({{"path", std::string("/mnt/\xff")}}).find("/mnt/"));
	EXPECT_EQ("{\"schema\":\"snapdiff/1\",\"a\":18446744073709551615,\"b\":true,\"c\":-1}\n",
		  documentLine({{"a", UINT64_MAX}, {"b", true}, {"c", -1}}));
}

TEST(ErrorOutput, SaysObjectCauseAndNextStep)
{
	const Error error = Error(ENOSPC, "carve 1 GiB out of vg0").advise("Give less.");
	std::ostringstream err;
	sayError(err, error);
	EXPECT_EQ("snapdiff: carve 1 GiB out of vg0: No space left on device.\nGive less.\n",
		  err.str());
	EXPECT_NE(std::string::npos, jsonError(error, exitOf(error)).find("\"exit\": 7"));
}

TEST(ExitCode, FollowsTheKindOfError)
{
	EXPECT_EQ(Exit::Failed, exitOf(Error(EIO, "")));
	EXPECT_EQ(Exit::NotFound, exitOf(Error(ENOENT, "")));
	EXPECT_EQ(Exit::NotPermitted, exitOf(Error(EPERM, "")));
	EXPECT_EQ(Exit::Busy, exitOf(Error(EEXIST, "")));
	EXPECT_EQ(Exit::NoSpace, exitOf(Error(ENOSPC, "")));
	EXPECT_EQ(Exit::NoModule, exitOf(Error(ENODEV, "").as(ErrorKind::NoModule)));
	EXPECT_EQ(Exit::Failed, exitOf(Error(ETIMEDOUT, "")));
}
