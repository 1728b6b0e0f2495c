#include <calbridge/answers.hpp>

#include <catch2/catch.hpp>
#include <string>

using namespace calbridge::sdk;

TEST_CASE("A member is text only when it is there and a string") {
  const Json json = {{"text", "x"}, {"number", 1}, {"null", nullptr}, {"list", {"x"}}};
  CHECK(textOf(json, "text") == "x");
  for (const char* key : {"number", "null", "list", "absent"})
    CHECK(textOf(json, key).empty());
  CHECK(textOf(Json::array({"text"}), "text").empty());
  CHECK(textOf(Json("text"), "text").empty());
}

TEST_CASE("The first characters end at a character, whatever the bytes are") {
  CHECK(firstCharacters("häuser", 2) == "hä");
  CHECK(firstCharacters("häuser", 60) == "häuser");
  CHECK(firstCharacters("", 1).empty());
  CHECK(firstCharacters("x", 0).empty());
  CHECK(firstCharacters("\xFF\xFFx", 2) == "\xFF\xFF");
}

TEST_CASE("What a provider said is one short line, and never the secret") {
  CHECK(said("", "secret").empty());
  CHECK(said("Quota\r\nexceeded\x01\x7F", "") == ": Quota  exceeded  ");
  CHECK(said("the token top-secret is bad", "top-secret").empty());
  CHECK(said("the token is bad", "top-secret") == ": the token is bad");
  std::string umlauts;
  for (int i = 0; i < 300; ++i)
    umlauts += "ä";
  CHECK(said(umlauts, "") == ": " + umlauts.substr(0, 400));
}

TEST_CASE("An error code is passed on when it is short and without the secret") {
  CHECK(fitCode("quotaExceeded", "secret") == "quotaExceeded");
  CHECK(fitCode("quotaExceeded", "") == "quotaExceeded");
  CHECK(fitCode("no-secret-here", "secret").empty());
  CHECK(fitCode(std::string(64, 'x'), "") == std::string(64, 'x'));
  CHECK(fitCode(std::string(65, 'x'), "").empty());
}

TEST_CASE("One scope of those granted has to suffice, and none named means all that was asked for") {
  const auto granted = [](std::string_view scopes) {
    return anyScope(scopes, [](std::string_view scope) { return scope == "calendar"; });
  };
  CHECK(granted(""));
  CHECK(granted("calendar"));
  CHECK(granted("openid calendar email"));
  CHECK(granted("openid calendar"));
  CHECK_FALSE(granted("openid"));
  CHECK_FALSE(granted("calendars calendar.readonly"));
  CHECK_FALSE(granted(" "));
}
