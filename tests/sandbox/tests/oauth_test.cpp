#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::sandbox;

TEST_CASE("the consent page lets a person choose an account, and Deny comes back as access_denied") {
  World world;
  auto page = world.ask("GET", world.authorizeTarget(Kind::google, World::kEvents, "&access_type=offline"));
  REQUIRE(page.status == 200);
  CHECK(page.raw.find("john@gmail.example") != std::string::npos);
  CHECK(page.raw.find("sarah@outlook.example") == std::string::npos);
  auto handleOf = [](const Answer& answer) {
    std::size_t at = answer.raw.find("name=\"handle\" value=\"") + 21;
    return answer.raw.substr(at, answer.raw.find('"', at) - at);
  };
  auto allowed = world.form("/consent", {{"handle", handleOf(page)},
                                         {"decision", "allow"},
                                         {"account", "john@gmail.example"},
                                         {"other", "anna@gmail.example"},
                                         {"scope", "https://www.googleapis.com/auth/calendar.events"}});
  REQUIRE(allowed.status == 302);
  auto parameters = world.redirected(allowed);
  CHECK(http::find(parameters, "state") == "st-1");
  auto tokens = world.exchange(Kind::google, std::string(*http::find(parameters, "code")));
  REQUIRE(tokens.status == 200);
  CHECK(tokens.body["scope"] ==
        "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/calendar.events");
  std::string jwt = tokens.body["id_token"];
  std::string middle = jwt.substr(jwt.find('.') + 1, jwt.rfind('.') - jwt.find('.') - 1);
  for (char& c : middle)
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  json claims = json::parse(*base64Decode(middle));
  CHECK(claims["email"] == "anna@gmail.example");
  CHECK(claims["sub"].get<std::string>().size() == 21);
  // The page works once.
  CHECK(world.form("/consent", {{"handle", handleOf(page)}, {"decision", "allow"}, {"account", "john@gmail.example"}})
            .status == 400);

  page = world.ask("GET", world.authorizeTarget(Kind::outlook, World::kGraph));
  auto denied = world.redirected(world.form("/consent", {{"handle", handleOf(page)}, {"decision", "deny"}}));
  CHECK(http::find(denied, "error") == "access_denied");
  CHECK(http::find(denied, "state") == "st-1");
}

TEST_CASE("an unticked scope is not granted, and then not usable") {
  World world;
  world.sandbox.control("POST", "/control/authorize",
                        {{"provider", "google"}, {"account", "john@gmail.example"}, {"scopes", {"openid"}}});
  auto parameters = world.redirected(world.ask("GET", world.authorizeTarget(Kind::google, World::kEvents)));
  auto tokens = world.exchange(Kind::google, std::string(*http::find(parameters, "code"))).body;
  CHECK(tokens["scope"] == "openid");
  CHECK(world.google(tokens["access_token"], "GET", "calendars/primary/events").reason() == "insufficientPermissions");
}

TEST_CASE("authorize refuses what the registration does not name, without a redirect") {
  World world;
  for (Kind kind : {Kind::google, Kind::outlook}) {
    std::string scope = kind == Kind::google ? World::kEvents : World::kGraph;
    std::string good = world.authorizeTarget(kind, scope);
    auto changed = [&](const std::string& from, const std::string& to) {
      std::string target = good;
      target.replace(target.find(from), from.size(), to);
      return world.ask("GET", target);
    };
    CHECK(changed("client_id=sandbox", "client_id=other").status >= 400);
    CHECK(changed("callback%2F", "callback").status == 400);
    CHECK(changed("callback%2F", "callback%2F%3Fx%3D1").status == 400);
    CHECK(world.ask("GET", good + "&state=again").status == 400);
    for (const Answer& answer :
         {changed("response_type=code", "response_type=token"), changed(World::encoded(scope), "unknown.scope"),
          changed("code_challenge=", "code_challenge=short&x=")})
      CHECK((answer.status == 400 ||
             (kind == Kind::outlook && !http::find(world.redirected(answer), "error").value_or("").empty())));
  }
}

