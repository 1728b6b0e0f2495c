#include "fixture.hpp"

#include <thread>

using namespace calbridge;
using namespace calbridge::sandbox;

namespace {
const std::string kProperty = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name calbridge";
std::string filterFor(const std::string& value) {
  return "?$filter=" + World::encoded("singleValueExtendedProperties/Any(ep: ep/id eq '" + kProperty +
                                      "' and ep/value eq '" + value + "')");
}
} // namespace

TEST_CASE("Graph stores an event, tells its times in UTC, and keeps what a PATCH omits") {
  World world;
  std::string token = world.graphToken();
  json event = graphEvent();
  event["start"] = {{"dateTime", "2026-07-01T09:00:00"}, {"timeZone", "GMT Standard Time"}};
  event["end"] = {{"dateTime", "2026-07-01T11:00:00.0000000"}, {"timeZone", "Europe/Paris"}};
  event["body"] = {{"contentType", "HTML"}, {"content", "<p>hello</p>"}};
  auto made = world.graph(token, "POST", "me/events", event);
  INFO(made.raw);
  REQUIRE(made.status == 201);
  CHECK(made.body["start"] == json{{"dateTime", "2026-07-01T08:00:00.0000000"}, {"timeZone", "UTC"}});
  CHECK(made.body["end"]["dateTime"] == "2026-07-01T09:00:00.0000000");
  CHECK(made.body["originalStartTimeZone"] == "GMT Standard Time");
  CHECK(made.body["showAs"] == "busy");
  std::string id = World::encoded(made.body["id"]);
  auto patched = world.graph(token, "PATCH", "me/events/" + id, {{"subject", "New"}, {"showAs", "free"}});
  REQUIRE(patched.status == 200);
  CHECK(patched.body["body"]["content"] == "<p>hello</p>");
  CHECK(patched.body["start"] == made.body["start"]);
  CHECK(patched.body["@odata.etag"] != made.body["@odata.etag"]);
  CHECK(world.graph(token, "DELETE", "me/events/" + id, {}, {{"If-Match", made.body["@odata.etag"]}}).status == 412);
  CHECK(world.graph(token, "DELETE", "me/events/" + id).status == 204);
  CHECK(world.graph(token, "DELETE", "me/events/" + id).reason() == "ErrorItemNotFound");
  CHECK(world.graph(token, "GET", "me/events/" + id).status == 404);
  CHECK(world.graph(token, "PATCH", "me/events/" + id, {{"subject", "x"}}).status == 404);
}

TEST_CASE("Graph refuses bodies that its description or its rules do not allow") {
  World world;
  std::string token = world.graphToken();
  struct Wrong {
    const char* what;
    json patch;
    const char* code;
  };
  auto time = [](const char* text, const char* zone) { return json{{"dateTime", text}, {"timeZone", zone}}; };
  auto wrong = GENERATE_REF(values<Wrong>({
      {"unknown property", {{"title", "x"}}, "RequestBodyRead"},
      {"number for a string", {{"subject", 5}}, "RequestBodyRead"},
      {"location as a string", {{"location", "here"}}, "RequestBodyRead"},
      {"showAs of no such value", {{"showAs", "transparent"}}, "RequestBodyRead"},
      {"sensitivity public", {{"sensitivity", "public"}}, "RequestBodyRead"},
      {"body of another type", {{"body", {{"contentType", "markdown"}, {"content", "x"}}}}, "RequestBodyRead"},
      {"no start", {{"start", nullptr}}, "ErrorPropertyValidationFailure"},
      {"no zone", {{"start", {{"dateTime", "2026-12-01T09:00:00"}}}}, "ErrorInvalidRequest"},
      {"unlisted zone", {{"start", time("2026-12-01T09:00:00", "Europe/Busingen")}}, "TimeZoneNotSupportedException"},
      {"unknown zone",
       {{"start", time("2026-12-01T09:00:00", "Atlantis Standard Time")}},
       "TimeZoneNotSupportedException"},
      {"no such day", {{"start", time("2026-02-30T09:00:00", "UTC")}}, "ErrorInvalidRequest"},
      {"end before start", {{"end", time("2026-12-01T08:00:00", "UTC")}}, "ErrorCalendarEndDateIsEarlierThanStartDate"},
      {"all-day not at midnight", {{"isAllDay", true}}, "ErrorPropertyValidationFailure"},
      {"all-day of no length",
       {{"isAllDay", true}, {"start", time("2026-12-01T00:00:00", "UTC")}, {"end", time("2026-12-01T00:00:00", "UTC")}},
       "ErrorInvalidRequest"},
      {"all-day in two zones",
       {{"isAllDay", true},
        {"start", time("2026-12-01T00:00:00", "Europe/London")},
        {"end", time("2026-12-02T00:00:00", "UTC")}},
       "ErrorPropertyValidationFailure"},
      {"odd property id",
       {{"singleValueExtendedProperties", {{{"id", "calbridge"}, {"value", "x"}}}}},
       "ErrorInvalidProperty"},
      {"property without a value", {{"singleValueExtendedProperties", {{{"id", kProperty}}}}}, "ErrorInvalidProperty"},
  }));
  CAPTURE(wrong.what);
  json event = graphEvent();
  event.update(wrong.patch);
  auto answer = world.graph(token, "POST", "me/events", event);
  CAPTURE(answer.raw);
  CHECK(answer.status == 400);
  CHECK(answer.reason() == wrong.code);
  CHECK(answer.body["error"]["innerError"].contains("request-id"));
  CHECK(world.graph(token, "GET", "me/events").body["value"].empty());
}

