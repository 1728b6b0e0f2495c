#include "plugins/google_fixture.hpp"

#include <set>

using namespace calbridge::testing;

TEST_CASE("a new entry is one insert with an id of our own choosing") {
  Google host;
  host.expect("POST", insertUrl(), 200, eventJson(kId0));
  const Outcome out = host.push(upsertJson());
  REQUIRE(out.status == "ok");
  CHECK(out.body == Json{{"provider_event_id", kId0}, {"etag", "\"1\""}, {"link", "https://calendar.example/" + kId0}});
  CHECK(host.requests[0].header("authorization") == "Bearer " + kAccessToken);
  CHECK(host.requests[0].header("content-type") == "application/json; charset=utf-8");
  const Json body = host.requests[0].json();
  CHECK(body["id"] == kId0);
  CHECK(body["extendedProperties"]["private"]["calbridgeUid"] == kUid);
  CHECK(body.count("attendees") == 0);
  CHECK(body.count("sequence") == 0);
}

TEST_CASE("a known entry is one conditional update") {
  Google host;
  host.expect("PUT", writeUrl("known"), 200, eventJson("known", "\"2\""));
  const Outcome out = host.push(upsertJson("known", "\"1\""));
  CHECK(out.status == "ok");
  CHECK(out.body["etag"] == "\"2\"");
  CHECK(host.requests[0].header("if-match") == "\"1\"");
  CHECK(host.requests[0].json().count("id") == 0);
}

TEST_CASE("without an etag the update is unconditional") {
  Google host;
  host.expect("PUT", writeUrl("known"), 200, eventJson("known"));
  CHECK(host.push(upsertJson("known")).status == "ok");
  CHECK(host.requests[0].header("if-match").empty());
}

TEST_CASE("an entry that the person edited by hand is brought back to what it should say") {
  Google host;
  host.expect("PUT", writeUrl("known"), 412, errorJson(412, "conditionNotMet"));
  host.expect("GET", readUrl("known"), 200, seenJson("known", "confirmed"));
  host.expect("PUT", writeUrl("known"), 200, eventJson("known", "\"10\""));
  const Outcome out = host.push(upsertJson("known", "\"1\""));
  CHECK(out.status == "ok");
  CHECK(out.body["etag"] == "\"10\"");
  CHECK(host.requests[2].header("if-match") == "\"9\"");
}

TEST_CASE("an entry that is edited again meanwhile is left for the next try") {
  Google host;
  host.expect("PUT", writeUrl("known"), 412, errorJson(412, "conditionNotMet"));
  host.expect("GET", readUrl("known"), 200, seenJson("known", "confirmed"));
  host.expect("PUT", writeUrl("known"), 412, errorJson(412, "conditionNotMet"));
  CHECK(host.push(upsertJson("known", "\"1\"")).status == "conflict");
}

TEST_CASE("an entry that the person deleted is revived") {
  Google host;
  SECTION("seen by its changed etag") {
    host.expect("PUT", writeUrl("known"), 412, errorJson(412, "conditionNotMet"));
  }
  SECTION("seen by a refusal") {
    host.expect("PUT", writeUrl("known"), 403, errorJson(403, "forbidden"));
  }
  host.expect("GET", readUrl("known"), 200, seenJson("known", "cancelled"));
  host.expect("PUT", writeUrl("known"), 200, eventJson("known", "\"10\""));
  const Outcome out = host.push(upsertJson("known", "\"1\""));
  CHECK(out.status == "ok");
  CHECK(host.requests[2].header("if-match").empty());
  CHECK(host.requests[2].json()["status"] == "confirmed");
}

TEST_CASE("an entry whose id Google no longer knows is made again") {
  Google host;
  SECTION("404 for the update") {
    host.expect("PUT", writeUrl("known"), 404, errorJson(404, "notFound"));
  }
  SECTION("410 for the update") {
    host.expect("PUT", writeUrl("known"), 410, errorJson(410, "deleted"));
  }
  SECTION("gone between the update and the look") {
    host.expect("PUT", writeUrl("known"), 412, errorJson(412, "conditionNotMet"));
    host.expect("GET", readUrl("known"), 404, errorJson(404, "notFound"));
  }
  SECTION("gone between the look and the second update") {
    host.expect("PUT", writeUrl("known"), 412, errorJson(412, "conditionNotMet"));
    host.expect("GET", readUrl("known"), 200, seenJson("known", "confirmed"));
    host.expect("PUT", writeUrl("known"), 410, errorJson(410, "deleted"));
  }
  SECTION("a deletion that cannot be undone") {
    host.expect("PUT", writeUrl("known"), 412, errorJson(412, "conditionNotMet"));
    host.expect("GET", readUrl("known"), 200, seenJson("known", "cancelled"));
    host.expect("PUT", writeUrl("known"), 403, errorJson(403, "forbidden"));
  }
  host.expect("POST", insertUrl(), 200, eventJson(kId0));
  const Outcome out = host.push(upsertJson("known", "\"1\""));
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == kId0);
}

