#include "plugins/scripted_host.hpp"

#include <catch2/catch.hpp>

using namespace calbridge::testing;

namespace {

const std::string kAuthority = "http://127.0.0.1:1/common";
const std::string kApi = "http://127.0.0.1:1/graph/v1.0";
const std::string kToken = kAuthority + "/oauth2/v2.0/token";
const std::string kMe = kApi + "/me?$select=id,mail,userPrincipalName";
const std::string kEvents = kApi + "/me/events";
const std::string kKey = "0b4e3a52-7c1d-4f6e-9a8b-1c2d3e4f5a6b";
const std::string kAccessToken = "canary-access-token";
const std::string kProperty = "String {6f1c2a4e-93d7-4b58-8a0e-5d2b7c9e4f13} Name CalbridgeUid";
const std::string kLookUp =
    kEvents +
    "?%24filter=singleValueExtendedProperties%2FAny%28ep%3A%20ep%2Fid%20eq%20%27String%20%7B6f1c2a4e-93d7-4b58-"
    "8a0e-5d2b7c9e4f13%7D%20Name%20CalbridgeUid%27%20and%20ep%2Fvalue%20eq%20%27u-1%27%29"
    "&%24select=id%2CwebLink&%24top=10";
const std::string kMark =
    "?%24select=id%2CwebLink&%24expand=singleValueExtendedProperties%28%24filter%3Did%20eq%20%27String"
    "%20%7B6f1c2a4e-93d7-4b58-8a0e-5d2b7c9e4f13%7D%20Name%20CalbridgeUid%27%29";

std::string eventUrl(const std::string& id) {
  return kEvents + "/" + id;
}
std::string eventJson(const std::string& id, const std::string& mark = {}) {
  Json json = {{"@odata.etag", "W/\"1\""}, {"id", id}, {"webLink", "https://outlook.example/" + id}};
  if (!mark.empty()) {
    json["singleValueExtendedProperties"] = {{{"id", kProperty}, {"value", mark}}};
  }
  return json.dump();
}
std::string listJson(const std::vector<std::string>& ids) {
  Json list = Json::array();
  for (const auto& id : ids) {
    list.push_back(Json::parse(eventJson(id)));
  }
  return Json{{"value", list}}.dump();
}
std::string errorJson(const std::string& code, Json more = Json::object()) {
  more["code"] = code;
  more["message"] = "said by the provider";
  return Json{{"error", more}}.dump();
}

Json upsertJson(const std::string& knownId = {}) {
  Json json = {{"operation", "upsert"},
               {"access_token", kAccessToken},
               {"uid", "u-1"},
               {"idempotency_key", kKey},
               {"sequence", 3},
               {"stamp", "2026-11-22T10:00:00Z"},
               {"entry",
                {{"title", "Deep clean"},
                 {"description", "Bring keys"},
                 {"location", "1 High Street"},
                 {"all_day", false},
                 {"start", "2026-12-01T09:00:00"},
                 {"end", "2026-12-01T11:00:00"},
                 {"timezone", "Asia/Kolkata"},
                 {"start_utc", "2026-12-01T03:30:00Z"},
                 {"end_utc", "2026-12-01T05:30:00Z"},
                 {"reminders", {30, 1440}},
                 {"show_as", "busy"},
                 {"visibility", "private"},
                 {"status", "confirmed"},
                 {"url", ""}}}};
  if (!knownId.empty()) {
    json["provider_event_id"] = knownId;
  }
  return json;
}
Json deleteJson(const std::string& knownId = {}) {
  Json json = {{"operation", "delete"}, {"access_token", kAccessToken}, {"uid", "u-1"}, {"idempotency_key", kKey}};
  if (!knownId.empty()) {
    json["provider_event_id"] = knownId;
  }
  return json;
}
const Json kExchange = {
    {"redirect_uri", "http://localhost:8000/cb"}, {"code", "canary-code"}, {"code_verifier", "canary-verifier"}};
Json tokenJson() {
  return {{"access_token", "at"},
          {"refresh_token", "rt2"},
          {"expires_in", 3600},
          {"scope", "https://graph.microsoft.com/User.Read https://graph.microsoft.com/Calendars.ReadWrite"}};
}

struct Outlook : ScriptedHost {
  Outlook() : ScriptedHost(CALBRIDGE_PLUGIN_outlook) {
    REQUIRE(create({{"client_id", "client"},
                    {"client_secret", "s+e&cret"},
                    {"settings", {{"authority_url", kAuthority + "/"}, {"api_url", kApi + "/"}}}})
                .status == "ok");
  }
  /// Every request of the last operation asked for ids that survive a move.
  bool allImmutable() const {
    for (const Request& request : requests) {
      if (request.header("prefer") != "IdType=\"ImmutableId\"") {
        return false;
      }
    }
    return !requests.empty();
  }
};

} // namespace

