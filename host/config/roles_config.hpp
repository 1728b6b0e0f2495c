#pragma once
#include <optional>
#include <string>
#include <vector>

namespace calbridge {

/// One role of roles.json.
struct RoleConfig {
  std::string name;
  std::string title;                  ///< Mustache template
  std::string description;            ///< Mustache template, lines joined by newlines
  std::string location;               ///< Mustache template
  std::vector<std::string> fields;    ///< allow-list: "customer.name" allows itself and all below it, "*" everything
  std::vector<int> reminders;         ///< minutes before the start, ascending, 0–40320, at most 5
  std::string showAs = "busy";        ///< busy | free
  std::string visibility = "default"; ///< default | public | private | confidential
  std::optional<std::vector<std::string>> providers; ///< absent: all

  bool operator==(const RoleConfig&) const = default;
};

struct RolesConfig {
  std::vector<RoleConfig> roles; ///< in the order of the file

  bool operator==(const RolesConfig&) const = default;
};

} // namespace calbridge
