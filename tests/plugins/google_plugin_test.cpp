#include "plugins/scripted_host.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

using namespace calbridge::testing;

namespace {

const std::string kApi = "http://127.0.0.1:1/calendar/v3";
const std::string kToken = "http://127.0.0.1:1/token";
const std::string kRevoke = "http://127.0.0.1:1/revoke";
const std::string kUid = "u-1";
const std::string kKey = "0b4e3a52-7c1d-4f6e-9a8b-1c2d3e4f5a6b";
const std::string kAccessToken = "canary-access-token";
const std::string kWrite = "?sendUpdates=none&prettyPrint=false&fields=id,etag,htmlLink";
const std::string kRead = "?prettyPrint=false&fields=id,etag,htmlLink,status,extendedProperties/private";
const std::string kId0 = "cbrekmj2"; // base32hex of the uid

std::string events(const std::string& calendar = "primary") {
  return kApi + "/calendars/" + calendar + "/events";
}
std::string insertUrl(const std::string& calendar = "primary") {
  return events(calendar) + kWrite;
}
std::string writeUrl(const std::string& id, const std::string& calendar = "primary") {
  return events(calendar) + "/" + id + kWrite;
}
std::string readUrl(const std::string& id, const std::string& calendar = "primary") {
  return events(calendar) + "/" + id + kRead;
}
std::string deleteUrl(const std::string& id, const std::string& calendar = "primary") {
  return events(calendar) + "/" + id + "?sendUpdates=none";
}
const std::string kList = kApi + "/users/me/calendarList?minAccessRole=owner&maxResults=250&prettyPrint=false"
                                 "&fields=items(id,description,deleted)";
const std::string kNewCalendar = kApi + "/calendars?prettyPrint=false&fields=id";

std::string eventJson(const std::string& id, const std::string& etag = "\"1\"") {
  return Json{{"id", id}, {"etag", etag}, {"htmlLink", "https://calendar.example/" + id}}.dump();
}
std::string seenJson(const std::string& id, const std::string& status, const std::string& uid = kUid,
                     const std::string& hash = "stale") {
  Json json = {{"id", id}, {"etag", "\"9\""}, {"htmlLink", "https://calendar.example/" + id}, {"status", status}};
  if (!uid.empty()) {
    json["extendedProperties"]["private"] = {{"calbridgeUid", uid}, {"calbridgeHash", hash}};
  }
  return json.dump();
}
std::string errorJson(int code, const std::string& reason, const std::string& message = "said by the provider") {
  return Json{{"error",
               {{"errors", {{{"domain", "global"}, {"reason", reason}, {"message", message}}}},
                {"code", code},
                {"message", message}}}}
      .dump();
}

Json entryJson() {
  return {{"title", "Deep clean"},
          {"description", "Bring <keys> & \"gloves\"\nSee you"},
          {"location", "1 High Street"},
          {"all_day", false},
          {"start", "2026-12-01T09:00:00"},
          {"end", "2026-12-01T11:00:00"},
          {"timezone", "Europe/London"},
          {"start_utc", "2026-12-01T09:00:00Z"},
          {"end_utc", "2026-12-01T11:00:00Z"},
          {"reminders", {30, 1440}},
          {"show_as", "busy"},
          {"visibility", "private"},
          {"status", "confirmed"},
          {"url", "https://app.example/o/77"}};
}
Json upsertJson(const std::string& knownId = {}, const std::string& etag = {}) {
  Json json = {
      {"operation", "upsert"}, {"access_token", kAccessToken},    {"uid", kUid},          {"idempotency_key", kKey},
      {"sequence", 3},         {"stamp", "2026-11-22T10:00:00Z"}, {"entry", entryJson()}, {"novelty", {1, 2}}};
  if (!knownId.empty()) {
    json["provider_event_id"] = knownId;
    json["etag"] = etag;
  }
  return json;
}
Json deleteJson(const std::string& knownId = {}) {
  Json json = {{"operation", "delete"}, {"access_token", kAccessToken}, {"uid", kUid}, {"idempotency_key", kKey}};
  if (!knownId.empty()) {
    json["provider_event_id"] = knownId;
  }
  return json;
}

struct Google : ScriptedHost {
  explicit Google(const std::string& calendar = "primary") : ScriptedHost(CALBRIDGE_PLUGIN_google) {
    const Outcome made = create({{"client_id", "client"},
                                 {"client_secret", "canary secret"},
                                 {"settings",
                                  {{"authorize_url", "http://127.0.0.1:1/auth"},
                                   {"token_url", kToken},
                                   {"revoke_url", kRevoke},
                                   {"api_url", kApi},
                                   {"calendar", calendar},
                                   {"calendar_name", "My bookings"}}}});
    REQUIRE(made.status == "ok");
  }
};

std::string base64Url(const std::string& text) {
  static const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) {
      out.push_back(digits[(bits >> (count - 6)) & 63U]);
    }
  }
  if (count > 0) {
    out.push_back(digits[(bits << (6 - count)) & 63U]);
  }
  return out;
}
std::string idToken(const Json& claims) {
  return base64Url(R"({"alg":"RS256"})") + "." + base64Url(claims.dump()) + ".c2ln";
}
Json tokenJson() {
  return {{"access_token", "at"},
          {"refresh_token", "rt"},
          {"expires_in", 3599},
          {"scope",
           "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/calendar.events"},
          {"token_type", "Bearer"},
          {"id_token", idToken({{"sub", "1234"}, {"email", "john@example.com"}})}};
}
const Json kExchange = {
    {"redirect_uri", "http://localhost:8000/cb"}, {"code", "canary-code"}, {"code_verifier", "canary-verifier"}};

} // namespace