TEST_CASE("the Microsoft consent page is asked for offline access to calendars, with PKCE") {
  Outlook host;
  Json request = {{"redirect_uri", "http://localhost:8000/cb"},
                  {"state", "s&t"},
                  {"code_challenge", "challenge"},
                  {"code_challenge_method", "S256"}};
  const std::string url = host.connect(request).body["authorization_url"];
  CHECK(url.starts_with(kAuthority + "/oauth2/v2.0/authorize?"));
  CHECK(queryOf(url) == std::map<std::string, std::string>{{"client_id", "client"},
                                                           {"redirect_uri", "http://localhost:8000/cb"},
                                                           {"response_type", "code"},
                                                           {"response_mode", "query"},
                                                           {"scope", "offline_access User.Read Calendars.ReadWrite"},
                                                           {"state", "s&t"},
                                                           {"code_challenge", "challenge"},
                                                           {"code_challenge_method", "S256"},
                                                           {"prompt", "select_account"}});
  request["login_hint"] = "sarah@example.com";
  const auto query = queryOf(host.connect(request).body["authorization_url"]);
  CHECK(query.at("login_hint") == "sarah@example.com");
  CHECK(query.count("prompt") == 0);
}

TEST_CASE("a Microsoft code becomes tokens and the account of the mailbox") {
  Outlook host;
  host.expect("POST", kToken, 200, tokenJson().dump());
  std::string label = "sarah@example.com";
  SECTION("with a mail address") {
    host.expect("GET", kMe, 200, R"({"id":"m-1","mail":"sarah@example.com","userPrincipalName":"s@tenant.example"})");
  }
  SECTION("with a principal name only") {
    label = "s@tenant.example";
    host.expect("GET", kMe, 200, R"({"id":"m-1","mail":null,"userPrincipalName":"s@tenant.example"})");
  }
  SECTION("with neither") {
    label = "Microsoft account";
    host.expect("GET", kMe, 200, R"({"id":"m-1"})");
  }
  const Outcome out = host.exchange(kExchange);
  REQUIRE(out.status == "ok");
  CHECK(host.requests[0].body.find("client_secret=s%2Be%26cret") != std::string::npos);
  CHECK(host.requests[0].form() ==
        std::map<std::string, std::string>{{"grant_type", "authorization_code"},
                                           {"code", "canary-code"},
                                           {"redirect_uri", "http://localhost:8000/cb"},
                                           {"code_verifier", "canary-verifier"},
                                           {"client_id", "client"},
                                           {"client_secret", "s+e&cret"},
                                           {"scope", "offline_access User.Read Calendars.ReadWrite"}});
  CHECK(host.requests[1].header("authorization") == "Bearer at");
  CHECK(out.body["refresh_token"] == "rt2");
  CHECK(out.body["account"] == Json{{"id", "m-1"}, {"label", label}});
}

