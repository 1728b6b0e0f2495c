#include "core/error.hpp"
#include "core/json_reader.hpp"
#include "core/json_text.hpp"

#include <catch2/catch.hpp>
#include <limits>

using namespace calbridge;
using nlohmann::json;

namespace {

std::string quoted(const std::string& inside) {
  return "\"" + inside + "\"";
}

} // namespace

TEST_CASE("JSON is written byte for byte as the library writes it") {
  std::string everything;
  for (int c = 0; c < 128; ++c)
    everything.push_back(static_cast<char>(c));
  const json documents[] = {
      json(),
      json(true),
      json(false),
      json(0),
      json(-7),
      json(std::numeric_limits<std::int64_t>::min()),
      json(std::numeric_limits<std::uint64_t>::max()),
      json(0.1),
      json(1e300),
      json(std::numeric_limits<double>::infinity()),
      json(""),
      json(everything),
      json("Zo\xC3\xAB \xE2\x80\x93 \xF0\x9F\x93\x85 \"quoted\"\n"),
      json::array(),
      json::object(),
      json::parse(R"([[],{},[1,[2,"a\tb"]],{"":null,"k\"ey":{"x":[true]}},-1.5])"),
      json({{"Gr\xC3\xB6\xC3\x9F"
             "e\n",
             "\x1F"}}),
  };
  for (const json& document : documents)
    CHECK(jsonText(document) == document.dump());
}

TEST_CASE("Bytes that are no UTF-8 are replaced when JSON is written") {
  CHECK(jsonText(json("a\xFF"
                      "b")) == "\"a\xEF\xBF\xBD"
                               "b\"");
  CHECK(jsonText(json("cut \xE2\x80")) == "\"cut \xEF\xBF\xBD\"");
}

TEST_CASE("What the quick reader understands is what the library reads") {
  const std::string texts[] = {
      "{}",
      " [ ] ",
      "null",
      "true",
      "false",
      "0",
      "-0",
      "-12",
      "18446744073709551615",
      "-9223372036854775808",
      quoted(""),
      quoted(R"(\"\\\/\b\f\n\r\t)"),
      quoted("\x7F"),
      quoted("\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF"),
      "\t{ \"a\" : [ 1 ,\r\n {\"b\":\"c\"} , [ ] ] , \"\" : { } }\n",
      R"({"twice":1,"twice":[2]})",
  };
  for (const std::string& text : texts) {
    INFO(text);
    json read;
    REQUIRE(readUsualJson(text, 8, read));
    const json expected = json::parse(text);
    CHECK(read == expected);
    CHECK(read.type() == expected.type());
    CHECK(read.dump() == expected.dump());
  }
}

TEST_CASE("What the quick reader does not understand is left to the library") {
  const std::string left[] = {"1.5", "1e3", quoted("\\u00e9"), "18446744073709551616", "-9223372036854775809"};
  for (const std::string& text : left) {
    INFO(text);
    json read;
    CHECK_FALSE(readUsualJson(text, 8, read));
    CHECK(parseJson(text) == json::parse(text));
  }
}

TEST_CASE("Malformed JSON is refused, whoever reads it") {
  const std::string malformed[] = {
      "",
      " ",
      "nul",
      "truefalse",
      "+1",
      "-",
      "01",
      "-01",
      "1 2",
      "[",
      "[1",
      "[1,",
      "[1,]",
      "[,1]",
      "{",
      "{\"a\"",
      "{\"a\":",
      "{\"a\":1",
      "{\"a\":1,}",
      "{a:1}",
      "{\"a\" 1}",
      "\"open",
      "\"\\",
      "\"\\x\"",
      "\"\\u12\"",
      quoted("\n"),
      quoted(std::string(1, '\0')),
      quoted("\x80"),
      quoted("\xC1\x80"),
      quoted("\xE0\x9F\xBF"),
      quoted("\xED\xA0\x80"),
      quoted("\xF0\x8F\xBF\xBF"),
      quoted("\xF4\x90\x80\x80"),
      quoted("\xF5\x80\x80\x80"),
      quoted("\xE2\x82"),
      "\"\xE2\x82",
      "[1]]",
  };
  for (const std::string& text : malformed) {
    INFO(text);
    json read;
    CHECK_FALSE(readUsualJson(text, 8, read));
    CHECK_THROWS_AS(parseJson(text), Error);
  }
}

TEST_CASE("Nesting is refused beyond the depth that was asked for and not before") {
  const std::string deep = "[[[[[[[[]]]]]]]]";
  json read;
  CHECK(readUsualJson(deep, 8, read));
  CHECK_FALSE(readUsualJson(deep, 7, read));
  CHECK_NOTHROW(parseJson(deep, 8));
  CHECK_THROWS_AS(parseJson(deep, 7), Error);
}
