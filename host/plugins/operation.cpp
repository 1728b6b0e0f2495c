#include "plugins/operation.hpp"

#include "calbridge/json.hpp"
#include "plugins/redaction.hpp"

namespace calbridge::plugins {

const char* toString(Operation operation) {
  switch (operation) {
  case Operation::connect:
    return "connect";
  case Operation::exchange:
    return "exchange";
  case Operation::refresh:
    return "refresh";
  case Operation::push:
    return "push";
  case Operation::revoke:
    return "revoke";
  case Operation::feed:
    return "feed";
  case Operation::authenticate:
    return "authenticate";
  case Operation::listCalendars:
    return "list_calendars";
  case Operation::freeBusy:
    return "free_busy";
  case Operation::changes:
    return "changes";
  }
  return "unknown";
}

Status statusFrom(calbridge_status value) {
  return value >= CALBRIDGE_OK && value <= CALBRIDGE_INTERNAL ? static_cast<Status>(value) : Status::permanent;
}

Reply hostReply(Status status, std::string_view message) {
  Reply reply{status, {}};
  sdk::ObjectWriter(reply.body).text("message", message).end();
  return reply;
}

std::string refusalOf(const Reply& reply, std::span<const std::string_view> secrets) {
  const auto json = nlohmann::json::parse(reply.body, nullptr, false);
  const bool said = json.is_object() && json.contains("message") && json["message"].is_string();
  return "the plugin refuses its settings: " +
         (said ? presentable(json["message"].get<std::string>(), secrets, 1000) : "it gives no reason");
}

} // namespace calbridge::plugins