TEST_CASE("an account that Microsoft does not name is no success") {
  Outlook host;
  host.expect("POST", kToken, 200, tokenJson().dump());
  SECTION("no id") {
    host.expect("GET", kMe, 200, R"({"mail":"x"})");
    CHECK(host.exchange(kExchange).status == "transient");
  }
  SECTION("no object") {
    host.expect("GET", kMe, 200, "[]");
    CHECK(host.exchange(kExchange).status == "transient");
  }
  SECTION("refused") {
    host.expect("GET", kMe, 403, errorJson("ErrorAccessDenied"));
    CHECK(host.exchange(kExchange).status == "reauth_required");
  }
}

TEST_CASE("a grant without calendars is told so") {
  Outlook host;
  Json token = tokenJson();
  token["scope"] = "User.Read Calendars.Read";
  host.expect("POST", kToken, 200, token.dump());
  const Outcome out = host.exchange(kExchange);
  CHECK(out.status == "reauth_required");
  CHECK(out.code() == "insufficient_scope");
}

TEST_CASE("a Microsoft refresh hands on the new refresh token") {
  Outlook host;
  Json token = tokenJson();
  SECTION("long scope names") {}
  SECTION("short scope names in any case") {
    token["scope"] = "user.read calendars.readwrite";
  }
  SECTION("no scope named: all was granted") {
    token.erase("scope");
  }
  host.expect("POST", kToken, 200, token.dump());
  const Outcome out = host.refresh({{"refresh_token", "rt1"}});
  REQUIRE(out.status == "ok");
  CHECK(out.body["refresh_token"] == "rt2");
  CHECK(host.requests[0].form().at("refresh_token") == "rt1");
  CHECK(host.requests[0].form().at("grant_type") == "refresh_token");
}

TEST_CASE("what Microsoft's token service refuses is told apart by its error alone") {
  struct Case {
    int http;
    std::string error;
    std::string status;
  };
  const auto it = GENERATE(values<Case>({{400, "invalid_grant", "reauth_required"},
                                         {400, "interaction_required", "reauth_required"},
                                         {400, "consent_required", "reauth_required"},
                                         {401, "invalid_client", "permanent"},
                                         {400, "unauthorized_client", "permanent"},
                                         {400, "invalid_request", "permanent"},
                                         {400, "invalid_scope", "permanent"},
                                         {503, "temporarily_unavailable", "transient"},
                                         {400, "temporarily_unavailable", "transient"}}));
  Outlook host;
  host.expect("POST", kToken, it.http,
              Json{{"error", it.error},
                   {"error_description", "AADSTS70000: canary-refresh"},
                   {"error_codes", {70000}},
                   {"trace_id", "t"},
                   {"correlation_id", "c"}}
                  .dump());
  const Outcome out = host.refresh({{"refresh_token", "canary-refresh"}});
  CAPTURE(it.error);
  CHECK(out.status == it.status);
  CHECK(out.code() == it.error);
  CHECK(out.body.dump().find("canary") == std::string::npos);
}

TEST_CASE("Microsoft has no revocation, so the plugin has none and names the page instead") {
  Outlook host;
  CHECK(host.plugin().revoke == nullptr);
  CHECK(host.manifest()["disconnect_url"] == "https://account.live.com/consent/Manage");
}

TEST_CASE("a new Outlook entry is one create with our transaction and our mark") {
  Outlook host;
  host.expect("POST", kEvents, 201, eventJson("new"));
  const Outcome out = host.push(upsertJson());
  REQUIRE(out.status == "ok");
  CHECK(out.body == Json{{"provider_event_id", "new"}, {"etag", "W/\"1\""}, {"link", "https://outlook.example/new"}});
  const Json body = host.requests[0].json();
  CHECK(body["transactionId"] == kKey);
  CHECK(body["singleValueExtendedProperties"] == Json{{{"id", kProperty}, {"value", "u-1"}}});
  CHECK(body.count("attendees") == 0);
  CHECK(host.requests[0].header("authorization") == "Bearer " + kAccessToken);
  CHECK(host.allImmutable());
}

