#pragma once
#include "core/digest.hpp"
#include "core/error.hpp"
#include "sandbox.hpp"
#include "unit/edge/raw_client.hpp"

#include <catch2/catch.hpp>

namespace calbridge::sandbox {

struct Answer {
  int status = 0;
  std::string head;
  std::string raw;
  json body;

  std::string header(const std::string& name) const {
    std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos)
      return {};
    at += name.size() + 4;
    return head.substr(at, head.find("\r\n", at) - at);
  }
  /// Google's reason or Graph's code.
  std::string reason() const {
    if (!body.is_object() || !body.contains("error"))
      return {};
    const json& error = body["error"];
    if (error.is_string())
      return error;
    return error.contains("errors") ? error["errors"][0].value("reason", "") : error.value("code", "");
  }
};

struct GivenTime final : Clock {
  std::atomic<TimeMs> ms{1'790'000'000'000};
  TimeMs now() const override { return ms; }
  TimeMs monotonic() const override { return ms; }
};

/// A running sandbox, asked over sockets.
class World {
 public:
  World() : sandbox(options(), logger) {
    sandbox.start();
    std::string url = sandbox.url();
    port = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }

  using Headers = std::vector<std::pair<std::string, std::string>>;
  Answer ask(const std::string& method, const std::string& target, const std::string& body = {},
             const Headers& headers = {}) const {
    std::string bytes = method + " " + target + " HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n";
    for (const auto& [name, value] : headers)
      bytes += name + ": " + value + "\r\n";
    bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    http::RawClient client(port);
    client.send(bytes);
    Answer answer;
    answer.raw = client.readAll();
    std::size_t end = answer.raw.find("\r\n\r\n");
    if (end == std::string::npos || !answer.raw.starts_with("HTTP/1.1 "))
      return answer;
    answer.head = answer.raw.substr(0, end + 2);
    answer.status = std::stoi(answer.raw.substr(9, 3));
    answer.body = json::parse(answer.raw.substr(end + 4), nullptr, false);
    return answer;
  }
  Answer form(const std::string& target, const http::Parameters& parameters) const {
    std::string body;
    for (const auto& [name, value] : parameters)
      body += (body.empty() ? "" : "&") + http::percentEncode(name) + "=" + http::percentEncode(value);
    return ask("POST", target, body, {{"Content-Type", "application/x-www-form-urlencoded"}});
  }
  Answer api(const std::string& token, const std::string& method, const std::string& target, const json& body = {},
             Headers headers = {}) const {
    headers.emplace_back("Authorization", "Bearer " + token);
    headers.emplace_back("Prefer", "IdType=\"ImmutableId\"");
    if (!body.is_null())
      headers.emplace_back("Content-Type", "application/json");
    return ask(method, target, body.is_null() ? std::string() : body.dump(), headers);
  }
  Answer google(const std::string& token, const std::string& method, const std::string& rest, const json& body = {},
                Headers headers = {}) const {
    return api(token, method, "/google/calendar/v3/" + rest, body, std::move(headers));
  }
  Answer graph(const std::string& token, const std::string& method, const std::string& rest, const json& body = {},
               Headers headers = {}) const {
    return api(token, method, "/outlook/v1.0/" + rest, body, std::move(headers));
  }

