#include "routing/routing_policy.hpp"
#include "core/digest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace calbridge::routing {
namespace {

using nlohmann::json;

std::string digestOf(const RolesConfig& roles, const RoutingConfig& routing) {
  json document{{"rendering", 1}, {"roles", json::object()}, {"routes", json::array()}}; // 1: of the renderer itself
  for (const auto& role : roles.roles) {
    json& out = document["roles"][role.name];
    out = {{"title", role.title},          {"description", role.description}, {"location", role.location},
           {"fields", role.fields},        {"reminders", role.reminders},     {"show_as", role.showAs},
           {"visibility", role.visibility}};
    if (role.providers)
      out["providers"] = *role.providers;
  }
  for (const auto& route : routing.routes)
    document["routes"].push_back({route.name, route.events, route.audience.name(), toString(route.action)});
  return sha256Hex(document.dump(-1, ' ', false, json::error_handler_t::replace));
}

} // namespace

RoutingPolicy::RoutingPolicy(const RolesConfig& roles, RoutingConfig routing)
    : routing_(std::move(routing)), digest_(digestOf(roles, routing_)) {
  for (const auto& role : roles.roles)
    roles_.emplace(role.name, RolePolicy(role));
  for (const auto& route : routing_.routes)
    if (!route.audience.path.empty())
      peoplePaths_.push_back(route.audience.path);
  std::sort(peoplePaths_.begin(), peoplePaths_.end());
  peoplePaths_.erase(std::unique(peoplePaths_.begin(), peoplePaths_.end()), peoplePaths_.end());
}

const RolePolicy* RoutingPolicy::role(std::string_view name) const {
  const auto it = roles_.find(name);
  return it == roles_.end() ? nullptr : &it->second;
}

bool matchesEvent(std::string_view pattern, std::string_view type) {
  if (pattern == "*")
    return true;
  if (!pattern.ends_with(".*"))
    return pattern == type;
  const std::string_view prefix = pattern.substr(0, pattern.size() - 1); // with its dot
  return type.size() > prefix.size() && type.starts_with(prefix);
}

} // namespace calbridge::routing