TEST_CASE("a known Outlook entry is one update, which never names a transaction") {
  Outlook host;
  host.expect("PATCH", eventUrl("A%2Bb%2F%3D"), 200, eventJson("A+b/="));
  CHECK(host.push(upsertJson("A+b/=")).status == "ok");
  CHECK(host.requests[0].json().count("transactionId") == 0);
  CHECK(host.allImmutable());
}

TEST_CASE("a known Outlook entry that is gone is looked for before another is made") {
  Outlook host;
  host.expect("PATCH", eventUrl("known"), 404, errorJson("ErrorItemNotFound"));
  SECTION("found under another id") {
    host.expect("GET", kLookUp, 200, listJson({"moved"}));
    host.expect("PATCH", eventUrl("moved"), 200, eventJson("moved"));
    CHECK(host.push(upsertJson("known")).body["provider_event_id"] == "moved");
  }
  SECTION("nowhere") {
    host.expect("GET", kLookUp, 200, listJson({}));
    host.expect("POST", kEvents, 201, eventJson("new"));
    CHECK(host.push(upsertJson("known")).body["provider_event_id"] == "new");
  }
  SECTION("found and then gone") {
    host.expect("GET", kLookUp, 200, listJson({"moved"}));
    host.expect("PATCH", eventUrl("moved"), 404, errorJson("ErrorItemNotFound"));
    host.expect("POST", kEvents, 201, eventJson("new"));
    CHECK(host.push(upsertJson("known")).body["provider_event_id"] == "new");
  }
  SECTION("the look-up fails") {
    host.expect("GET", kLookUp, 503, "");
    CHECK(host.push(upsertJson("known")).status == "transient");
  }
  CHECK(host.allImmutable());
}

TEST_CASE("an id that Graph cannot even read is as good as gone") {
  Outlook host;
  host.expect("PATCH", eventUrl("known"), 400, errorJson("ErrorInvalidIdMalformed"));
  host.expect("GET", kLookUp, 200, listJson({}));
  host.expect("POST", kEvents, 201, eventJson("new"));
  CHECK(host.push(upsertJson("known")).body["provider_event_id"] == "new");
}

TEST_CASE("a second try without a known id looks before it creates") {
  Outlook host;
  Json request = upsertJson();
  request["attempt"] = 2;
  SECTION("the first one worked") {
    host.expect("GET", kLookUp, 200, listJson({"made"}));
    host.expect("PATCH", eventUrl("made"), 200, eventJson("made"));
    CHECK(host.push(request).body["provider_event_id"] == "made");
  }
  SECTION("the first one did not") {
    host.expect("GET", kLookUp, 200, listJson({}));
    host.expect("POST", kEvents, 201, eventJson("new"));
    CHECK(host.push(request).body["provider_event_id"] == "new");
  }
}

TEST_CASE("doubles of ours that a look-up finds are deleted") {
  Outlook host;
  Json request = upsertJson();
  request["attempt"] = 2;
  host.expect("GET", kLookUp, 200, listJson({"one", "two", "three"}));
  host.expect("PATCH", eventUrl("one"), 200, eventJson("one"));
  host.expect("DELETE", eventUrl("two"), 204);
  host.expect("DELETE", eventUrl("three"), 404, errorJson("ErrorItemNotFound"));
  CHECK(host.push(request).body["provider_event_id"] == "one");
}

TEST_CASE("a repeated transaction ends with the entry that it made") {
  Outlook host;
  SECTION("400 naming the event") {
    host.expect("POST", kEvents, 400, errorJson("ErrorDuplicateTransactionId", {{"@event.existingEventId", "made"}}));
  }
  SECTION("409") {
    host.expect("POST", kEvents, 409, errorJson("ErrorDuplicateTransactionId"));
  }
  SECTION("the code inside innerError") {
    host.expect("POST", kEvents, 400,
                errorJson("BadRequest", {{"innerError", {{"code", "ErrorDuplicateTransactionId"}}}}));
  }
  SECTION("the code inside innererror") {
    host.expect("POST", kEvents, 409,
                errorJson("BadRequest", {{"innererror", {{"code", "ErrorDuplicateTransactionId"}}}}));
  }
  host.expect("GET", kLookUp, 200, listJson({"made"}));
  host.expect("PATCH", eventUrl("made"), 200, eventJson("made"));
  const Outcome out = host.push(upsertJson());
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == "made");
  CHECK(host.allImmutable());
}

