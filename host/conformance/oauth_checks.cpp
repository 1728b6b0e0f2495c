#include "conformance/checks.hpp"
#include "conformance/rehearsal.hpp"

namespace calbridge::conformance {
namespace {

using nlohmann::json;
using plugins::Operation;

std::string authorizationUrl(Rehearsal& rehearsal) {
  const Ended asked = rehearsal.call(Operation::connect, rehearsal.request(Operation::connect));
  const std::string url = asked.text("authorization_url");
  if (url.empty()) {
    throw Skipped{"connect gives no authorization_url: " + asked.words()};
  }
  return url;
}

std::vector<std::string> valuesOf(const std::string& url, const std::string& name) {
  std::vector<std::string> values;
  std::string_view rest = url;
  rest = rest.substr(std::min(rest.find('?'), rest.size()));
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view pair = rest.substr(0, rest.find_first_of("&#"));
    const Names field = formFields(pair);
    if (const auto found = field.find(name); found != field.end()) {
      values.push_back(found->second);
    }
    rest = rest.substr(std::min(rest.find('&'), rest.size()));
  }
  return values;
}

void expectParameter(Trial& trial, const std::string& name, const std::string& wanted) {
  trial.need("oauth2");
  Rehearsal rehearsal(trial);
  const std::vector<std::string> values = valuesOf(authorizationUrl(rehearsal), name);
  const std::string shown = values.empty() ? "missing" : "\"" + values.front() + "\"";
  trial.expect(values.size() == 1,
               "the authorization URL has " + name + " " + std::to_string(values.size()) + " times");
  trial.expect(values.empty() || values.front() == wanted, name + " is " + shown + ", given was \"" + wanted + "\"");
}

void state(Trial& trial) {
  trial.need("oauth2");
  expectParameter(trial, "state", Rehearsal(trial).state);
}
void redirectUri(Trial& trial) {
  trial.need("oauth2");
  expectParameter(trial, "redirect_uri", Rehearsal(trial).redirectUri);
}
void pkce(Trial& trial) {
  trial.need("oauth2");
  expectParameter(trial, "code_challenge", Rehearsal(trial).challenge);
  expectParameter(trial, "code_challenge_method", "S256");
}
void client(Trial& trial) {
  trial.need("oauth2");
  expectParameter(trial, "client_id", Rehearsal(trial).clientId);
  expectParameter(trial, "response_type", "code");
}

void connectWithoutHttp(Trial& trial) {
  trial.need("oauth2");
  Rehearsal rehearsal(trial);
  rehearsal.call(Operation::connect, rehearsal.request(Operation::connect));
  for (const Exchange& exchange : rehearsal.network.exchanges()) {
    trial.find("connect asks " + exchange.request.method + " " + exchange.request.url);
  }
}

/// Requests that carry `secret`, in their URL or body.
std::vector<HttpRequest> carrying(const Rehearsal& rehearsal, const std::string& secret) {
  std::vector<HttpRequest> all;
  for (const Exchange& exchange : rehearsal.network.exchanges()) {
    if (exchange.request.body.find(secret) != std::string::npos ||
        exchange.request.url.find(secret) != std::string::npos) {
      all.push_back(exchange.request);
    }
  }
  return all;
}

void codeOnce(Trial& trial) {
  trial.need("oauth2");
  const std::pair<const char*, std::function<HttpResult(const ServiceModel&)>> failures[] = {
      {"answers 500",
       [](const ServiceModel& service) {
         return HttpResult{service.error(500), std::nullopt};
       }},
      {"answers 400",
       [](const ServiceModel& service) {
         return HttpResult{service.error(400), std::nullopt};
       }},
      {"does not answer", [](const ServiceModel&) { return noAnswer(HttpFailure::Kind::truncated, true); }}};
  for (const auto& [what, failure] : failures) {
    Rehearsal rehearsal(trial);
    rehearsal.network.instead = [&](const HttpRequest&, std::size_t) {
      return std::optional(failure(rehearsal.network.service));
    };
    const json request = rehearsal.request(Operation::exchange);
    trial.step(std::string("exchange while the service ") + what);
    rehearsal.call(Operation::exchange, request);
    const std::size_t times = carrying(rehearsal, request.at("code")).size();
    trial.expect(times <= 1, "exchange sends the code " + std::to_string(times) + " times when the service " + what);
  }
}

void verifier(Trial& trial) {
  trial.need("oauth2");
  Rehearsal rehearsal(trial);
  const json request = rehearsal.request(Operation::exchange);
  trial.step("exchange");
  rehearsal.call(Operation::exchange, request);
  const auto sent = carrying(rehearsal, request.at("code"));
  if (sent.empty()) {
    trial.find("exchange sends the code nowhere");
    return;
  }
  const json body = json::parse(sent.front().body, nullptr, false);
  const Names form = formFields(sent.front().body);
  for (const char* name : {"code", "code_verifier", "redirect_uri"}) {
    const std::string given = request.at(name);
    const bool inForm = form.contains(name) && form.at(name) == given;
    const bool inJson = body.is_object() && body.contains(name) && body.at(name) == given;
    trial.expect(inForm || inJson, std::string("exchange does not pass on ") + name + " as it was given");
  }
}

void grant(Trial& trial) {
  trial.need("oauth2");
  Rehearsal rehearsal(trial);
  trial.step("exchange");
  const Ended ended = rehearsal.call(Operation::exchange, rehearsal.request(Operation::exchange));
  if (!trial.expect(ended.ok(), "exchange of a good code is answered " + ended.words())) {
    return;
  }
  trial.expect(ended.text("access_token").starts_with(rehearsal.stem() + "-access"),
               "the answer's access_token is not the one that the service gave");
  trial.expect(ended.text("refresh_token").starts_with(rehearsal.stem() + "-refresh"),
               "the answer's refresh_token is not the one that the service gave");
  const json account = ended.document.value("account", json());
  trial.expect(account.is_object() && account.contains("id") && account.at("id").is_string() && account.at("id") != "",
               "the answer does not say whose account it is (account.id)");
}

void rotation(Trial& trial) {
  trial.need("oauth2");
  for (const bool rotates : {true, false}) {
    Rehearsal rehearsal(trial);
    rehearsal.network.service.rotates = rotates;
    const json request = rehearsal.request(Operation::refresh);
    trial.step(rotates ? "refresh where the service rotates" : "refresh where it does not");
    const Ended ended = rehearsal.call(Operation::refresh, request);
    if (!trial.expect(ended.ok(), "refresh with a good token is answered " + ended.words())) {
      continue;
    }
    const std::string old = request.at("refresh_token");
    const std::string now = ended.text("refresh_token");
    if (rotates) {
      trial.expect(now != old && now.starts_with(rehearsal.stem() + "-refresh"),
                   "the service gave a new refresh token, and the answer does not hold it");
    } else {
      trial.expect(now.empty() || now == old, "the service gave no refresh token, and the answer holds another one");
    }
  }
}

void invalidGrant(Trial& trial) {
  trial.need("oauth2");
  Rehearsal rehearsal(trial);
  trial.step("refresh with a dead token");
  const Ended refreshed =
      rehearsal.call(Operation::refresh, json{{"refresh_token", rehearsal.stem() + "-refresh-dead"}});
  trial.expect(refreshed.reply.status == Status::reauthRequired,
               "refresh is answered invalid_grant by the service and ends as " + refreshed.words());
  json request = rehearsal.request(Operation::exchange);
  request["code"] = rehearsal.stem() + "-code-dead";
  trial.step("exchange of a dead code");
  const Ended exchanged = rehearsal.call(Operation::exchange, request);
  trial.expect(!exchanged.ok(), "exchange of a code that the service refuses is answered ok");
}

void invalidClient(Trial& trial) {
  trial.need("oauth2");
  Rehearsal rehearsal(trial);
  rehearsal.network.instead = [](const HttpRequest&, std::size_t) {
    HttpResponse response{401, {{"Content-Type", "application/json"}}, R"({"error":"invalid_client"})"};
    return std::optional(HttpResult{std::move(response), std::nullopt});
  };
  trial.step("refresh while the service answers invalid_client");
  const Ended ended = rehearsal.call(Operation::refresh, rehearsal.request(Operation::refresh));
  trial.expect(ended.reply.status == Status::permanent,
               "refresh is answered invalid_client by the service and ends as " + ended.words());
}

void outage(Trial& trial) {
  trial.need("oauth2");
  const auto answer = [](int status, const char* body) {
    return HttpResult{HttpResponse{status, {{"Content-Type", "application/json"}}, body}, std::nullopt};
  };
  const std::pair<const char*, HttpResult> failures[] = {
      {"answers 500", answer(500, "{}")},
      {"answers 503", answer(503, "<html>maintenance</html>")},
      {"answers garbage", answer(200, "<html>hello</html>")},
      {"answers without a token", answer(200, "{\"token_type\":\"Bearer\"}")},
      {"cannot be reached", noAnswer(HttpFailure::Kind::connect, false)},
      {"breaks off", noAnswer(HttpFailure::Kind::truncated, true)}};
  for (const auto& [what, failure] : failures) {
    Rehearsal rehearsal(trial);
    rehearsal.network.instead = [&result = failure](const HttpRequest&, std::size_t) { return std::optional(result); };
    trial.step(std::string("refresh while the service ") + what);
    const Ended ended = rehearsal.call(Operation::refresh, rehearsal.request(Operation::refresh));
    const Status status = ended.reply.status;
    trial.expect(status == Status::transient || status == Status::rateLimited || status == Status::deadline,
                 std::string("refresh while the token service ") + what + " ends as " + ended.words());
  }
}

void accepted(Trial& trial) {
  trial.need("credentials");
  Rehearsal rehearsal(trial);
  trial.step("authenticate");
  const Ended ended = rehearsal.call(Operation::authenticate, rehearsal.request(Operation::authenticate));
  if (trial.expect(ended.ok(), "authenticate with good credentials is answered " + ended.words())) {
    trial.expect(ended.document.value("secret", json()).is_object(), "the answer's secret is no JSON object");
  }
}

void wrongPassword(Trial& trial) {
  trial.need("credentials");
  Rehearsal rehearsal(trial);
  rehearsal.network.instead = [&](const HttpRequest&, std::size_t) {
    return std::optional(HttpResult{rehearsal.network.service.error(401), std::nullopt});
  };
  trial.step("authenticate while the service answers 401");
  rehearsal.network.forget();
  const Ended ended = rehearsal.call(Operation::authenticate, rehearsal.request(Operation::authenticate));
  if (rehearsal.network.exchanges().empty()) {
    throw Skipped{"authenticate makes no HTTP request"};
  }
  trial.expect(ended.reply.status == Status::reauthRequired,
               "authenticate ends as " + ended.words() + " when the service answers 401");
}

void revoked(Trial& trial) {
  trial.need("revoke");
  Rehearsal rehearsal(trial);
  trial.step("revoke");
  const Ended ended = rehearsal.call(Operation::revoke, rehearsal.request(Operation::revoke));
  trial.expect(ended.ok(), "revoke of a good grant ends as " + ended.words());
}

constexpr const char* kExact = "put it into the authorization URL once, percent-encoded (withQuery()), as it was given";
constexpr Check kChecks[] = {
    {"oauth.state", "the authorization URL carries the state exactly", kExact, state},
    {"oauth.redirect-uri", "the authorization URL carries the redirect URI exactly", kExact, redirectUri},
    {"oauth.pkce", "the authorization URL carries the PKCE challenge exactly", kExact, pkce},
    {"oauth.client", "the authorization URL asks for a code for this client id", kExact, client},
    {"oauth.connect-http", "connect makes no HTTP request",
     "put addresses into settings instead of discovering them: connect must work while the service is down",
     connectWithoutHttp},
    {"oauth.code-once", "a code is sent once, whatever the answer",
     "let the person begin again: services take a repeated code for an attack and revoke its tokens", codeOnce},
    {"oauth.verifier", "exchange passes on code, verifier and redirect URI exactly",
     "send code, code_verifier and redirect_uri with the request for tokens", verifier},
    {"oauth.grant", "exchange answers with the tokens and the account",
     "answer with what the token endpoint gave and with who the person is there", grant},
    {"oauth.rotation", "a new refresh token is passed on, and none is invented",
     "answer with the refresh_token of the response, and without one where it has none", rotation},
    {"oauth.invalid-grant", "a dead grant is reauth_required",
     "map invalid_grant to reauth_required (oauthProblem() does)", invalidGrant},
    {"oauth.invalid-client", "a refused client is permanent: no person can help that",
     "map invalid_client to permanent (oauthProblem() does)", invalidClient},
    {"oauth.outage", "a token service that is down is transient: nobody has to connect again",
     "map 5xx, garbage and missing answers to transient (grantFrom() and oauthProblem() do)", outage},
    {"credentials.accepted", "authenticate takes good credentials and gives a secret to keep",
     "see what it answered; describe in --script how the service answers to good credentials", accepted},
    {"credentials.wrong", "a wrong password is reauth_required", "map 401 to reauth_required", wrongPassword},
    {"revoke.accepted", "revoke gives tokens, or what authenticate gave, back",
     "see what it answered; describe in --script how the service takes a grant back", revoked},
};

} // namespace

std::span<const Check> oauthChecks() {
  return kChecks;
}

} // namespace calbridge::conformance
