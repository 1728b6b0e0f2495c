#include "connections/callback_problem.hpp"
#include "core/digest.hpp"
#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::connections;

TEST_CASE("Connecting ends in a connection whose tokens only the vault can open") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  const auto record = f.record(id);
  CHECK(record.personId == "john");
  CHECK(record.state == "connected");
  CHECK(record.account == "john@gmail.example");
  CHECK(openCredentials(f.vault, record).accessToken == ScriptedProvider::token("first"));
  CHECK(f.google.exchanges == 1);
}

TEST_CASE("The authorization request carries S256 and the exchange its verifier") {
  Fixture f;
  const auto state = f.begin(f.google, f.john);
  CHECK(state.size() == 43);
  CHECK(f.google.lastConnect.redirectUri == f.google.info_.redirectUri);
  f.callback("google", {{"state", state}, {"code", "code-1"}});
  CHECK(f.google.lastExchange.code == "code-1");
  CHECK(f.google.lastExchange.redirectUri == f.google.info_.redirectUri);
  CHECK(f.google.lastExchange.codeVerifier.size() == 43);
  CHECK(pkceChallenge(f.google.lastExchange.codeVerifier) == f.google.lastConnect.codeChallenge);
}

TEST_CASE("Every flow has its own state and challenge") {
  Fixture f;
  const auto first = f.begin(f.google, f.john);
  const auto challenge = f.google.lastConnect.codeChallenge;
  CHECK(f.begin(f.google, f.john) != first);
  CHECK(f.google.lastConnect.codeChallenge != challenge);
}

TEST_CASE("A flow is refused before it starts when the provider cannot be used") {
  Fixture f;
  const auto begin = [&](const std::string& provider, const AllowedProviders& allowed = std::nullopt) {
    return errorCode([&] { f.node.oauth().begin(f.john, allowed, provider, f.browser); });
  };
  CHECK(begin("yahoo") == "not_found");
  CHECK(begin("ics") == "not_found"); // has no OAuth
  CHECK(begin("google", std::vector<std::string>{"outlook"}) == "provider_not_allowed");
  CHECK(begin("google", std::vector<std::string>{"outlook", "google"}) == "");
  f.google.info_.configured = false;
  f.google.info_.missing = {"GOOGLE_CLIENT_ID"};
  CHECK(begin("google") == "provider_not_configured");
  f.outlook.connectFailure = Failure{Status::internal, "plugin broke", "", {}};
  CHECK(begin("outlook") == "provider_error");
  CHECK(errorCode([&] { f.node.oauth().begin(f.john, std::nullopt, "outlook", ""); }) == "invalid_request");
}

TEST_CASE("An absent, invented or repeated state asks for no token") {
  Fixture f;
  const auto state = f.begin(f.google, f.john);
  CHECK(f.callback("google", {}).error == "state_mismatch");
  CHECK(f.callback("google", {{"code", "code-1"}}).error == "state_mismatch");
  CHECK(f.callback("google", {{"code", "code-1"}, {"state", ""}}).error == "state_mismatch");
  CHECK(f.callback("google", {{"code", "code-1"}, {"state", state + "x"}}).error == "state_mismatch");
  CHECK(f.google.exchanges == 0);
  CHECK(f.callback("google", {{"code", "code-1"}, {"state", state}}).connected());
  CHECK(f.callback("google", {{"code", "code-1"}, {"state", state}}).error == "state_mismatch");
  CHECK(f.google.exchanges == 1);
}

TEST_CASE("Another browser, or one without the cookie, cannot finish a flow") {
  Fixture f;
  for (const std::string& cookie : {std::string(), std::string("cookie-of-another-browser-012345")}) {
    const auto state = f.begin(f.google, f.john);
    const auto result = f.node.oauth().callback("google", {{"state", state}, {"code", "code-1"}}, cookie, {});
    CHECK(result.error == "state_mismatch");
    CHECK(result.personId == "");
    // and the state is used up
    CHECK(f.callback("google", {{"state", state}, {"code", "code-1"}}).error == "state_mismatch");
  }
  CHECK(f.google.exchanges == 0);
  CHECK_FALSE(f.status(f.john, "google").connected);
}

TEST_CASE("A state lives ten minutes") {
  Fixture f;
  const auto punctual = f.begin(f.google, f.john);
  f.clock.advance(OAuthFlow::kStateLifetime - 1);
  CHECK(f.callback("google", {{"state", punctual}, {"code", "c"}}).connected());
  const auto late = f.begin(f.google, f.john);
  f.clock.advance(OAuthFlow::kStateLifetime);
  const auto error = f.callback("google", {{"state", late}, {"code", "c"}}).error;
  CHECK(error == "state_expired");
  CHECK(f.google.exchanges == 1);
}

TEST_CASE("A code from one provider is worth nothing at the other's callback") {
  Fixture f;
  const auto state = f.begin(f.google, f.john);
  CHECK(f.callback("outlook", {{"state", state}, {"code", "code-1"}}).error == "state_mismatch");
  CHECK(f.google.exchanges == 0);
  CHECK(f.outlook.exchanges == 0);
}

TEST_CASE("A callback of something that has no OAuth is not found") {
  Fixture f;
  CHECK(errorCode([&] { f.callback("yahoo", {}); }) == "not_found");
  CHECK(errorCode([&] { f.callback("ics", {}); }) == "not_found");
}