TEST_CASE("where the look-up lags, the event that Graph names is read back and taken only if it is ours") {
  Outlook host;
  host.expect("POST", kEvents, 400, errorJson("ErrorDuplicateTransactionId", {{"@event.existingEventId", "made"}}));
  host.expect("GET", kLookUp, 200, listJson({}));
  SECTION("ours") {
    host.expect("GET", eventUrl("made") + kMark, 200, eventJson("made-immutable", "u-1"));
    host.expect("PATCH", eventUrl("made-immutable"), 200, eventJson("made-immutable"));
    CHECK(host.push(upsertJson()).body["provider_event_id"] == "made-immutable");
  }
  SECTION("somebody else's") {
    host.expect("GET", eventUrl("made") + kMark, 200, eventJson("made", "other"));
    host.expect("POST", kEvents, 201, eventJson("new"));
    CHECK(host.push(upsertJson()).body["provider_event_id"] == "new");
    CHECK(host.requests.back().json()["transactionId"] == kKey + "-1");
  }
  SECTION("deleted since") {
    host.expect("GET", eventUrl("made") + kMark, 404, errorJson("ErrorItemNotFound"));
    host.expect("POST", kEvents, 201, eventJson("new"));
    CHECK(host.push(upsertJson()).body["provider_event_id"] == "new");
  }
  SECTION("unavailable") {
    host.expect("GET", eventUrl("made") + kMark, 503, "");
    CHECK(host.push(upsertJson()).status == "transient");
  }
}

TEST_CASE("transactions that are all remembered end the try, for later") {
  Outlook host;
  int creates = 0;
  host.answerAll = [&](const Request& request) -> std::pair<int, std::string> {
    if (request.method == "POST") {
      ++creates;
      return {409, errorJson("ErrorDuplicateTransactionId")};
    }
    return {200, listJson({})};
  };
  CHECK(host.push(upsertJson()).status == "transient");
  CHECK(creates == 4);
}

TEST_CASE("what Graph refuses is told apart") {
  struct Case {
    int http;
    std::string error;
    Headers headers;
    std::string status;
    long retry;
  };
  const auto it = GENERATE(values<Case>({{401, "InvalidAuthenticationToken", {}, "reauth_required", -1},
                                         {403, "ErrorAccessDenied", {}, "reauth_required", -1},
                                         {403, "ErrorQuotaExceeded", {}, "rate_limited", 3600000},
                                         {507, "", {}, "rate_limited", 3600000},
                                         {429, "ApplicationThrottled", {{"Retry-After", "10"}}, "rate_limited", 10000},
                                         {429, "", {}, "rate_limited", -1},
                                         {503, "ErrorServerBusy", {{"retry-after", "20"}}, "transient", 20000},
                                         {503, "", {{"retry-after", "20"}}, "transient", 20000},
                                         {504, "UnknownError", {}, "transient", -1},
                                         {500, "ErrorInternalServerError", {}, "transient", -1},
                                         {408, "", {}, "transient", -1},
                                         {423, "", {}, "transient", -1},
                                         {409, "ErrorIrresolvableConflict", {}, "conflict", -1},
                                         {412, "ErrorIrresolvableConflict", {}, "conflict", -1},
                                         {404, "MailboxNotEnabledForRESTAPI", {}, "permanent", -1},
                                         {404, "ErrorItemNotFound", {}, "not_found", -1},
                                         {400, "TimeZoneNotSupportedException", {}, "permanent", -1},
                                         {400, "ErrorInvalidRequest", {}, "permanent", -1},
                                         {403, "ErrorFolderSavePropertyError", {}, "permanent", -1},
                                         {413, "", {}, "permanent", -1},
                                         {302, "", {}, "transient", -1}}));
  Outlook host;
  host.expect("POST", kEvents, it.http, it.error.empty() ? "<html>oops</html>" : errorJson(it.error), it.headers);
  const Outcome out = host.push(upsertJson());
  CAPTURE(it.http, it.error);
  CHECK(out.status == it.status);
  CHECK(out.code() == it.error);
  CHECK(out.retryAfterMs() == it.retry);
  CHECK(out.body.dump().find("canary") == std::string::npos);
}

