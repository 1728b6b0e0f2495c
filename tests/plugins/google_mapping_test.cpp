#include "google/mapping.hpp"

#include "plugins/mapping_fixture.hpp"

#include <catch2/catch.hpp>

using namespace calbridge;
using namespace calbridge::google;
using namespace calbridge::testing;
using Json = nlohmann::json;

TEST_CASE("Google ids use Google's alphabet and differ by uid and generation") {
  const std::string longest(64, 'z');
  for (const std::string& uid : {std::string("a"), std::string("u-1"), longest}) {
    for (const int generation : {0, 1, 7}) {
      const std::string id = eventId(uid, "0b4e3a52-7c1d-4f6e-9a8b-1c2d3e4f5a6b", generation);
      CAPTURE(id);
      CHECK(id.size() >= 5);
      CHECK(id.size() <= 1024);
      CHECK(id.find_first_not_of("0123456789abcdefghijklmnopqrstuv") == std::string::npos);
    }
  }
  CHECK(eventId("u-1", "one", 0) == eventId("u-1", "two", 0));
  CHECK(eventId("u-1", "one", 1) != eventId("u-1", "two", 1));
  CHECK(eventId("u-1", "one", 1) != eventId("u-1", "one", 2));
  CHECK(eventId("u-1", "one", 0) != eventId("u-2", "one", 0));
}