TEST_CASE("an all-day event in the zone of its midnight is taken, also when that day has 23 hours") {
  World world;
  std::string token = world.graphToken();
  json event = graphEvent();
  event["isAllDay"] = true;
  event["start"] = {{"dateTime", "2026-03-29T00:00:00"}, {"timeZone", "Europe/London"}};
  event["end"] = {{"dateTime", "2026-03-30T00:00:00"}, {"timeZone", "Europe/London"}};
  auto made = world.graph(token, "POST", "me/events", event);
  INFO(made.raw);
  REQUIRE(made.status == 201);
  CHECK(world.graph(token, "PATCH", "me/events/" + World::encoded(made.body["id"]), {{"subject", "x"}}).status == 200);
  CHECK(world
            .graph(token, "PATCH", "me/events/" + World::encoded(made.body["id"]),
                   {{"end", {{"dateTime", "2026-03-31T00:00:00"}, {"timeZone", "Europe/London"}}}})
            .status == 200);
}

TEST_CASE("a transactionId works once, in each of the two ways of refusing, and cannot be changed") {
  World world;
  std::string token = world.graphToken();
  json event = graphEvent();
  event["transactionId"] = "7E163156-7762-4BEB-A1C6-729EA81755A7";
  auto made = world.graph(token, "POST", "me/events", event);
  REQUIRE(made.status == 201);
  auto again = world.graph(token, "POST", "me/events", event);
  CHECK(again.status == 400);
  CHECK(again.reason() == "ErrorDuplicateTransactionId");
  CHECK(again.body["error"]["@event.existingEventId"] == made.body["id"]);
  world.sandbox.settings().graphDuplicateStatus = 409;
  again = world.graph(token, "POST", "me/events", event);
  CHECK(again.status == 409);
  CHECK_FALSE(again.body["error"].contains("@event.existingEventId"));
  std::string target = "me/events/" + World::encoded(made.body["id"]);
  CHECK(world.graph(token, "PATCH", target, {{"transactionId", "other"}}).status == 400);
  world.graph(token, "DELETE", target);
  CHECK(world.graph(token, "POST", "me/events", event).status == 201); // free again by default
  world.sandbox.settings().graphTransactionTaken = true;
  std::string second = world.graph(token, "GET", "me/events").body["value"][0]["id"];
  world.graph(token, "DELETE", "me/events/" + World::encoded(second));
  CHECK(world.graph(token, "POST", "me/events", event).status == 409);
}

TEST_CASE("our own property finds the event, and is told only when expanded") {
  World world;
  std::string token = world.graphToken();
  json event = graphEvent();
  event["singleValueExtendedProperties"] = {{{"id", kProperty}, {"value", "it's-1"}}};
  auto made = world.graph(token, "POST", "me/events", event);
  REQUIRE(made.status == 201);
  CHECK_FALSE(made.body.contains("singleValueExtendedProperties"));
  auto found = world.graph(token, "GET", "me/events" + filterFor("it''s-1"));
  INFO(found.raw);
  REQUIRE(found.body["value"].size() == 1);
  CHECK_FALSE(found.body["value"][0].contains("singleValueExtendedProperties"));
  CHECK(world.graph(token, "GET", "me/events" + filterFor("other")).body["value"].empty());
  std::string expand = "$expand=" + World::encoded("singleValueExtendedProperties($filter=id eq '" + kProperty + "')");
  auto expanded = world.graph(token, "GET", "me/events/" + World::encoded(made.body["id"]) + "?" + expand);
  CHECK(expanded.body["singleValueExtendedProperties"][0]["value"] == "it's-1");
  CHECK(world.graph(token, "GET", "me/events?$filter=" + World::encoded("subject eq 'x'")).status == 400);
  CHECK(world.graph(token, "GET", "me/events?$expand=attachments").status == 400);
}