TEST_CASE("The provider's refusals become stable codes, and unknown text is not passed on") {
  Fixture f;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"access_denied", "access_denied"},
      {"admin_policy_enforced", "admin_policy_enforced"},
      {"org_internal", "org_internal"},
      {"redirect_uri_mismatch", "client_misconfigured"},
      {"temporarily_unavailable", "provider_unavailable"},
      {"<script>alert(1)</script>", "provider_error"},
      {"access_denied&connected=google", "provider_error"},
  };
  for (const auto& [sent, expected] : cases) {
    const auto state = f.begin(f.google, f.john);
    INFO(sent);
    CHECK(f.callback("google", {{"state", state}, {"error", sent}, {"code", "c"}}).error == expected);
  }
  CHECK(f.google.exchanges == 0);
  CHECK(f.log.text().find("<script>") == std::string::npos);
}

TEST_CASE("A refusal without a valid state is a mismatch") {
  Fixture f;
  CHECK(f.callback("google", {{"error", "access_denied"}}).error == "state_mismatch");
}

TEST_CASE("A callback with neither code nor error is the provider's error") {
  Fixture f;
  const auto state = f.begin(f.google, f.john);
  CHECK(f.callback("google", {{"state", state}}).error == "provider_error");
}

TEST_CASE("A failed exchange says why and leaves nothing behind") {
  Fixture f;
  const std::vector<std::pair<Failure, std::string>> cases{
      {{Status::reauthRequired, "bad code", "invalid_grant", {}}, "exchange_failed"},
      {{Status::permanent, "", "insufficient_scope", {}}, "insufficient_scope"},
      {{Status::reauthRequired, "", "insufficientPermissions", {}}, "insufficient_scope"},
      {{Status::permanent, "", "admin_policy_enforced", {}}, "admin_policy_enforced"},
      {{Status::permanent, "", "invalid_client", {}}, "client_misconfigured"},
      {{Status::transient, "", "", {}}, "provider_unavailable"},
      {{Status::deadline, "", "", {}}, "provider_unavailable"},
      {{Status::rateLimited, "", "", std::chrono::milliseconds(5)}, "provider_unavailable"},
      {{Status::internal, "", "", {}}, "exchange_failed"},
  };
  for (const auto& [failure, expected] : cases) {
    f.google.onExchange = [&failure = failure](const auto&) { return Outcome<Grant>(failure); };
    const auto state = f.begin(f.google, f.john);
    INFO(toString(failure.status) << " " << failure.code);
    CHECK(f.callback("google", {{"state", state}, {"code", "c"}}).error == expected);
  }
  CHECK(f.store->connectionsOf("john").empty());
}

TEST_CASE("A grant without an account or a token is refused") {
  Fixture f;
  f.google.account.id = "";
  auto state = f.begin(f.google, f.john);
  CHECK(f.callback("google", {{"state", state}, {"code", "c"}}).error == "exchange_failed");
  f.google.account.id = "account-1";
  f.google.onExchange = [&](const auto&) { return Outcome<Grant>(Grant{{}, f.google.account}); };
  state = f.begin(f.google, f.john);
  CHECK(f.callback("google", {{"state", state}, {"code", "c"}}).error == "exchange_failed");
}

TEST_CASE("A person who was erased meanwhile gets no connection") {
  Fixture f;
  const auto state = f.begin(f.google, f.john);
  f.store->erasePerson("john");
  CHECK(f.callback("google", {{"state", state}, {"code", "c"}}).error == "state_mismatch");
  CHECK(f.google.exchanges == 0);
}

TEST_CASE("One person has several providers, each with its own tokens") {
  Fixture f;
  const auto google = f.connect(f.google, f.john);
  const auto outlook = f.connect(f.outlook, f.john);
  CHECK(google != outlook);
  CHECK(f.status(f.john, "google").connected);
  CHECK(f.status(f.john, "outlook").connected);
  CHECK_FALSE(f.status(f.sarah, "google").connected);
}

TEST_CASE("Connecting the same account again re-uses its row and hints at the account") {
  Fixture f;
  const auto first = f.connect(f.google, f.john);
  f.store->needReconnection(first, f.record(first).credentialsVersion, "dead", f.clock.now());
  const auto again = f.connect(f.google, f.john);
  CHECK(again == first);
  CHECK(f.google.lastConnect.loginHint == "john@gmail.example");
  CHECK(f.record(first).state == "connected");
}

TEST_CASE("A working connection keeps its refresh token when consent brings none") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onExchange = [&](const auto&) { return Outcome<Grant>(f.google.grant("second", "")); };
  CHECK(f.connect(f.google, f.john) == id);
  const auto credentials = openCredentials(f.vault, f.record(id));
  CHECK(credentials.accessToken == ScriptedProvider::token("second"));
  CHECK(credentials.refreshToken == ScriptedProvider::kCanary + "-refresh-0");
}

TEST_CASE("Every problem has plain words, and unknown codes get the general ones") {
  for (const auto& problem : callbackProblems()) {
    const auto text = callbackProblemText(problem.code, "Google Calendar");
    INFO(problem.code);
    CHECK(text.size() > 20);
    CHECK(text.find('{') == std::string::npos);
    CHECK(text.back() == '.');
  }
  CHECK(callbackProblemText("<b>evil</b>", "Outlook") == callbackProblemText("provider_error", "Outlook"));
  CHECK(callbackProblemText("provider_unavailable", "").starts_with("The calendar service cannot"));
}
