#pragma once
#include "config/roles_config.hpp"
#include "config/routing_config.hpp"
#include "routing/role_policy.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::routing {

/// roles.json and routing.json, compiled. Immutable: on SIGHUP build a new one and swap a shared_ptr<const
/// RoutingPolicy>.
class RoutingPolicy {
 public:
  /// Both arguments must have passed the checks of loadConfiguration(); throws Error("invalid_template") otherwise.
  RoutingPolicy(const RolesConfig& roles, RoutingConfig routing);

  /// Null when the role is not defined: such people get no entries.
  const RolePolicy* role(std::string_view name) const;
  const std::vector<RouteConfig>& routes() const noexcept { return routing_.routes; }
  /// SHA-256 (hex) over everything that decides about placements: equal digests route and render alike, so a changed
  /// digest means that every appointment has to be reevaluated.
  const std::string& digest() const noexcept { return digest_; }
  /// The snapshot paths under which the routes find people ("customer.id", "staff.id", …), sorted, each once.
  const std::vector<std::string>& peoplePaths() const noexcept { return peoplePaths_; }

 private:
  std::map<std::string, RolePolicy, std::less<>> roles_;
  RoutingConfig routing_;
  std::string digest_;
  std::vector<std::string> peoplePaths_;
};

/// Does `pattern` ("order.confirmed", "order.*", "*") name this event type? "order.*" means every type below "order.".
bool matchesEvent(std::string_view pattern, std::string_view type);

} // namespace calbridge::routing