TEST_CASE("scripted refusals come back at once") {
  World world;
  world.sandbox.control("POST", "/control/authorize", {{"provider", "google"}, {"decision", "admin_policy_enforced"}});
  auto answer = world.ask("GET", world.authorizeTarget(Kind::google, World::kEvents));
  CHECK(answer.status == 302);
  CHECK(http::find(world.redirected(answer), "error") == "admin_policy_enforced");
  CHECK(world.ask("GET", world.authorizeTarget(Kind::google, World::kEvents)).status == 200); // it was for one request
}

TEST_CASE("a code works once, for ten minutes, with its verifier, client and redirect_uri") {
  World world;
  Kind kind = GENERATE(Kind::google, Kind::outlook);
  std::string scope = kind == Kind::google ? World::kEvents : World::kGraph;
  auto fresh = [&] { return world.code(kind, "x@y.example", scope); };
  std::string code = fresh();
  CHECK(world.exchange(kind, code).status == 200);
  CHECK(world.exchange(kind, code).reason() == "invalid_grant");
  CHECK(world.exchange(kind, "nonsense").reason() == "invalid_grant");
  code = fresh();
  CHECK(world.exchange(kind, code, std::string(43, 'w')).reason() == "invalid_grant");
  CHECK(world.exchange(kind, code).reason() == "invalid_grant"); // used up by the wrong attempt
  code = fresh();
  CHECK(world.exchange(kind, code, "").reason() == "invalid_grant");
  code = fresh();
  world.time.ms += 600'001;
  CHECK(world.exchange(kind, code).reason() == "invalid_grant");

  auto parameters = world.tokenForm(kind);
  parameters.insert(parameters.end(), {{"grant_type", "authorization_code"},
                                       {"code", fresh()},
                                       {"code_verifier", World::verifier},
                                       {"redirect_uri", "http://localhost:8000/other"}});
  CHECK(world.form(World::tokenTarget(kind), parameters).status == 400);
  parameters[1].second = "wrong";
  auto wrongSecret = world.form(World::tokenTarget(kind), parameters);
  CHECK(wrongSecret.status == 401);
  CHECK(wrongSecret.reason() == "invalid_client");
  parameters[0].second = "unknown";
  CHECK(world.form(World::tokenTarget(kind), parameters).reason() ==
        (kind == Kind::google ? "invalid_client" : "unauthorized_client"));
  CHECK(world
            .ask("POST", World::tokenTarget(kind), R"({"grant_type":"refresh_token"})",
                 {{"Content-Type", "application/json"}})
            .reason() == "invalid_request");
  parameters = world.tokenForm(kind);
  parameters.emplace_back("grant_type", "password");
  CHECK(world.form(World::tokenTarget(kind), parameters).reason() == "unsupported_grant_type");
}

TEST_CASE(
    "Google gives a refresh token with the first offline consent and with prompt=consent only, and none at a refresh") {
  World world;
  auto tokens = [&](const std::string& more) {
    return world.exchange(Kind::google, world.code(Kind::google, "a@gmail.example", World::kEvents, more)).body;
  };
  CHECK_FALSE(tokens("").contains("refresh_token")); // online
  json first = tokens("&access_type=offline");
  REQUIRE(first.contains("refresh_token"));
  CHECK_FALSE(tokens("&access_type=offline").contains("refresh_token"));
  CHECK(tokens("&access_type=offline&prompt=consent").contains("refresh_token"));
  auto refreshed = world.refresh(Kind::google, first["refresh_token"]);
  CHECK(refreshed.status == 200);
  CHECK_FALSE(refreshed.body.contains("refresh_token"));
  CHECK(refreshed.body["expires_in"] == 3599);
  // Unused for more than half a year, it dies.
  world.time.ms += 181LL * 24 * 3600 * 1000;
  CHECK(world.refresh(Kind::google, first["refresh_token"]).reason() == "invalid_grant");
}