TEST_CASE("ids have two forms, are case-sensitive, and a forgotten Prefer header is noticed") {
  World world;
  std::string token = world.graphToken();
  std::string id = world.graph(token, "POST", "me/events", graphEvent()).body["id"];
  CHECK(world.sandbox.control("GET", "/control/violations").empty());
  std::string swapped = id;
  for (std::size_t i = 6; i + 4 < swapped.size(); ++i)
    swapped[i] = static_cast<char>(std::isupper(swapped[i]) ? std::tolower(swapped[i]) : std::toupper(swapped[i]));
  CHECK(world.graph(token, "GET", "me/events/" + World::encoded(swapped)).status == 404);
  CHECK(world.graph(token, "GET", "me/events/nonsense").reason() == "ErrorInvalidIdMalformed");
  auto plain =
      world.ask("GET", "/outlook/v1.0/me/events/" + World::encoded(id), {}, {{"Authorization", "Bearer " + token}});
  CHECK(plain.body["id"] != id);
  CHECK_FALSE(world.sandbox.control("GET", "/control/violations").empty());
}

TEST_CASE("calendars can be made, are looked up by id, and their names are unique") {
  World world;
  std::string token = world.graphToken();
  auto made = world.graph(token, "POST", "me/calendars", {{"name", "Bookings"}});
  REQUIRE(made.status == 201);
  CHECK(world.graph(token, "POST", "me/calendars", {{"name", "Bookings"}}).reason() == "ErrorFolderExists");
  CHECK(world.graph(token, "GET", "me/calendars").body["value"].size() == 2);
  CHECK(world.graph(token, "GET", "me/calendar").body["isDefaultCalendar"] == true);
  std::string id = World::encoded(made.body["id"]);
  auto event = world.graph(token, "POST", "me/calendars/" + id + "/events", graphEvent());
  CHECK(event.status == 201);
  CHECK(world.graph(token, "GET", "me/calendars/" + id + "/events").body["value"].size() == 1);
  CHECK(world.graph(token, "GET", "me/events/" + World::encoded(event.body["id"])).status == 200);
  CHECK(world
            .graph(token, "GET",
                   "me/calendars/" + id +
                       "/calendarView?startDateTime=2026-12-01T00:00:00Z&endDateTime=2026-12-02T00:00:00Z")
            .body["value"]
            .size() == 1);
  CHECK(world.graph(token, "DELETE", "me/calendars/" + id).status == 204);
  CHECK(world.graph(token, "POST", "me/calendars/" + id + "/events", graphEvent()).reason() == "ErrorItemNotFound");
}

TEST_CASE("scopes are checked: /me needs User.Read, writing needs Calendars.ReadWrite") {
  World world;
  std::string reader = world.connect(Kind::outlook, "r@outlook.example", "Calendars.Read")["access_token"];
  CHECK(world.graph(reader, "GET", "me").reason() == "Authorization_RequestDenied");
  CHECK(world.graph(reader, "GET", "me/events").status == 200);
  CHECK(world.graph(reader, "POST", "me/events", graphEvent()).reason() == "ErrorAccessDenied");
  std::string token = world.graphToken("b@outlook.example");
  auto me = world.graph(token, "GET", "me").body;
  CHECK(me["mail"] == "b@outlook.example");
  CHECK(me["userPrincipalName"] == "b@outlook.example");
  CHECK_FALSE(me["id"].get<std::string>().empty());
}

TEST_CASE("a mailbox is throttled in number and in concurrency, with Retry-After") {
  World world;
  std::string token = world.graphToken();
  world.sandbox.control("PATCH", "/control/settings", {{"graph_per_mailbox", 2}, {"graph_retry_after", 7}});
  CHECK(world.graph(token, "GET", "me/events").status == 200);
  CHECK(world.graph(token, "GET", "me/events").status == 200);
  auto refused = world.graph(token, "GET", "me/events");
  CHECK(refused.status == 429);
  CHECK(refused.reason() == "ApplicationThrottled");
  CHECK(refused.header("Retry-After") == "7");
  world.time.ms += 600'001;
  CHECK(world.graph(token, "GET", "me/events").status == 200);

  world.sandbox.control("PATCH", "/control/settings", {{"graph_per_mailbox", 10000}, {"latency_ms", 300}});
  std::atomic<int> fine{0}, throttled{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 12; ++i)
    threads.emplace_back([&] {
      int status = world.graph(token, "GET", "me/events").status;
      ++(status == 200 ? fine : throttled);
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(fine >= 4);
  CHECK(throttled >= 1);
}
