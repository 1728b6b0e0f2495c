#include "config/routing_config.hpp"

namespace calbridge {
namespace {

std::string shortPath(const std::string& path) {
  if (path == "customer.id")
    return "customer";
  return path == "staff.id" ? "assigned" : "people at " + path;
}

} // namespace

std::string AudienceConfig::name() const {
  switch (kind) {
  case Kind::people:
    return shortPath(path);
  case Kind::role:
    return path.empty() ? "role " + role : "role " + role + " sharing a team with " + shortPath(path);
  case Kind::everyone:
    break;
  }
  return "everyone_who_has_it";
}

const char* toString(RouteConfig::Action action) {
  switch (action) {
  case RouteConfig::Action::add:
    return "add";
  case RouteConfig::Action::update:
    return "update";
  case RouteConfig::Action::remove:
    break;
  }
  return "remove";
}

} // namespace calbridge
