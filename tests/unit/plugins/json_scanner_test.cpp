#include "calbridge/json_scanner.hpp"
#include "calbridge/messages.hpp"

#include <catch2/catch.hpp>
#include <random>

namespace {

using namespace calbridge::sdk;

const std::string kPush =
    R"({"operation":"upsert","access_token":"ya29.token","uid":"0123abcd","idempotency_key":"k-1",)"
    R"("provider_event_id":"ev1","etag":"\"3\"","sequence":7,"stamp":"2026-11-22T10:00:00Z","attempt":2,)"
    R"("entry":{"title":"Deep clean – Zoë","description":"line 1\nline 2 \"quoted\" \\ \/","location":"1 High Street",)"
    R"("all_day":false,"start":"2026-12-01T09:00:00","end":"2026-12-01T11:00:00","timezone":"Europe/London",)"
    R"("start_utc":"2026-12-01T09:00:00Z","end_utc":"2026-12-01T11:00:00Z","reminders":[60,1440],"show_as":"busy",)"
    R"("visibility":"default","status":"confirmed","url":""},"added_later":[1,{"deep":[true,null,"x"]}]})";

/// Everything that a request says, to compare two of them.
std::string describe(const PushRequest& r) {
  std::string out;
  const Entry& e = r.entry;
  for (const auto& text :
       {r.accessToken, r.uid, r.idempotencyKey, r.providerEventId, r.etag, r.stamp, e.title, e.description, e.location,
        e.start, e.end, e.timezone, e.startUtc, e.endUtc, e.showAs, e.visibility, e.status, e.url})
    out += text + "|";
  for (const std::int64_t number : {static_cast<std::int64_t>(r.operation), r.sequence, r.attempt,
                                    static_cast<std::int64_t>(r.hasEntry), static_cast<std::int64_t>(e.allDay)})
    out += std::to_string(number) + "|";
  for (const int minutes : e.reminders)
    out += std::to_string(minutes) + ",";
  return out;
}

std::string parsed(const std::string& text) {
  PushRequest request;
  Json json = parseJson(text, Status::invalidRequest, "the request");
  read(json, request);
  return describe(request);
}

} // namespace

TEST_CASE("a push request is scanned to what parsing it gives") {
  PushRequest request;
  REQUIRE(scan(kPush, request));
  CHECK(describe(request) == parsed(kPush));
  CHECK(request.entry.description == "line 1\nline 2 \"quoted\" \\ /");
  CHECK(request.entry.reminders == std::vector<int>{60, 1440});
}

TEST_CASE("what the scanner takes, the parser takes with the same values, however the bytes are damaged") {
  std::mt19937 random(20261122);
  static constexpr std::string_view kSpice = "\"\\{}[]:,0123456789.eE-+tfn \n\x01\x80\xC3\xA9\xFFu";
  std::size_t taken = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = kPush;
    for (auto i = random() % 3; i < 3; ++i) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
      case 0:
        text[at] = kSpice[random() % kSpice.size()];
        break;
      case 1:
        text.insert(at, 1, kSpice[random() % kSpice.size()]);
        break;
      case 2:
        text.erase(at, 1 + random() % 4);
        break;
      default:
        text.insert(at, text.substr(random() % text.size(), random() % 40));
      }
    }
    PushRequest request;
    if (!scan(text, request))
      continue;
    ++taken;
    INFO(text);
    CHECK(describe(request) == parsed(text));
  }
  CHECK(taken > 100);
}

TEST_CASE("what is unusual is left to the parser") {
  const std::string text =
      GENERATE(as<std::string>(), "", "{", "[]", R"({"a":1} x)", R"({"a":1.5})", R"({"a":1e3})", R"({"a":01})",
               R"({"a":-})", R"({"a":"\u00e9"})", R"({"a":"\x"})", "{\"a\":\"\x01\"}", "{\"a\":\"\xC3\"}",
               R"({"a":tru})", R"({"a":1,})", R"({a:1})", R"({"a":[1,]})", R"({"a":99999999999999999999})");
  JsonScanner scanner(text);
  const bool scanned = scanner.object([&](std::string_view) { return scanner.skip(); }) && scanner.finished();
  INFO(text);
  CHECK_FALSE(scanned);
}

TEST_CASE("deep nesting ends the scan and not the process") {
  const std::string text = "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  JsonScanner scanner(text);
  CHECK_FALSE(scanner.object([&](std::string_view) { return scanner.skip(); }));
}

TEST_CASE("pairs of strings are read in order, and nothing else passes for them") {
  std::vector<std::pair<std::string, std::string>> pairs = {{"old", "one"}};
  JsonScanner good(R"( [ ["A","1"], ["B",""] ] )");
  REQUIRE(good.pairs(pairs));
  CHECK(good.finished());
  CHECK(pairs == std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B", ""}});
  const std::string wrong = GENERATE(as<std::string>(), R"([["A"]])", R"([["A","1","2"]])", R"([["A",1]])", R"(["A"])");
  JsonScanner scanner(wrong);
  INFO(wrong);
  CHECK_FALSE(scanner.pairs(pairs));
}
