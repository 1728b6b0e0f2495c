#include "plugins/scripted_host.hpp"

#include <catch2/catch.hpp>

using namespace calbridge::testing;

namespace {

Json pushJson(const std::string& operation = "upsert") {
  return {{"operation", operation},
          {"uid", "u-1"},
          {"idempotency_key", "k"},
          {"sequence", 3},
          {"stamp", "2026-11-22T10:00:00Z"},
          {"entry",
           {{"title", "Deep clean"},
            {"description", ""},
            {"location", ""},
            {"all_day", false},
            {"start", "2026-12-01T09:00:00"},
            {"end", "2026-12-01T11:00:00"},
            {"timezone", "Europe/London"},
            {"start_utc", "2026-12-01T09:00:00Z"},
            {"end_utc", "2026-12-01T11:00:00Z"},
            {"reminders", {30}},
            {"show_as", "busy"},
            {"visibility", "default"},
            {"status", "confirmed"},
            {"url", ""}}}};
}

struct Ics : ScriptedHost {
  Ics() : ScriptedHost(CALBRIDGE_PLUGIN_ics) { REQUIRE(create({{"settings", Json::object()}}).status == "ok"); }
};

} // namespace

TEST_CASE("the iCalendar plugin needs no sign-in and makes no HTTP") {
  Ics host;
  CHECK(host.manifest()["capabilities"] == Json{"feed", "delete"});
  CHECK(
      host.connect({{"redirect_uri", "r"}, {"state", "s"}, {"code_challenge", "c"}, {"code_challenge_method", "S256"}})
          .status == "unsupported");
  CHECK(host.push(pushJson()).status == "ok");
  CHECK(host.requests.empty());
}

TEST_CASE("an upsert gives the piece of the feed, the same for the same entry") {
  Ics host;
  const Outcome first = host.push(pushJson());
  REQUIRE(first.status == "ok");
  CHECK(first.body["provider_event_id"] == "u-1@calbridge");
  const std::string rendering = first.body["rendering"];
  CHECK(rendering.starts_with("BEGIN:VEVENT\r\n"));
  CHECK(rendering.ends_with("END:VEVENT\r\n"));
  CHECK(rendering.find("DTSTART;TZID=Europe/London:20261201T090000\r\n") != std::string::npos);
  CHECK(host.push(pushJson()).body == first.body);
  Json changed = pushJson();
  changed["entry"]["title"] = "Other";
  CHECK(host.push(changed).body["etag"] != first.body["etag"]);
}

TEST_CASE("a delete gives a cancelled piece, and none when nobody knows what was there") {
  Ics host;
  const std::string rendering = host.push(pushJson("delete")).body["rendering"];
  CHECK(rendering.find("STATUS:CANCELLED\r\n") != std::string::npos);
  CHECK(rendering.find("SEQUENCE:4\r\n") != std::string::npos);
  Json unknown = pushJson("delete");
  unknown.erase("entry");
  const Outcome out = host.push(unknown);
  CHECK(out.status == "ok");
  CHECK(out.body.count("rendering") == 0);
}

TEST_CASE("a zone that the system does not know gives the entry in UTC") {
  Ics host;
  Json request = pushJson();
  request["entry"]["timezone"] = GENERATE("Mars/Olympus", "../../etc/passwd", "UTC", "");
  const std::string rendering = host.push(request).body["rendering"];
  CHECK(rendering.find("DTSTART:20261201T090000Z\r\n") != std::string::npos);
  CHECK(rendering.find("TZID") == std::string::npos);
}

TEST_CASE("a feed carries each of its zones once, and those that nobody knows not at all") {
  Ics host;
  const Outcome out =
      host.feed({{"name", "John's bookings"},
                 {"timezones", {"Europe/London", "Asia/Kolkata", "Europe/London", "UTC", "Mars/Olympus"}}});
  REQUIRE(out.status == "ok");
  const std::string head = out.body["head"];
  CHECK(head.starts_with("BEGIN:VCALENDAR\r\n"));
  CHECK(head.find("METHOD") == std::string::npos);
  const auto count = [&](const std::string& line) {
    std::size_t found = 0;
    for (std::size_t at = head.find(line); at != std::string::npos; at = head.find(line, at + 1)) {
      ++found;
    }
    return found;
  };
  CHECK(count("TZID:Europe/London\r\n") == 1);
  CHECK(count("TZID:Asia/Kolkata\r\n") == 1);
  CHECK(count("BEGIN:VTIMEZONE\r\n") == 2);
  CHECK(out.body["tail"] == "END:VCALENDAR\r\n");
}

TEST_CASE("a malformed request to the iCalendar plugin is refused") {
  Ics host;
  Json request = pushJson();
  SECTION("no stamp") {
    request.erase("stamp");
  }
  SECTION("a start that is none") {
    request["entry"]["start"] = "2026-12-01 09:00:00";
  }
  SECTION("a date that does not exist") {
    request["entry"]["all_day"] = true;
    request["entry"]["start"] = "2026-02-29";
  }
  SECTION("a year that libical cannot write") {
    request["entry"]["all_day"] = true;
    request["entry"]["end"] = "9999-12-31";
  }
  SECTION("an instant in such a year") {
    request["entry"]["timezone"] = "UTC";
    request["entry"]["end_utc"] = "3001-01-01T00:00:00Z";
  }
  CHECK(host.push(request).status == "invalid_request");
}
