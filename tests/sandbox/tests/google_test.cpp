#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::sandbox;

namespace {
const std::string kEvents = "calendars/primary/events";
const std::string kInsert = kEvents + "?sendUpdates=none";

std::string at(const std::string& id, const std::string& query = "?sendUpdates=none") {
  return kEvents + "/" + id + query;
}
} // namespace

TEST_CASE("an inserted event comes back with what Google adds") {
  World world;
  std::string token = world.googleToken();
  json event = googleEvent("abc123");
  event["start"] = {{"dateTime", "2026-07-01T09:00:00"}, {"timeZone", "Europe/London"}};
  event["end"] = {{"dateTime", "2026-07-01T12:00:00+02:00"}};
  auto answer = world.google(token, "POST", kInsert, event);
  INFO(answer.raw);
  REQUIRE(answer.status == 200);
  CHECK(answer.body["kind"] == "calendar#event");
  CHECK(answer.body["id"] == "abc123");
  CHECK(answer.body["start"]["dateTime"] == "2026-07-01T08:00:00Z");
  CHECK(answer.body["end"]["dateTime"] == "2026-07-01T10:00:00Z");
  CHECK(answer.body["status"] == "confirmed");
  CHECK(answer.body["reminders"]["useDefault"] == true);
  CHECK(answer.body["creator"]["email"] == "john@gmail.example");
  auto got = world.google(token, "GET", at("abc123", ""));
  CHECK(got.body == answer.body);
  CHECK(world.google(token, "GET", at("abc123", ""), {}, {{"If-None-Match", got.body["etag"]}}).status == 304);
  CHECK(world.google(token, "POST", kInsert, googleEvent()).body["id"].get<std::string>().size() == 26);
}

TEST_CASE("Google refuses bodies that its description or its rules do not allow") {
  World world;
  std::string token = world.googleToken();
  struct Wrong {
    const char* what;
    json patch;
    const char* reason;
  };
  json six = json::array();
  for (int i = 0; i < 6; ++i)
    six.push_back({{"method", "popup"}, {"minutes", i}});
  json manyProperties = json::object();
  for (int i = 0; i < 301; ++i)
    manyProperties["k" + std::to_string(i)] = "v";
  auto wrong = GENERATE_REF(values<Wrong>({
      {"unknown property", {{"title", "x"}}, "badRequest"},
      {"unknown inner property", {{"source", {{"uri", "https://x"}}}}, "badRequest"},
      {"number for a string", {{"summary", 5}}, "badRequest"},
      {"string for minutes",
       {{"reminders", {{"useDefault", false}, {"overrides", {{{"method", "popup"}, {"minutes", "5"}}}}}}},
       "badRequest"},
      {"id with a z", {{"id", "abcz1"}}, "invalid"},
      {"id in capitals", {{"id", "ABCDE"}}, "invalid"},
      {"id with a dash", {{"id", "abc-12"}}, "invalid"},
      {"short id", {{"id", "abcd"}}, "invalid"},
      {"long id", {{"id", std::string(1025, 'a')}}, "invalid"},
      {"no start", {{"start", nullptr}}, "required"},
      {"empty end", {{"end", json::object()}}, "required"},
      {"date and dateTime", {{"start", {{"date", "2026-12-01"}, {"dateTime", "2026-12-01T09:00:00Z"}}}}, "invalid"},
      {"date against dateTime", {{"start", {{"date", "2026-12-01"}}}}, "invalid"},
      {"local time without a zone", {{"start", {{"dateTime", "2026-12-01T09:00:00"}}}}, "required"},
      {"unknown zone", {{"start", {{"dateTime", "2026-12-01T09:00:00"}, {"timeZone", "Europe/Atlantis"}}}}, "invalid"},
      {"Windows zone",
       {{"start", {{"dateTime", "2026-12-01T09:00:00"}, {"timeZone", "GMT Standard Time"}}}},
       "invalid"},
      {"no such day", {{"start", {{"dateTime", "2026-02-30T09:00:00"}, {"timeZone", "UTC"}}}}, "invalid"},
      {"end before start", {{"end", {{"dateTime", "2026-12-01T08:00:00Z"}}}}, "timeRangeEmpty"},
      {"end at start", {{"end", {{"dateTime", "2026-12-01T09:00:00Z"}}}}, "timeRangeEmpty"},
      {"all-day that ends the same day",
       {{"start", {{"date", "2026-12-01"}}}, {"end", {{"date", "2026-12-01"}}}},
       "timeRangeEmpty"},
      {"six reminders", {{"reminders", {{"useDefault", false}, {"overrides", six}}}}, "invalid"},
      {"reminder too early",
       {{"reminders", {{"useDefault", false}, {"overrides", {{{"method", "popup"}, {"minutes", 40321}}}}}}},
       "invalid"},
      {"reminder after the start",
       {{"reminders", {{"useDefault", false}, {"overrides", {{{"method", "popup"}, {"minutes", -1}}}}}}},
       "invalid"},
      {"reminder by sms",
       {{"reminders", {{"useDefault", false}, {"overrides", {{{"method", "sms"}, {"minutes", 1}}}}}}},
       "invalid"},
      {"default and own reminders",
       {{"reminders", {{"useDefault", true}, {"overrides", {{{"method", "popup"}, {"minutes", 1}}}}}}},
       "cannotUseDefaultRemindersAndSpecifyOverride"},
      {"transparency busy", {{"transparency", "busy"}}, "invalid"},
      {"visibility hidden", {{"visibility", "hidden"}}, "invalid"},
      {"status tentativ", {{"status", "tentativ"}}, "invalid"},
      {"colour 12", {{"colorId", "12"}}, "invalid"},
      {"source of another scheme", {{"source", {{"url", "ftp://x"}, {"title", "x"}}}}, "invalid"},
      {"301 extended properties", {{"extendedProperties", {{"private", manyProperties}}}}, "invalid"},
  }));
  CAPTURE(wrong.what);
  json event = googleEvent();
  event.update(wrong.patch);
  auto answer = world.google(token, "POST", kInsert, event);
  CAPTURE(answer.raw);
  CHECK(answer.status == 400);
  CHECK(answer.reason() == wrong.reason);
  CHECK(answer.body["error"]["code"] == 400);
  CHECK(world.google(token, "GET", kEvents).body["items"].empty());
}