TEST_CASE("an entry that is there but may not be written is refused for good") {
  Google host;
  host.expect("PUT", writeUrl("known"), 403, errorJson(403, "forbiddenForNonOrganizer"));
  host.expect("GET", readUrl("known"), 200, seenJson("known", "confirmed"));
  const Outcome out = host.push(upsertJson("known", "\"1\""));
  CHECK(out.status == "permanent");
  CHECK(out.code() == "forbiddenForNonOrganizer");
}

TEST_CASE("an insert whose answer was lost ends with one entry and no further write") {
  Google host;
  host.expectFailure("POST", insertUrl(), CALBRIDGE_TRANSIENT, "truncated", true);
  const Outcome lost = host.push(upsertJson());
  CHECK(lost.status == "transient");
  CHECK(lost.code() == "http_truncated");
  const Json sent = host.requests[0].json();
  const std::string hash = sent["extendedProperties"]["private"]["calbridgeHash"];

  host.expect("POST", insertUrl(), 409, errorJson(409, "duplicate"));
  host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "confirmed", kUid, hash));
  const Outcome out = host.push(upsertJson());
  CHECK(host.requests[0].json() == sent);
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == kId0);
  CHECK(out.body["etag"] == "\"9\"");
}

TEST_CASE("an entry of ours that is there with other content is updated") {
  Google host;
  host.expect("POST", insertUrl(), 409, errorJson(409, "duplicate"));
  host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "confirmed"));
  host.expect("PUT", writeUrl(kId0), 200, eventJson(kId0, "\"10\""));
  const Outcome out = host.push(upsertJson());
  CHECK(out.status == "ok");
  CHECK(host.requests[2].header("if-match") == "\"9\"");
}

TEST_CASE("an entry of ours that was removed before is revived under its old id") {
  Google host;
  host.expect("POST", insertUrl(), 409, errorJson(409, "duplicate"));
  SECTION("still marked") {
    host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "cancelled"));
  }
  SECTION("reduced to its id") {
    host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "cancelled", ""));
  }
  host.expect("PUT", writeUrl(kId0), 200, eventJson(kId0));
  const Outcome out = host.push(upsertJson());
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == kId0);
  CHECK(host.requests[2].header("if-match").empty());
}

TEST_CASE("an id that cannot be had is left alone and another one is made, the same on every try") {
  Google host;
  host.expect("POST", insertUrl(), 409, errorJson(409, "duplicate"));
  SECTION("a deletion that cannot be undone") {
    host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "cancelled"));
    host.expect("PUT", writeUrl(kId0), 403, errorJson(403, "forbidden"));
  }
  SECTION("an entry of somebody else") {
    host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "confirmed", "other"));
  }
  SECTION("a deleted entry of somebody else") {
    host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "cancelled", "other"));
  }
  SECTION("an entry without a mark") {
    host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "confirmed", ""));
  }
  SECTION("taken but not to be seen") {
    host.expect("GET", readUrl(kId0), 404, errorJson(404, "notFound"));
  }
  SECTION("gone before the update") {
    host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "confirmed"));
    host.expect("PUT", writeUrl(kId0), 404, errorJson(404, "notFound"));
  }
  host.expect("POST", insertUrl(), 200, eventJson("another"));
  CHECK(host.push(upsertJson()).status == "ok");
  const std::string second = host.requests.back().json()["id"];
  CHECK(second != kId0);
  CHECK(second.find_first_not_of("0123456789abcdefghijklmnopqrstuv") == std::string::npos);

  host.expect("POST", insertUrl(), 409, errorJson(409, "duplicate"));
  host.expect("GET", readUrl(kId0), 404);
  host.expect("POST", insertUrl(), 200, eventJson("another"));
  CHECK(host.push(upsertJson()).status == "ok");
  CHECK(host.requests.back().json()["id"] == second);
}

TEST_CASE("an entry of ours that may not be taken over is refused, not doubled") {
  Google host;
  host.expect("POST", insertUrl(), 409, errorJson(409, "duplicate"));
  host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "confirmed"));
  SECTION("for good") {
    host.expect("PUT", writeUrl(kId0), 403, errorJson(403, "forbiddenForNonOrganizer"));
    CHECK(host.push(upsertJson()).status == "permanent");
  }
  SECTION("for now") {
    host.expect("PUT", writeUrl(kId0), 503);
    CHECK(host.push(upsertJson()).status == "transient");
  }
}

TEST_CASE("a calendar where no id can be had ends the try, for later") {
  Google host;
  std::set<std::string> tried;
  host.answerAll = [&](const Request& request) -> std::pair<int, std::string> {
    if (request.method == "POST") {
      tried.insert(request.json()["id"]);
      return {409, errorJson(409, "duplicate")};
    }
    return {404, errorJson(404, "notFound")};
  };
  CHECK(host.push(upsertJson()).status == "transient");
  CHECK(tried.size() == 8);
  CHECK(host.push(deleteJson()).status == "ok");
}

