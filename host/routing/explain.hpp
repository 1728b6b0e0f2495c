#pragma once
#include "routing/router.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace calbridge::routing {

/// For `calbridge explain`: the routes that matched, then every person with the route that grants the entry and the
/// entry as rendered, or with the reason why there is none. People whom nothing concerns are listed up to `limit` of
/// them.
struct Explanation {
  std::string eventType;
  std::string appointmentId;
  RoutingResult result;
  struct Bystander {
    std::string personId;
    std::string role;
    std::string reason;
  };
  std::vector<Bystander> bystanders; ///< known people without an entry, each with the reason
  std::size_t omitted = 0;           ///< how many more there are
};

/// Runs route() on the input and adds the reasons of those who get nothing.
Explanation explain(const RoutingPolicy& policy, const Directory& directory, const RoutingInput& input,
                    std::size_t limit = 100);

nlohmann::json explainJson(const Explanation& explanation);
/// The same for people: plain text, lines of the entry indented.
std::string explainText(const Explanation& explanation);

} // namespace calbridge::routing
