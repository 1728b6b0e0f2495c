#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace calbridge {

/// A user of the booking application, as the application told us (PUT /api/people/{id}/).
struct Person {
  std::string id;
  std::string name;
  std::string email;
  std::string role;
  std::string timezone; ///< IANA; "UTC" when the application gave none
  std::vector<std::string> teams;

  bool operator==(const Person&) const = default;
};

/// {id, name, email, role, timezone, teams}, as the API shows a person.
nlohmann::json toJson(const Person& person);

} // namespace calbridge
