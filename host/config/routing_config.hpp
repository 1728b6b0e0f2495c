#pragma once
#include <string>
#include <vector>

namespace calbridge {

/// Who is meant by a route.
struct AudienceConfig {
  enum class Kind {
    people, ///< those whose ids stand at `path` in the snapshot; "customer" and "assigned" are short for two such paths
    role,   ///< everybody with `role`, or those of them who share a team with somebody at `path`
    everyone, ///< everyone who has the entry
  };
  Kind kind = Kind::everyone;
  std::string path; ///< "customer.id", "staff.id", …; role: empty when no team is asked for
  std::string role;

  /// The one-line form of routing.json: "customer", "assigned", "everyone_who_has_it", "people at inspectors.id",
  /// "role manager sharing a team with assigned". Equal audiences have equal names.
  std::string name() const;
  bool operator==(const AudienceConfig&) const = default;
};

struct RouteConfig {
  enum class Action { add, update, remove };
  std::string name;
  std::vector<std::string> events; ///< "order.confirmed", "order.*" or "*"
  AudienceConfig audience;
  Action action = Action::add;

  bool operator==(const RouteConfig&) const = default;
};
const char* toString(RouteConfig::Action action);

struct RoutingConfig {
  std::vector<RouteConfig> routes; ///< in the order of the file, which decides which of several routes is named

  bool operator==(const RoutingConfig&) const = default;
};

} // namespace calbridge
