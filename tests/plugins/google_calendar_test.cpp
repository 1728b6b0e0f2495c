#include "plugins/google_fixture.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

using namespace calbridge::testing;

TEST_CASE("a dedicated calendar is made once and remembered") {
  Google host("dedicated");
  SECTION("the scope does not let calendars be listed") {
    host.expect("GET", kList, 403, errorJson(403, "insufficientPermissions"));
  }
  SECTION("there is none among those listed") {
    host.expect("GET", kList, 200, R"({"items":[{"id":"x","description":"Holidays"},{"id":"y"}]})");
  }
  SECTION("one of ours is there but deleted") {
    host.expect(
        "GET", kList, 200,
        R"({"items":[{"id":"x","deleted":true,"description":"Kept up to date by calbridge: changes made here by hand are overwritten."}]})");
  }
  SECTION("the list is no list") {
    host.expect("GET", kList, 200, "{}");
  }
  host.expect("POST", kNewCalendar, 200, R"({"id":"made@group"})");
  host.expect("POST", insertUrl("made%40group"), 200, eventJson(kId0));
  REQUIRE(host.push(upsertJson()).status == "ok");
  const Json made = host.requests[1].json();
  CHECK(made["summary"] == "My bookings");
  CHECK(made["timeZone"] == "Europe/London");
  CHECK(host.kv == std::map<std::string, std::string>{{"calendar_id", "made@group"}});

  host.expect("PUT", writeUrl(kId0, "made%40group"), 200, eventJson(kId0));
  CHECK(host.push(upsertJson(kId0, "\"1\"")).status == "ok");
}

TEST_CASE("two pushes at a time to one connection make one dedicated calendar") {
  Google host("dedicated");
  ScriptedHost other(host);
  std::mutex mutex;
  std::condition_variable changed;
  int gets = 0;
  int made = 0;
  std::set<std::string> inserted;
  host.onKvGet = [&] {
    const std::lock_guard lock(mutex);
    ++gets;
    changed.notify_all();
  };
  const auto answer = [&](const Request& request) -> std::pair<int, std::string> {
    std::unique_lock lock(mutex);
    if (request.url == kList) {
      // The first push has looked twice by now; the third look is the second push's, which saw no calendar either.
      changed.wait(lock, [&] { return gets >= 3; });
      return {403, errorJson(403, "insufficientPermissions")};
    }
    if (request.url == kNewCalendar) {
      return {200, "{\"id\":\"made" + std::to_string(++made) + "\"}"};
    }
    inserted.insert(request.url);
    return {200, eventJson(request.json()["id"])};
  };
  host.answerAll = answer;
  other.answerAll = answer;
  Json second = upsertJson();
  second["uid"] = "u-2";
  Outcome ofOther;
  std::thread thread([&] { ofOther = other.push(second); });
  const Outcome ofFirst = host.push(upsertJson());
  thread.join();
  CHECK(ofFirst.status == "ok");
  CHECK(ofOther.status == "ok");
  CHECK(made == 1);
  CHECK(inserted == std::set<std::string>{insertUrl("made1")});
}

TEST_CASE("a push that waits for the calendar in vain ends by its deadline") {
  Google host("dedicated");
  ScriptedHost other(host);
  other.remainingMs = 0;
  Outcome ofOther;
  host.answerAll = [&](const Request& request) -> std::pair<int, std::string> {
    if (request.url == kList) {
      std::thread([&] { ofOther = other.push(upsertJson()); }).join();
      return {403, errorJson(403, "insufficientPermissions")};
    }
    return {200, request.url == kNewCalendar ? "{\"id\":\"made\"}" : eventJson(kId0)};
  };
  CHECK(host.push(upsertJson()).status == "ok");
  CHECK(ofOther.status == "deadline");
}

TEST_CASE("a dedicated calendar that was forgotten is found again") {
  Google host("dedicated");
  host.expect(
      "GET", kList, 200,
      R"({"items":[{"id":"x"},{"id":"found","description":"Kept up to date by calbridge: changes made here by hand are overwritten."}]})");
  host.expect("POST", insertUrl("found"), 200, eventJson(kId0));
  CHECK(host.push(upsertJson()).status == "ok");
  CHECK(host.kv["calendar_id"] == "found");
}