TEST_CASE("at most a hundred refresh tokens live for one account, and in Testing they live seven days") {
  World world;
  std::string first = world.connect(Kind::google, "a@gmail.example", World::kEvents)["refresh_token"];
  std::string second = world.connect(Kind::google, "a@gmail.example", World::kEvents)["refresh_token"];
  for (int i = 0; i < 99; ++i)
    world.connect(Kind::google, "a@gmail.example", World::kEvents);
  CHECK(world.refresh(Kind::google, first).reason() == "invalid_grant");
  CHECK(world.refresh(Kind::google, second).status == 200);
  CHECK(world.sandbox.control("GET", "/control/google/accounts/a%40gmail.example")["live_refresh_tokens"] == 100);
  world.sandbox.control("PATCH", "/control/settings", {{"google_testing", true}});
  world.time.ms += 8LL * 24 * 3600 * 1000;
  CHECK(world.refresh(Kind::google, second).reason() == "invalid_grant");
}

TEST_CASE("Microsoft's refresh tokens rotate; the old one lives on unless rotation is strict") {
  World world;
  json tokens = world.connect(Kind::outlook, "b@outlook.example", World::kGraph);
  std::string first = tokens["refresh_token"];
  CHECK(tokens["scope"] == "User.Read Calendars.ReadWrite");
  std::string second = world.refresh(Kind::outlook, first).body["refresh_token"];
  CHECK(second != first);
  CHECK(world.refresh(Kind::outlook, first).status == 200);
  world.sandbox.settings().strictRotation = true;
  CHECK(world.refresh(Kind::outlook, second).status == 200);
  auto dead = world.refresh(Kind::outlook, second);
  CHECK(dead.status == 400);
  CHECK(dead.reason() == "invalid_grant");
  CHECK(dead.body["error_codes"].is_array());
  CHECK(dead.body.contains("trace_id"));
  CHECK_FALSE(world.exchange(Kind::outlook, world.code(Kind::outlook, "b@outlook.example", "User.Read"))
                  .body.contains("refresh_token"));
}

TEST_CASE("access tokens expire, can be expired, and each provider refuses the other's") {
  World world;
  json google = world.connect(Kind::google, "a@gmail.example", World::kEvents);
  json outlook = world.connect(Kind::outlook, "b@outlook.example", World::kGraph);
  CHECK(world.google(google["access_token"], "GET", "calendars/primary/events").status == 200);
  CHECK(world.graph(outlook["access_token"], "GET", "me").status == 200);
  CHECK(world.google(outlook["access_token"], "GET", "calendars/primary/events").reason() == "authError");
  CHECK(world.graph(google["access_token"], "GET", "me").reason() == "InvalidAuthenticationToken");
  world.sandbox.control("POST", "/control/expire-access-tokens", {{"provider", "outlook"}});
  CHECK(world.graph(outlook["access_token"], "GET", "me").status == 401);
  CHECK(world.google(google["access_token"], "GET", "calendars/primary/events").status == 200);
  world.time.ms += 3600'000;
  CHECK(world.google(google["access_token"], "GET", "calendars/primary/events").status == 401);
  CHECK(world.ask("GET", "/google/calendar/v3/calendars/primary/events").reason() == "required");
}

TEST_CASE("revoking ends every token of that account and application, and the next consent is a first one") {
  World world;
  json one = world.connect(Kind::google, "a@gmail.example", World::kEvents);
  json two = world.connect(Kind::google, "a@gmail.example", World::kEvents);
  json other = world.connect(Kind::google, "c@gmail.example", World::kEvents);
  CHECK(world.form("/google/revoke", {{"token", one["refresh_token"]}}).status == 200);
  CHECK(world.form("/google/revoke", {{"token", one["refresh_token"]}}).status == 400);
  CHECK(world.refresh(Kind::google, two["refresh_token"]).reason() == "invalid_grant");
  CHECK(world.google(two["access_token"], "GET", "calendars/primary/events").status == 401);
  CHECK(world.refresh(Kind::google, other["refresh_token"]).status == 200);
  CHECK(
      world.exchange(Kind::google, world.code(Kind::google, "a@gmail.example", World::kEvents, "&access_type=offline"))
          .body.contains("refresh_token"));
  json outlook = world.connect(Kind::outlook, "b@outlook.example", World::kGraph);
  world.sandbox.control("POST", "/control/revoke", {{"provider", "outlook"}, {"account", "b@outlook.example"}});
  CHECK(world.refresh(Kind::outlook, outlook["refresh_token"]).reason() == "invalid_grant");
  CHECK(world.graph(outlook["access_token"], "GET", "me").status == 401);
}