TEST_CASE("an id is taken for ever: 409 while it lives and after it was deleted, 410 for a second delete, revival by "
          "update") {
  World world;
  std::string token = world.googleToken();
  REQUIRE(world.google(token, "POST", kInsert, googleEvent("abcde")).status == 200);
  json other = googleEvent("abcde");
  other["summary"] = "Not applied";
  CHECK(world.google(token, "POST", kInsert, other).reason() == "duplicate");
  CHECK(world.google(token, "GET", at("abcde", "")).body["summary"] == "Deep clean");
  CHECK(world.google(token, "DELETE", at("abcde")).status == 204);
  auto again = world.google(token, "DELETE", at("abcde"));
  CHECK(again.status == 410);
  CHECK(again.reason() == "deleted");
  CHECK(world.google(token, "POST", kInsert, googleEvent("abcde")).status == 409);
  CHECK(world.google(token, "GET", at("abcde", "")).body["status"] == "cancelled");
  CHECK(world.google(token, "GET", kEvents).body["items"].empty());
  CHECK(world.google(token, "GET", kEvents + "?showDeleted=true").body["items"].size() == 1);

  json revive = googleEvent();
  revive["status"] = "confirmed";
  world.sandbox.settings().googleRevive = false;
  CHECK(world.google(token, "PUT", at("abcde"), revive).status == 403);
  world.sandbox.settings().googleRevive = true;
  CHECK(world.google(token, "PUT", at("abcde"), revive).status == 200);
  CHECK(world.google(token, "GET", kEvents).body["items"].size() == 1);
  CHECK(world.google(token, "DELETE", at("nosuchid")).status == 404);
}

