#include "routing/routing_state.hpp"

namespace calbridge::routing {
namespace {

nlohmann::json orderToJson(const SnapshotOrder& order) {
  nlohmann::json json{{"arrival", order.arrival}};
  if (order.version)
    json["version"] = *order.version;
  if (order.time)
    json["time"] = *order.time;
  return json;
}

SnapshotOrder orderFromJson(const nlohmann::json& json) {
  SnapshotOrder order;
  json.at("arrival").get_to(order.arrival);
  if (const auto it = json.find("version"); it != json.end())
    order.version = it->get<std::int64_t>();
  if (const auto it = json.find("time"); it != json.end())
    order.time = it->get<TimeMs>();
  return order;
}

/// Negative, zero or positive, as far as version or time tell; zero when they do not.
int compareClaims(const SnapshotOrder& a, const SnapshotOrder& b) {
  const auto compare = [](std::int64_t x, std::int64_t y) { return x < y ? -1 : (x > y ? 1 : 0); };
  if (a.version && b.version)
    return compare(*a.version, *b.version);
  if (a.time && b.time)
    return compare(*a.time, *b.time);
  return 0;
}

} // namespace

bool olderThan(const SnapshotOrder& a, const SnapshotOrder& b) {
  const int claims = compareClaims(a, b);
  return claims != 0 ? claims < 0 : a.arrival < b.arrival;
}

bool isStale(const SnapshotOrder& arriving, const SnapshotOrder& newest) {
  return compareClaims(arriving, newest) < 0;
}

nlohmann::json toJson(const RoutingState& state) {
  nlohmann::json events = nlohmann::json::object();
  for (const auto& [type, seen] : state.events) {
    nlohmann::json json = orderToJson(seen.order);
    if (seen.late)
      json["late"] = true;
    json["people"] = seen.people;
    events[type] = std::move(json);
  }
  nlohmann::json json{{"events", std::move(events)}};
  if (state.newest)
    json["newest"] = orderToJson(*state.newest);
  if (state.cancelled)
    json["cancelled"] = orderToJson(*state.cancelled);
  return json;
}

RoutingState routingStateFromJson(const nlohmann::json& json) {
  RoutingState state;
  if (json.empty())
    return state;
  for (const auto& [type, seen] : json.at("events").items()) {
    RoutingState::Seen& event = state.events[type];
    event.order = orderFromJson(seen);
    event.late = seen.value("late", false);
    seen.at("people").get_to(event.people);
  }
  if (const auto it = json.find("newest"); it != json.end())
    state.newest = orderFromJson(*it);
  if (const auto it = json.find("cancelled"); it != json.end())
    state.cancelled = orderFromJson(*it);
  return state;
}

} // namespace calbridge::routing