TEST_CASE("a dedicated calendar that cannot be made now is tried again later") {
  Google host("dedicated");
  SECTION("listing is throttled") {
    host.expect("GET", kList, 429, "", {{"Retry-After", "3"}});
    const Outcome out = host.push(upsertJson());
    CHECK(out.status == "rate_limited");
    CHECK(out.retryAfterMs() == 3000);
  }
  SECTION("the token is refused") {
    host.expect("GET", kList, 401, errorJson(401, "authError"));
    CHECK(host.push(upsertJson()).status == "reauth_required");
  }
  SECTION("making is refused for now") {
    host.expect("GET", kList, 403, errorJson(403, "insufficientPermissions"));
    host.expect("POST", kNewCalendar, 403, errorJson(403, "quotaExceeded"));
    CHECK(host.push(upsertJson()).retryAfterMs() == 3600000);
  }
  SECTION("the answer cannot be read") {
    host.expect("GET", kList, 403, errorJson(403, "insufficientPermissions"));
    host.expect("POST", kNewCalendar, 200, "{}");
    CHECK(host.push(upsertJson()).status == "transient");
  }
  CHECK(host.kv.empty());
}

TEST_CASE("a dedicated calendar that the person deleted is made again with the entry in it") {
  Google host("dedicated");
  host.kv["calendar_id"] = "old";
  host.expect("PUT", writeUrl("known", "old"), 404, errorJson(404, "notFound"));
  host.expect("POST", insertUrl("old"), 404, errorJson(404, "notFound"));
  host.expect("GET", kApi + "/calendars/old?prettyPrint=false&fields=id", 404, errorJson(404, "notFound"));
  host.expect("GET", kList, 403, errorJson(403, "insufficientPermissions"));
  host.expect("POST", kNewCalendar, 200, R"({"id":"new"})");
  host.expect("POST", insertUrl("new"), 200, eventJson(kId0));
  const Outcome out = host.push(upsertJson("known", "\"1\""));
  CHECK(out.status == "ok");
  CHECK(host.kv["calendar_id"] == "new");
}

TEST_CASE("a calendar that is denied and there at once is tried again later") {
  Google host("dedicated");
  host.kv["calendar_id"] = "old";
  host.expect("POST", insertUrl("old"), 404, errorJson(404, "notFound"));
  host.expect("GET", kApi + "/calendars/old?prettyPrint=false&fields=id", 200, R"({"id":"old"})");
  CHECK(host.push(upsertJson()).status == "transient");
  host.expect("POST", insertUrl("old"), 404, errorJson(404, "notFound"));
  host.expect("GET", kApi + "/calendars/old?prettyPrint=false&fields=id", 503);
  CHECK(host.push(upsertJson()).status == "transient");
  CHECK(host.kv["calendar_id"] == "old");
}

TEST_CASE("a new calendar that is not there either ends the try") {
  Google host("dedicated");
  host.kv["calendar_id"] = "old";
  host.expect("POST", insertUrl("old"), 404, errorJson(404, "notFound"));
  host.expect("GET", kApi + "/calendars/old?prettyPrint=false&fields=id", 404, errorJson(404, "notFound"));
  host.expect("GET", kList, 403, errorJson(403, "insufficientPermissions"));
  host.expect("POST", kNewCalendar, 200, R"({"id":"new"})");
  host.expect("POST", insertUrl("new"), 404, errorJson(404, "notFound"));
  CHECK(host.push(upsertJson()).status == "not_found");
}

TEST_CASE("deleting from a dedicated calendar never makes one") {
  Google host("dedicated");
  SECTION("none is known or found") {
    host.expect("GET", kList, 403, errorJson(403, "insufficientPermissions"));
  }
  SECTION("it is known") {
    host.kv["calendar_id"] = "old";
    host.expect("DELETE", deleteUrl("known", "old"), 204);
  }
  CHECK(host.push(deleteJson("known")).status == "ok");
}

TEST_CASE("a primary calendar that is not there is reported as such") {
  Google host;
  host.expect("POST", insertUrl(), 404, errorJson(404, "notFound"));
  const Outcome out = host.push(upsertJson());
  CHECK(out.status == "not_found");
}