TEST_CASE("the Google consent page is asked for offline access to events, with PKCE, and without any HTTP") {
  Google host;
  const Outcome out = host.connect({{"redirect_uri", "http://localhost:8000/api/calendar/google/callback/"},
                                    {"state", "s t&ate"},
                                    {"code_challenge", "challenge"},
                                    {"code_challenge_method", "S256"},
                                    {"login_hint", "john@example.com"}});
  REQUIRE(out.status == "ok");
  const std::string url = out.body["authorization_url"];
  CHECK(url.starts_with("http://127.0.0.1:1/auth?"));
  const auto query = queryOf(url);
  CHECK(query ==
        std::map<std::string, std::string>{{"client_id", "client"},
                                           {"redirect_uri", "http://localhost:8000/api/calendar/google/callback/"},
                                           {"response_type", "code"},
                                           {"scope", "openid email https://www.googleapis.com/auth/calendar.events"},
                                           {"access_type", "offline"},
                                           {"prompt", "consent"},
                                           {"state", "s t&ate"},
                                           {"code_challenge", "challenge"},
                                           {"code_challenge_method", "S256"},
                                           {"login_hint", "john@example.com"}});
}

TEST_CASE("a dedicated Google calendar asks for the narrow scope only") {
  Google host("dedicated");
  const Outcome out =
      host.connect({{"redirect_uri", "r"}, {"state", "s"}, {"code_challenge", "c"}, {"code_challenge_method", "S256"}});
  const auto query = queryOf(out.body["authorization_url"]);
  CHECK(query.at("scope") == "openid email https://www.googleapis.com/auth/calendar.app.created");
  CHECK(query.count("login_hint") == 0);
}

TEST_CASE("a Google code becomes tokens and the account of the id_token") {
  Google host;
  host.expect("POST", kToken, 200, tokenJson().dump());
  const Outcome out = host.exchange(kExchange);
  REQUIRE(out.status == "ok");
  CHECK(host.requests[0].form() == std::map<std::string, std::string>{{"grant_type", "authorization_code"},
                                                                      {"code", "canary-code"},
                                                                      {"redirect_uri", "http://localhost:8000/cb"},
                                                                      {"code_verifier", "canary-verifier"},
                                                                      {"client_id", "client"},
                                                                      {"client_secret", "canary secret"}});
  CHECK(out.body["access_token"] == "at");
  CHECK(out.body["refresh_token"] == "rt");
  CHECK(out.body["expires_in"] == 3599);
  CHECK(out.body["account"] == Json{{"id", "1234"}, {"label", "john@example.com"}});
}