TEST_CASE("what the Calendar API refuses is told apart") {
  struct Case {
    int http;
    std::string reason;
    Headers headers;
    std::string status;
    long retry;
  };
  const auto it = GENERATE(values<Case>({{401, "authError", {}, "reauth_required", -1},
                                         {403, "insufficientPermissions", {}, "reauth_required", -1},
                                         {403, "rateLimitExceeded", {{"Retry-After", "30"}}, "rate_limited", 30000},
                                         {403, "userRateLimitExceeded", {}, "rate_limited", -1},
                                         {429, "rateLimitExceeded", {{"retry-after", "5"}}, "rate_limited", 5000},
                                         {429, "userRateLimitExceeded", {}, "rate_limited", -1},
                                         {403, "quotaExceeded", {}, "rate_limited", 3600000},
                                         {403, "quotaExceeded", {{"Retry-After", "7200"}}, "rate_limited", 7200000},
                                         {403, "quotaExceeded", {{"Retry-After", "60"}}, "rate_limited", 3600000},
                                         {403, "dailyLimitExceeded", {}, "rate_limited", 3600000},
                                         {403, "accessNotConfigured", {}, "permanent", -1},
                                         {403, "forbiddenForNonOrganizer", {}, "permanent", -1},
                                         {400, "invalid", {}, "permanent", -1},
                                         {400, "timeRangeEmpty", {}, "permanent", -1},
                                         {418, "", {}, "permanent", -1},
                                         {404, "notFound", {}, "not_found", -1},
                                         {408, "", {}, "transient", -1},
                                         {500, "backendError", {}, "transient", -1},
                                         {503, "", {{"Retry-After", "9"}}, "transient", 9000},
                                         {302, "", {}, "transient", -1}}));
  Google host;
  host.expect("POST", insertUrl(), it.http, it.reason.empty() ? "<html>oops</html>" : errorJson(it.http, it.reason),
              it.headers);
  const Outcome out = host.push(upsertJson());
  CAPTURE(it.http, it.reason);
  CHECK(out.status == it.status);
  CHECK(out.retryAfterMs() == it.retry);
  if (it.http != 404) {
    CHECK(out.code() == it.reason);
  }
  CHECK(out.message().find("canary") == std::string::npos);
}

TEST_CASE("a Retry-After date is measured by the host's clock") {
  Google host;
  host.nowMs = 1796119200000; // Tue, 01 Dec 2026 10:00:00 GMT
  host.expect("POST", insertUrl(), 429, "", {{"Retry-After", "Tue, 01 Dec 2026 10:01:00 GMT"}});
  CHECK(host.push(upsertJson()).retryAfterMs() == 60000);
}

TEST_CASE("a bad request is reported in the provider's words, without the token even if it says it") {
  Google host;
  host.expect("POST", insertUrl(), 400, errorJson(400, "invalid", "Invalid\nresource id value."));
  CHECK(host.push(upsertJson()).message().find("Invalid resource id value.") != std::string::npos);
  host.expect("POST", insertUrl(), 400, errorJson(400, kAccessToken, "bad token " + kAccessToken));
  CHECK(host.push(upsertJson()).body.dump().find("canary") == std::string::npos);
}

TEST_CASE("a success that cannot be read is tried again") {
  Google host;
  const std::string body = GENERATE("", "<html>", "{\"id\":\"cbr", "[]", "{\"etag\":\"1\"}", "{\"id\":7}");
  host.expect("POST", insertUrl(), 200, body);
  CHECK(host.push(upsertJson()).status == "transient");
}

TEST_CASE("a broken connection is passed on as what it was") {
  Google host;
  host.expectFailure("POST", insertUrl(), CALBRIDGE_DEADLINE, "timeout", true);
  CHECK(host.push(upsertJson()).status == "deadline");
  host.expectFailure("POST", insertUrl(), CALBRIDGE_PERMANENT, "refused_by_egress", false);
  CHECK(host.push(upsertJson()).status == "permanent");
  host.expectFailure("POST", insertUrl(), CALBRIDGE_CANCELLED, "cancelled", false);
  CHECK(host.push(upsertJson()).status == "cancelled");
}

TEST_CASE("a malformed request to the Google plugin is refused before any HTTP") {
  Google host;
  Json request = upsertJson();
  SECTION("no uid") {
    request.erase("uid");
  }
  SECTION("no entry") {
    request.erase("entry");
  }
  SECTION("an unknown operation") {
    request["operation"] = "merge";
  }
  SECTION("a start that is none") {
    request["entry"]["start"] = "tomorrow";
  }
  SECTION("a day that does not exist") {
    request["entry"]["start"] = "2026-02-30T09:00:00";
  }
  SECTION("an all-day entry with times") {
    request["entry"]["all_day"] = true;
  }
  SECTION("a title that is no text") {
    request["entry"]["title"] = 7;
  }
  CHECK(host.push(request).status == "invalid_request");
}
