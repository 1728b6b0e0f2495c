#include "routing/routing_state.hpp"
#include "core/json_text.hpp"

#include <utility>

namespace calbridge::routing {
namespace {

/// Its members, for an object that is open.
void appendOrder(std::string& out, const SnapshotOrder& order) {
  out.append("\"arrival\":").append(std::to_string(order.arrival));
  if (order.version)
    out.append(",\"version\":").append(std::to_string(*order.version));
  if (order.time)
    out.append(",\"time\":").append(std::to_string(*order.time));
}

void appendSeen(std::string& out, const RoutingState::Seen& seen) {
  out.push_back('{');
  appendOrder(out, seen.order);
  out.append(seen.late ? ",\"late\":true,\"people\":{" : ",\"people\":{");
  std::string_view comma;
  for (const auto& [path, ids] : seen.people) {
    out.append(std::exchange(comma, ","));
    appendJsonString(out, path);
    out.append(":[");
    std::string_view between;
    for (const auto& id : ids) {
      out.append(std::exchange(between, ","));
      appendJsonString(out, id);
    }
    out.push_back(']');
  }
  out.append("}}");
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

std::string toJsonText(const RoutingState& state) {
  std::string out = "{\"events\":{";
  std::string_view comma;
  for (const auto& [type, seen] : state.events) {
    out.append(std::exchange(comma, ","));
    appendJsonString(out, type);
    out.push_back(':');
    appendSeen(out, seen);
  }
  out.push_back('}');
  for (const auto& [name, order] : {std::pair("newest", &state.newest), std::pair("cancelled", &state.cancelled)})
    if (*order) {
      out.append(",\"").append(name).append("\":{");
      appendOrder(out, **order);
      out.push_back('}');
    }
  out.push_back('}');
  return out;
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