TEST_CASE("a person who unticked the calendar permission is told so") {
  Google host;
  Json token = tokenJson();
  token["scope"] =
      "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/calendar.readonly";
  host.expect("POST", kToken, 200, token.dump());
  const Outcome out = host.exchange(kExchange);
  CHECK(out.status == "reauth_required");
  CHECK(out.code() == "insufficient_scope");
}

TEST_CASE("a Google token answer without an account or without JSON is no success") {
  Google host;
  Json token = tokenJson();
  SECTION("an id_token that is no JWT") {
    token["id_token"] = "garbage";
  }
  SECTION("an id_token with unreadable claims") {
    token["id_token"] = "a.!!.b";
  }
  SECTION("an id_token that names nobody") {
    token["id_token"] = idToken({{"email", "x"}});
  }
  SECTION("no access token") {
    token.erase("access_token");
  }
  SECTION("an array") {
    token = Json::array();
  }
  host.expect("POST", kToken, 200, token.dump());
  CHECK(host.exchange(kExchange).status == "transient");
}

TEST_CASE("without an id_token the primary calendar says whose account it is") {
  Google host;
  Json token = tokenJson();
  token.erase("id_token");
  host.expect("POST", kToken, 200, token.dump());
  const std::string primary = kApi + "/calendars/primary?prettyPrint=false&fields=id";
  SECTION("by its id") {
    host.expect("GET", primary, 200, R"({"id":"john@gmail.example"})");
    CHECK(host.exchange(kExchange).body["account"] ==
          Json{{"id", "john@gmail.example"}, {"label", "john@gmail.example"}});
  }
  SECTION("or the account stays without a name") {
    host.expect("GET", primary, 403, R"({"error":{"code":403,"errors":[{"reason":"insufficientPermissions"}]}})");
    CHECK(host.exchange(kExchange).body["account"] == Json{{"id", "unnamed"}, {"label", "Google account"}});
  }
}

TEST_CASE("an account without an e-mail address still has a label") {
  Google host;
  Json token = tokenJson();
  token["id_token"] = idToken({{"sub", "1234"}});
  host.expect("POST", kToken, 200, token.dump());
  CHECK(host.exchange(kExchange).body["account"] == Json{{"id", "1234"}, {"label", "Google account"}});
}

TEST_CASE("a Google refresh without a new refresh token keeps the old one") {
  Google host;
  Json token = tokenJson();
  token.erase("refresh_token");
  token.erase("id_token");
  host.expect("POST", kToken, 200, token.dump());
  const Outcome out = host.refresh({{"refresh_token", "canary-refresh"}});
  REQUIRE(out.status == "ok");
  CHECK(host.requests[0].form() == std::map<std::string, std::string>{{"grant_type", "refresh_token"},
                                                                      {"refresh_token", "canary-refresh"},
                                                                      {"client_id", "client"},
                                                                      {"client_secret", "canary secret"}});
  CHECK(out.body.count("refresh_token") == 0);
  CHECK(out.body.count("account") == 0);
}

TEST_CASE("what Google's token service refuses is told apart") {
  struct Case {
    int http;
    std::string body;
    Headers headers;
    std::string status;
    std::string code;
    long retry;
  };
  const auto it = GENERATE(
      values<Case>({{400,
                     R"({"error":"invalid_grant","error_description":"Token has been expired or revoked."})",
                     {},
                     "reauth_required",
                     "invalid_grant",
                     -1},
                    {401, R"({"error":"invalid_client"})", {}, "permanent", "invalid_client", -1},
                    {400, R"({"error":"unauthorized_client"})", {}, "permanent", "unauthorized_client", -1},
                    {400, R"({"error":"redirect_uri_mismatch"})", {}, "permanent", "redirect_uri_mismatch", -1},
                    {400, R"({"error":"invalid_request"})", {}, "permanent", "invalid_request", -1},
                    {403, R"({"error":"org_internal"})", {}, "permanent", "org_internal", -1},
                    {429, "slow down", {{"retry-after", "12"}}, "rate_limited", "", 12000},
                    {503, "<html>", {{"retry-after", "7"}}, "transient", "", 7000},
                    {500, "", {}, "transient", "", -1}}));
  Google host;
  host.expect("POST", kToken, it.http, it.body, it.headers);
  const Outcome out = host.refresh({{"refresh_token", "canary-refresh"}});
  CAPTURE(it.http, it.body);
  CHECK(out.status == it.status);
  CHECK(out.code() == it.code);
  CHECK(out.retryAfterMs() == it.retry);
  CHECK(out.body.dump().find("canary") == std::string::npos);
}