TEST_CASE("PUT replaces, PATCH merges objects and overwrites arrays, null removes") {
  World world;
  std::string token = world.googleToken();
  json event = googleEvent("abcde");
  event["location"] = "1 High Street";
  event["reminders"] = {
      {"useDefault", false},
      {"overrides", {{{"method", "popup"}, {"minutes", 10}}, {{"method", "email"}, {"minutes", 60}}}}};
  event["extendedProperties"] = {{"private", {{"a", "1"}, {"b", "2"}}}};
  REQUIRE(world.google(token, "POST", kInsert, event).status == 200);
  auto patched = world.google(token, "PATCH", at("abcde"),
                              {{"summary", "New"},
                               {"location", nullptr},
                               {"extendedProperties", {{"private", {{"b", "3"}}}}},
                               {"reminders", {{"overrides", {{{"method", "popup"}, {"minutes", 5}}}}}}});
  INFO(patched.raw);
  REQUIRE(patched.status == 200);
  CHECK(patched.body["summary"] == "New");
  CHECK_FALSE(patched.body.contains("location"));
  CHECK(patched.body["extendedProperties"]["private"] == json{{"a", "1"}, {"b", "3"}});
  CHECK(patched.body["reminders"]["overrides"].size() == 1);
  CHECK(world.google(token, "PATCH", at("abcde"), {{"start", {{"date", "2026-12-01"}}}}).reason() ==
        "invalid"); // both forms now
  auto put = world.google(token, "PUT", at("abcde"), googleEvent());
  REQUIRE(put.status == 200);
  CHECK_FALSE(put.body.contains("extendedProperties"));
  CHECK(put.body["reminders"] == json{{"useDefault", true}});
  CHECK(world.google(token, "PUT", at("abcde"), {{"summary", "no times"}}).reason() == "required");
  CHECK(world.google(token, "PUT", at("unknown"), googleEvent()).status == 404);
}

TEST_CASE("If-Match guards PUT, PATCH and DELETE, and the sequence never falls") {
  World world;
  std::string token = world.googleToken();
  json event = googleEvent("abcde");
  event["sequence"] = 3;
  std::string old = world.google(token, "POST", kInsert, event).body["etag"];
  auto fresh = world.google(token, "PATCH", at("abcde"), {{"summary", "x"}}, {{"If-Match", old}});
  REQUIRE(fresh.status == 200);
  for (std::string method : {"PUT", "PATCH", "DELETE"}) {
    auto stale =
        world.google(token, method, at("abcde"), method == "DELETE" ? json() : googleEvent(), {{"If-Match", old}});
    CHECK(stale.status == 412);
    CHECK(stale.reason() == "conditionNotMet");
  }
  event["sequence"] = 2;
  CHECK(world.google(token, "PUT", at("abcde"), event).status == 400);
  world.sandbox.control("PATCH", "/control/google/accounts/john%40gmail.example/events/abcde",
                        {{"summary", "by hand"}});
  CHECK(world.google(token, "DELETE", at("abcde"), {}, {{"If-Match", fresh.body["etag"]}}).status == 412);
  CHECK(world.google(token, "DELETE", at("abcde"), {}, {{"If-Match", "*"}}).status == 204);
}

TEST_CASE("extended properties are cut and dropped silently, and can be looked for") {
  World world;
  std::string token = world.googleToken();
  json event = googleEvent();
  event["extendedProperties"] = {
      {"private", {{"uid", "u-1"}, {std::string(45, 'k'), "gone"}, {"long", std::string(2000, 'x')}}}};
  auto stored = world.google(token, "POST", kInsert, event).body["extendedProperties"]["private"];
  CHECK(stored.size() == 2);
  CHECK(stored["long"].get<std::string>().size() == 1024);
  CHECK(world.google(token, "GET", kEvents + "?privateExtendedProperty=uid%3Du-1").body["items"].size() == 1);
  CHECK(world.google(token, "GET", kEvents + "?privateExtendedProperty=uid%3Du-2").body["items"].empty());
  CHECK(world.google(token, "GET", kEvents + "?privateExtendedProperty=uid%3Du-1&syncToken=1").status == 400);
}

TEST_CASE("lists have pages, sync tokens and time windows") {
  World world;
  std::string token = world.googleToken();
  for (int i = 0; i < 5; ++i)
    world.google(token, "POST", kInsert, googleEvent("event" + std::to_string(i)));
  auto page = world.google(token, "GET", kEvents + "?maxResults=3");
  CHECK(page.body["items"].size() == 3);
  CHECK_FALSE(page.body.contains("nextSyncToken"));
  page =
      world.google(token, "GET", kEvents + "?maxResults=3&pageToken=" + page.body["nextPageToken"].get<std::string>());
  CHECK(page.body["items"].size() == 2);
  std::string sync = page.body["nextSyncToken"];
  CHECK(world.google(token, "GET", kEvents + "?syncToken=" + sync).body["items"].empty());
  world.google(token, "DELETE", at("event2"));
  auto changes = world.google(token, "GET", kEvents + "?syncToken=" + sync).body["items"];
  REQUIRE(changes.size() == 1);
  CHECK(changes[0]["status"] == "cancelled");
  CHECK(world.google(token, "GET", kEvents + "?syncToken=99999").reason() == "fullSyncRequired");
  CHECK(world.google(token, "GET", kEvents + "?timeMin=2027-01-01T00:00:00Z").body["items"].empty());
  CHECK(world.google(token, "GET", kEvents + "?timeMin=2026-12-01T10:59:59Z").body["items"].size() == 4);
  CHECK(world.google(token, "GET", kEvents + "?timeMin=2026-12-01").status == 400);
  CHECK(world.google(token, "GET", kEvents + "?orderBy=startTime").status == 400);
}

