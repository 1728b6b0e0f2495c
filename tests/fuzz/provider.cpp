/// What a provider answers to a bundled plugin. The first section is the operation (`exchange`, `refresh`, `revoke`,
/// `push`, `push known`, `delete`, `delete known`, `connect`), or JSON, which is pushed as it is; every further one is
/// an answer: its title is the HTTP status with header fields behind it ("=== 429 Retry-After: 5"), or why there is
/// none
/// ("=== timeout", "=== connect", "=== truncated"), its text is the body.
///
/// Invariants beside those of PluginDriver: a success can be taken over by the host and has an id; what went out
/// carried the person's token; an operation that is repeated against a silent provider is no success.
#include "calbridge/json.hpp"
#include "fuzz/plugin_driver.hpp"
#include "fuzz/target.hpp"
#include "plugins/wire.hpp"

#include <algorithm>

namespace calbridge::fuzz {
namespace {

using plugins::Operation;

constexpr std::string_view kToken = "canary-access-token";
constexpr std::string_view kRefresh = "canary-refresh-token";
constexpr std::string_view kCode = "canary-code";
constexpr std::string_view kVerifier = "canary-verifier";
constexpr std::string_view kClientSecret = "canary-client-secret";
constexpr TimeMs kNow = 1796000000000;

std::string settings() {
  nlohmann::json values = {{"api_url", "http://127.0.0.1:1/api"}};
  if (std::string_view(CALBRIDGE_PLUGIN_ID) == "google") {
    values["token_url"] = "http://127.0.0.1:1/token";
    values["revoke_url"] = "http://127.0.0.1:1/revoke";
    values["calendar"] = "dedicated";
  } else {
    values["authority_url"] = "http://127.0.0.1:1/common";
  }
  return plugins::settingsToWire("client", std::string(kClientSecret), values);
}

PushRequest pushRequest(bool upsert, bool known) {
  PushRequest request;
  request.operation = upsert ? PushRequest::Operation::upsert : PushRequest::Operation::remove;
  request.accessToken = kToken;
  request.uid = "u-1";
  request.idempotencyKey = "0b4e3a52-7c1d-4f6e-9a8b-1c2d3e4f5a6b";
  if (known) {
    request.providerEventId = "known-id";
    request.etag = "\"1\"";
  }
  request.sequence = 3;
  request.stamp = kNow;
  request.entry.title = "Deep clean";
  request.entry.description = "Bring <keys> & \"gloves\"\nSee you";
  request.entry.location = "1 High Street";
  request.entry.time = {false,           "2026-12-01T09:00:00", "2026-12-01T11:00:00",
                        "Europe/London", 1796115600000,         1796122800000};
  request.entry.reminders = {30, 1440};
  request.entry.url = "https://app.example/o/77";
  return request;
}

struct Planned {
  Operation operation = Operation::push;
  std::string request;
  bool own = false; ///< a push whose every part is known here
};

Planned planned(const std::string& line) {
  if (line == "connect")
    return {Operation::connect, plugins::toWire(ConnectRequest{"http://localhost:8000/cb", "state", "challenge", ""})};
  if (line == "exchange")
    return {Operation::exchange,
            plugins::toWire(ExchangeRequest{"http://localhost:8000/cb", std::string(kCode), std::string(kVerifier)})};
  if (line == "refresh")
    return {Operation::refresh, plugins::refreshToWire(std::string(kRefresh))};
  if (line == "revoke")
    return {Operation::revoke, plugins::revokeToWire({std::string(kToken), std::string(kRefresh), 0, ""})};
  if (line.starts_with("push") || line.starts_with("delete"))
    return {Operation::push, plugins::toWire(pushRequest(line.starts_with("push"), line.ends_with("known"))), true};
  return {Operation::push, line};
}

/// Takes the reply over as the host does. False when it is a failure.
bool takeOver(const Planned& plan, bool upsert, const plugins::Reply& reply,
              std::span<const std::string_view> secrets) {
  const auto fine = [&](const auto& outcome) {
    const auto* failure = std::get_if<Failure>(&outcome);
    require(!failure || failure->status == reply.status, "a plugin's success keeps the rules of the boundary",
            failure ? failure->message : "");
    return failure == nullptr;
  };
  switch (plan.operation) {
  case Operation::connect:
    return fine(plugins::connectFromWire(reply, secrets));
  case Operation::exchange:
    return fine(plugins::grantFromWire(reply, kNow, true, secrets));
  case Operation::refresh:
    return fine(plugins::grantFromWire(reply, kNow, false, secrets));
  case Operation::push:
    return fine(plugins::pushFromWire(reply, upsert, secrets));
  default:
    return !plugins::failureFromWire(reply, secrets);
  }
}

} // namespace

void run(std::string_view input) {
  static PluginDriver driver(CALBRIDGE_PLUGIN, settings());
  driver.egress = {"127.0.0.1:1"};
  driver.secrets = {kToken, kRefresh, kCode, kVerifier, kClientSecret};
  driver.values.clear();
  driver.script.clear();
  auto parts = sections(input);
  const Planned plan = planned(parts.front().text);
  if (plan.operation == Operation::revoke && std::string_view(CALBRIDGE_PLUGIN_ID) == "outlook")
    return; // it has none
  for (std::size_t i = 1; i < parts.size(); ++i)
    driver.script.push_back(exchangeOf(parts[i]));

  const plugins::Reply reply = driver.call(plan.operation, plan.request);
  const auto said = nlohmann::json::parse(plan.request, nullptr, false);
  const bool upsert = said.is_object() && said.value("operation", nlohmann::json()) == "upsert";
  const bool succeeded = takeOver(plan, upsert, reply, driver.secrets);
  if (plan.own)
    for (const HttpRequest& request : driver.requests)
      require(std::find(request.headers.begin(), request.headers.end(),
                        std::pair<std::string, std::string>("Authorization", "Bearer " + std::string(kToken))) !=
                  request.headers.end(),
              "what is written is written as the person", request.url);
  if (plan.own && upsert && succeeded) {
    driver.script.clear();
    const plugins::Reply silence = driver.call(plan.operation, plan.request);
    require(silence.status != Status::ok, "without an answer there is no success", silence.body);
  }
}

} // namespace calbridge::fuzz