TEST_CASE("an Outlook success that cannot be read is tried again") {
  Outlook host;
  const std::string body = GENERATE("", "<html>", "{\"id\":\"x", "[]", "{}", "{\"id\":7}");
  host.expect("POST", kEvents, 201, body);
  CHECK(host.push(upsertJson()).status == "transient");
}

TEST_CASE("a look-up answer that is no list is tried again") {
  Outlook host;
  const std::string body = GENERATE("{}", "[]", "{\"value\":{}}", "{\"value\":[{}]}");
  host.expect("GET", kLookUp, 200, body);
  CHECK(host.push(deleteJson()).status == "transient");
}

TEST_CASE("deleting a known Outlook entry is one request") {
  Outlook host;
  host.expect("DELETE", eventUrl("known"), 204);
  CHECK(host.push(deleteJson("known")).status == "ok");
  CHECK(host.allImmutable());
}

TEST_CASE(
    "deleting a known Outlook entry that is gone is fine, and deletes one that another host made under our mark") {
  Outlook host;
  host.expect("DELETE", eventUrl("known"), 404, errorJson("ErrorItemNotFound"));
  SECTION("there is none") {
    host.expect("GET", kLookUp, 200, listJson({}));
  }
  SECTION("there is one, made after the backup on which we work") {
    host.expect("GET", kLookUp, 200, listJson({"later"}));
    host.expect("DELETE", eventUrl("later"), 204);
  }
  CHECK(host.push(deleteJson("known")).status == "ok");
  CHECK(host.allImmutable());
}

TEST_CASE("an Outlook delete that did not work is no success") {
  Outlook host;
  host.expect("DELETE", eventUrl("known"), 429, "", {{"Retry-After", "4"}});
  const Outcome out = host.push(deleteJson("known"));
  CHECK(out.status == "rate_limited");
  CHECK(out.retryAfterMs() == 4000);
}

TEST_CASE("an Outlook entry whose creation was never recorded is found by our mark and deleted") {
  Outlook host;
  SECTION("there") {
    host.expect("GET", kLookUp, 200, listJson({"one", "two"}));
    host.expect("DELETE", eventUrl("one"), 204);
    host.expect("DELETE", eventUrl("two"), 204);
  }
  SECTION("never made") {
    host.expect("GET", kLookUp, 200, listJson({}));
  }
  CHECK(host.push(deleteJson()).status == "ok");
}

TEST_CASE("an Outlook entry that is to say cancelled is deleted") {
  Outlook host;
  Json request = upsertJson("known");
  request["entry"]["status"] = "cancelled";
  host.expect("DELETE", eventUrl("known"), 204);
  const Outcome out = host.push(request);
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == "known");
}

TEST_CASE("an Outlook entry that says cancelled from the start is none, and still has a name") {
  Outlook host;
  Json request = upsertJson();
  request["entry"]["status"] = "cancelled";
  host.expect("GET", kLookUp, 200, listJson({}));
  const Outcome out = host.push(request);
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == "u-1");
}

TEST_CASE("a malformed request to the Outlook plugin is refused before any HTTP") {
  Outlook host;
  Json request = upsertJson();
  SECTION("a start that is none") {
    request["entry"]["start_utc"] = "tomorrow";
  }
  SECTION("an all-day start that does not exist") {
    request["entry"]["all_day"] = true;
    request["entry"]["start"] = "2026-02-30";
  }
  SECTION("an attempt that is no number") {
    request["attempt"] = "two";
  }
  CHECK(host.push(request).status == "invalid_request");
}