TEST_CASE("calendar.app.created sees only calendars that the app made; calendar.events makes none") {
  World world;
  std::string own = world.googleToken("john@gmail.example", World::kOwnCalendars);
  std::string events = world.googleToken("john@gmail.example", World::kEvents);
  CHECK(world.google(own, "POST", kInsert, googleEvent()).status == 404);
  CHECK(world.google(own, "GET", "users/me/calendarList").reason() == "insufficientPermissions");
  CHECK(world.google(events, "POST", "calendars", {{"summary", "x"}}).reason() == "insufficientPermissions");
  CHECK(world.google(own, "POST", "calendars", {{"description", "no title"}}).reason() == "required");
  CHECK(world.google(own, "POST", "calendars", {{"summary", "x"}, {"colour", "red"}}).reason() == "badRequest");
  auto made = world.google(own, "POST", "calendars", {{"summary", "Bookings"}, {"timeZone", "Europe/London"}});
  REQUIRE(made.status == 200);
  std::string id = World::encoded(made.body["id"]);
  auto inserted = world.google(own, "POST", "calendars/" + id + "/events?sendUpdates=none", googleEvent("abcde"));
  CHECK(inserted.status == 200);
  CHECK(inserted.body["organizer"]["email"] == made.body["id"]);
  CHECK(world.google(own, "GET", "users/me/calendarList/" + id).body["accessRole"] == "owner");
  CHECK(world.google(events, "GET", "calendars/" + id + "/events").body["items"].size() == 1);
  world.sandbox.control("DELETE", "/control/google/accounts/john%40gmail.example/calendars/" + id);
  CHECK(world.google(own, "POST", "calendars/" + id + "/events?sendUpdates=none", googleEvent()).status == 404);
  std::string full = world.googleToken("john@gmail.example", "https://www.googleapis.com/auth/calendar");
  CHECK(world.google(full, "GET", "users/me/calendarList").body["items"].size() == 1);
  CHECK(world.google(full, "DELETE", "calendars/primary").status == 400);
}

TEST_CASE("quotas slide over a minute, a PATCH costs three, and both spellings of the refusal can be had") {
  World world;
  std::string token = world.googleToken();
  world.sandbox.control("PATCH", "/control/settings", {{"google_per_user", 5}});
  REQUIRE(world.google(token, "POST", kInsert, googleEvent("abcde")).status == 200);
  CHECK(world.google(token, "PATCH", at("abcde"), {{"summary", "x"}}).status == 200);
  CHECK(world.google(token, "GET", kEvents).status == 200);
  auto refused = world.google(token, "GET", kEvents);
  CHECK(refused.status == 403);
  CHECK(refused.reason() == "userRateLimitExceeded");
  world.time.ms += 60'001;
  CHECK(world.google(token, "GET", kEvents).status == 200);
  world.sandbox.control("PATCH", "/control/settings", {{"google_per_project", 1}, {"google_limit_status", 429}});
  refused = world.google(token, "GET", kEvents);
  CHECK(refused.status == 429);
  CHECK(refused.reason() == "rateLimitExceeded");
}

TEST_CASE("mails to attendees and a missing sendUpdates are noticed") {
  World world;
  std::string token = world.googleToken();
  world.google(token, "POST", kInsert, googleEvent());
  CHECK(world.sandbox.control("GET", "/control/violations").empty());
  json event = googleEvent();
  event["attendees"] = {{{"email", "x@y.example"}}};
  world.google(token, "POST", kEvents + "?sendUpdates=all", event);
  world.google(token, "POST", kEvents, googleEvent());
  CHECK(world.sandbox.control("GET", "/control/violations").size() == 2);
  CHECK(world.sandbox.control("GET", "/control/google/accounts/john%40gmail.example")["invitations"] == 1);
  CHECK(world.google(token, "POST", kEvents + "?sendUpdates=maybe", googleEvent()).status == 400);
}