TEST_CASE("what people typed never becomes markup in Google's description") {
  CHECK(htmlEscape("a < b & \"c\" > 'd'") == "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
  CHECK(htmlEscape("one\ntwo\r\nthree\rfour") == "one<br>two<br>three<br>four");
  CHECK(htmlEscape("<script>alert(1)</script>") == "&lt;script&gt;alert(1)&lt;/script&gt;");
  CHECK(htmlEscape("k\xC3\xA9y \xF0\x9F\x94\x91") == "k\xC3\xA9y \xF0\x9F\x94\x91");
}

TEST_CASE("a timed entry keeps its wall clock and zone in Google's terms") {
  const Json body = Json::parse(eventBody(fullRequest(), "cbrid"));
  CHECK(body["start"] == Json{{"dateTime", "2026-12-01T09:00:00"}, {"timeZone", "Europe/London"}});
  CHECK(body["end"] == Json{{"dateTime", "2026-12-01T11:00:00"}, {"timeZone", "Europe/London"}});
  CHECK(body["summary"] == "Deep clean");
  CHECK(body["location"] == "1 High Street");
  CHECK(body["status"] == "confirmed");
  CHECK(body["transparency"] == "opaque");
  CHECK(body["visibility"] == "default");
  CHECK(body["source"] == Json{{"title", "Deep clean"}, {"url", "https://app.example/o/77"}});
  CHECK(body["reminders"] ==
        Json{{"useDefault", false},
             {"overrides", {{{"method", "popup"}, {"minutes", 30}}, {{"method", "popup"}, {"minutes", 1440}}}}});
}

TEST_CASE("an all-day entry gives Google dates with an exclusive end") {
  const Json body = Json::parse(eventBody(allDayRequest()));
  CHECK(body["start"] == Json{{"date", "2026-12-01"}});
  CHECK(body["end"] == Json{{"date", "2026-12-03"}});
}

TEST_CASE("times that Google could not read are refused") {
  auto request = fullRequest();
  const std::string wrong =
      GENERATE("", "2026-12-01", "2026-12-01T09:00:00Z", "2026-12-01 09:00:00", "2026-13-01T09:00:00");
  request.entry.end = wrong;
  CHECK_THROWS_AS(eventBody(request), sdk::Problem);
}

TEST_CASE("free, tentative and every visibility reach Google") {
  auto request = fullRequest();
  request.entry.showAs = "free";
  request.entry.status = "tentative";
  request.entry.visibility = GENERATE("default", "public", "private", "confidential");
  const Json body = Json::parse(eventBody(request));
  CHECK(body["transparency"] == "transparent");
  CHECK(body["status"] == "tentative");
  CHECK(body["visibility"] == request.entry.visibility);
}

TEST_CASE("Google gets at most five reminders, the earliest, each once and in range") {
  auto request = fullRequest();
  request.entry.reminders = {0, 15, 15, 60, 120, 1440, 10080, 99999};
  const Json overrides = Json::parse(eventBody(request))["reminders"]["overrides"];
  std::vector<int> minutes;
  for (const auto& reminder : overrides) {
    minutes.push_back(reminder["minutes"]);
  }
  CHECK(minutes == std::vector<int>{60, 120, 1440, 10080, 40320});
  request.entry.reminders.clear();
  CHECK(Json::parse(eventBody(request))["reminders"] == Json{{"useDefault", false}, {"overrides", Json::array()}});
}

TEST_CASE("only web links become a source") {
  auto request = fullRequest();
  request.entry.url = GENERATE("", "javascript:alert(1)", "ftp://x/", "https://x/ y", "https://x/\n");
  CHECK(Json::parse(eventBody(request)).count("source") == 0);
}

TEST_CASE("an entry without a title names its source by the link") {
  auto request = fullRequest();
  request.entry.title.clear();
  CHECK(Json::parse(eventBody(request))["source"]["title"] == "https://app.example/o/77");
}

TEST_CASE("the content hash is the one in the body, with and without an id, and changes with the content alone") {
  auto request = fullRequest();
  const std::string hash = contentHash(request);
  CHECK(Json::parse(eventBody(request))["extendedProperties"]["private"]["calbridgeHash"] == hash);
  CHECK(Json::parse(eventBody(request, "cbrid"))["extendedProperties"]["private"]["calbridgeHash"] == hash);
  request.sequence = 9;
  request.stamp = "2027-01-01T00:00:00Z";
  CHECK(contentHash(request) == hash);
  request.entry.description += "!";
  CHECK(contentHash(request) != hash);
}

TEST_CASE("a description beyond what Google keeps is cut between characters") {
  auto request = fullRequest();
  request.entry.description.clear();
  for (int i = 0; i < 3000; ++i) {
    request.entry.description += "\xE2\x82\xAC";
  }
  const std::string kept = Json::parse(eventBody(request))["description"];
  CHECK(kept.size() == 8190);
}

TEST_CASE("the granted scope is checked word by word") {
  const std::string base = "https://www.googleapis.com/auth/calendar";
  CHECK(scopeSuffices("", false));
  CHECK(scopeSuffices("openid " + base + ".events", false));
  CHECK(scopeSuffices(base + ".events.owned openid", false));
  CHECK(scopeSuffices(base, false));
  CHECK(scopeSuffices(base, true));
  CHECK(scopeSuffices("openid " + base + ".app.created", true));
  CHECK_FALSE(scopeSuffices("openid email", false));
  CHECK_FALSE(scopeSuffices(base + ".events.readonly", false));
  CHECK_FALSE(scopeSuffices(base + ".app.created", false));
  CHECK_FALSE(scopeSuffices(base + ".events", true));
}

TEST_CASE("both forms of Google's error object are read") {
  sdk::HttpResponse response;
  response.status = 403;
  response.body =
      R"({"error":{"code":403,"message":"Request had insufficient scopes.","status":"PERMISSION_DENIED","details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}})";
  CHECK(problemFrom(response, 0, "t").status() == sdk::Status::reauthRequired);
  CHECK(problemFrom(response, 0, "t").code() == "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
  response.body = R"({"error":{"errors":[],"code":403,"message":"x"}})";
  CHECK(problemFrom(response, 0, "t").status() == sdk::Status::permanent);
  for (const char* odd :
       {R"({"error":"text"})", R"({"error":{"errors":[7]}})", R"({"error":{"errors":{}}})", "[]", "7", ""}) {
    response.body = odd;
    CAPTURE(odd);
    CHECK(problemFrom(response, 0, "t").status() == sdk::Status::permanent);
  }
}
