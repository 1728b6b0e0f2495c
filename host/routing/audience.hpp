#pragma once
#include "config/routing_config.hpp"
#include "routing/directory.hpp"
#include "routing/router.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace calbridge::routing {

/// The ids at a path of the snapshot: "customer.id", "staff.id" (every element of the list), "watchers" (a list of
/// ids). In the order of the snapshot, each once; anything that is no id is skipped.
std::vector<std::string> idsAt(const nlohmann::json& snapshot, std::string_view path);

/// Somebody in an audience, and why.
struct Member {
  const Person* person = nullptr;
  std::string why; ///< "named at staff.id", "role manager, shares team north with sarah"
};

/// The people of an audience by the directory of today. `anchors` are the ids that its path named; those whom the
/// directory does not know are added to `unknown`. An audience of everyone who has it is empty here.
std::vector<Member> membersOf(const AudienceConfig& audience, const std::vector<std::string>& anchors,
                              const Directory& directory, std::vector<UnknownPerson>& unknown);

/// Why somebody is not in an audience, as the end of the sentence "X …".
std::string whyNot(const AudienceConfig& audience, const Person& person);

} // namespace calbridge::routing