TEST_CASE("revoking a Google grant is fine with a token that is dead already") {
  Google host;
  SECTION("revoked") {
    host.expect("POST", kRevoke, 200, "{}");
    CHECK(host.revoke({{"access_token", "a"}, {"refresh_token", "r"}}).status == "ok");
    CHECK(host.requests[0].form() == std::map<std::string, std::string>{{"token", "r"}});
  }
  SECTION("dead already") {
    host.expect("POST", kRevoke, 400, R"({"error":"invalid_token"})");
    CHECK(host.revoke({{"access_token", "a"}}).status == "ok");
    CHECK(host.requests[0].form() == std::map<std::string, std::string>{{"token", "a"}});
  }
  SECTION("nothing to revoke") {
    CHECK(host.revoke(Json::object()).status == "ok");
  }
  SECTION("unavailable") {
    host.expect("POST", kRevoke, 503);
    CHECK(host.revoke({{"refresh_token", "r"}}).status == "transient");
  }
}

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

TEST_CASE("deleting a known entry is one request, and fine when it is gone") {
  Google host;
  const int http = GENERATE(204, 200, 404, 410);
  host.expect("DELETE", deleteUrl("known"), http, http >= 400 ? errorJson(http, "deleted") : "");
  CHECK(host.push(deleteJson("known")).status == "ok");
}

TEST_CASE("a delete that did not work is no success") {
  Google host;
  host.expect("DELETE", deleteUrl("known"), 503);
  CHECK(host.push(deleteJson("known")).status == "transient");
  host.expect("DELETE", deleteUrl("known"), 401, errorJson(401, "authError"));
  CHECK(host.push(deleteJson("known")).status == "reauth_required");
}

TEST_CASE("an entry whose creation was never recorded is found by its id and deleted only if it is ours") {
  Google host;
  SECTION("ours") {
    host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "confirmed"));
    host.expect("DELETE", deleteUrl(kId0), 204);
  }
  SECTION("never made") {
    host.expect("GET", readUrl(kId0), 404, errorJson(404, "notFound"));
  }
  CHECK(host.push(deleteJson()).status == "ok");
}

TEST_CASE("a first id that is deleted or somebody else's is no reason not to look at the next") {
  Google host;
  const std::string first = GENERATE(seenJson(kId0, "cancelled"), seenJson(kId0, "confirmed", "other"));
  // What the second id is, an insert tells.
  host.expect("POST", insertUrl(), 409, errorJson(409, "duplicate"));
  host.expect("GET", readUrl(kId0), 404);
  host.expect("POST", insertUrl(), 200, eventJson("x"));
  host.push(upsertJson());
  const std::string second = host.requests.back().json()["id"];

  host.expect("GET", readUrl(kId0), 200, first);
  host.expect("GET", readUrl(second), 200, seenJson(second, "confirmed"));
  host.expect("DELETE", deleteUrl(second), 204);
  CHECK(host.push(deleteJson()).status == "ok");
}

TEST_CASE("an entry that is to say cancelled is deleted") {
  Google host;
  Json request = upsertJson("known", "\"1\"");
  request["entry"]["status"] = "cancelled";
  host.expect("DELETE", deleteUrl("known"), 204);
  const Outcome out = host.push(request);
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == "known");
}

TEST_CASE("an entry that says cancelled from the start is none, and still has the id that it would get") {
  Google host;
  Json request = upsertJson();
  request["entry"]["status"] = "cancelled";
  host.expect("GET", readUrl(kId0), 404, errorJson(404, "notFound"));
  const Outcome out = host.push(request);
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == kId0);
}

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
