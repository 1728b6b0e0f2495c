#include "plugins/google_fixture.hpp"

using namespace calbridge::testing;

namespace {

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