  static std::string encoded(const std::string& text) { return http::percentEncode(text); }
  std::string authorizeTarget(Kind kind, const std::string& scope, const std::string& more = {}) const {
    bool g = kind == Kind::google;
    return std::string(g ? "/google/o/oauth2/v2/auth" : "/outlook/common/oauth2/v2.0/authorize") +
           "?response_type=code&client_id=" + (g ? "sandbox-google-client" : "sandbox-outlook-client") +
           "&redirect_uri=" + encoded(redirect(kind)) + "&scope=" + encoded(scope) +
           "&state=st-1&code_challenge_method=S256&code_challenge=" + pkceChallenge(verifier) + more;
  }
  static std::string redirect(Kind kind) {
    return std::string("http://localhost:8000/api/calendar/") + toString(kind) + "/callback/";
  }
  /// Parameters of the redirect that an authorize request ends in.
  http::Parameters redirected(const Answer& answer) const {
    std::string location = answer.header("Location");
    std::size_t question = location.find('?');
    return question == std::string::npos ? http::Parameters{}
                                         : http::parseForm(location.substr(question + 1)).value_or(http::Parameters{});
  }
  std::string code(Kind kind, const std::string& email, const std::string& scope, const std::string& more = {}) {
    sandbox.control("POST", "/control/authorize", {{"provider", toString(kind)}, {"account", email}});
    auto answer = ask("GET", authorizeTarget(kind, scope, more));
    INFO(answer.raw);
    REQUIRE(answer.status == 302);
    return std::string(http::find(redirected(answer), "code").value_or(""));
  }
  http::Parameters tokenForm(Kind kind) const {
    bool g = kind == Kind::google;
    return {{"client_id", g ? "sandbox-google-client" : "sandbox-outlook-client"},
            {"client_secret", g ? "sandbox-google-secret" : "sandbox-outlook-secret"}};
  }
  static std::string tokenTarget(Kind kind) {
    return kind == Kind::google ? "/google/token" : "/outlook/common/oauth2/v2.0/token";
  }
  Answer exchange(Kind kind, const std::string& code, const std::string& usedVerifier = verifier) const {
    auto parameters = tokenForm(kind);
    for (auto& pair : http::Parameters{{"grant_type", "authorization_code"},
                                       {"code", code},
                                       {"redirect_uri", redirect(kind)},
                                       {"code_verifier", usedVerifier}})
      parameters.push_back(pair);
    return form(tokenTarget(kind), parameters);
  }
  Answer refresh(Kind kind, const std::string& token) const {
    auto parameters = tokenForm(kind);
    parameters.emplace_back("grant_type", "refresh_token");
    parameters.emplace_back("refresh_token", token);
    return form(tokenTarget(kind), parameters);
  }
  json connect(Kind kind, const std::string& email, const std::string& scope) {
    auto answer =
        exchange(kind, code(kind, email, scope, kind == Kind::google ? "&access_type=offline&prompt=consent" : ""));
    INFO(answer.raw);
    REQUIRE(answer.status == 200);
    return answer.body;
  }
  std::string googleToken(const std::string& email = "john@gmail.example", const std::string& scope = kEvents) {
    return connect(Kind::google, email, scope)["access_token"];
  }
  std::string graphToken(const std::string& email = "sarah@outlook.example") {
    return connect(Kind::outlook, email, kGraph)["access_token"];
  }

  static constexpr const char* kEvents = "openid email https://www.googleapis.com/auth/calendar.events";
  static constexpr const char* kOwnCalendars = "openid email https://www.googleapis.com/auth/calendar.app.created";
  static constexpr const char* kGraph = "offline_access User.Read Calendars.ReadWrite";
  static inline const std::string verifier = std::string(43, 'v');

  GivenTime time;
  NullLogger logger;
  Sandbox sandbox;
  std::uint16_t port = 0;

 private:
  SandboxOptions options() {
    SandboxOptions chosen;
    chosen.clock = &time;
    return chosen;
  }
};

inline json googleEvent(const std::string& id = {}) {
  json event{{"summary", "Deep clean"},
             {"start", {{"dateTime", "2026-12-01T09:00:00"}, {"timeZone", "Europe/London"}}},
             {"end", {{"dateTime", "2026-12-01T11:00:00"}, {"timeZone", "Europe/London"}}}};
  if (!id.empty())
    event["id"] = id;
  return event;
}

inline json graphEvent() {
  return {{"subject", "Deep clean"},
          {"start", {{"dateTime", "2026-12-01T09:00:00"}, {"timeZone", "UTC"}}},
          {"end", {{"dateTime", "2026-12-01T11:00:00"}, {"timeZone", "UTC"}}}};
}

} // namespace calbridge::sandbox
