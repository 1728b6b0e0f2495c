#pragma once
#include <string>
#include <vector>

namespace calbridge {

/// Something wrong in the configuration, and where: "config/roles.json:12:5", "--set server.listn", ".env:3:1".
struct Problem {
  std::string where;
  std::string message;

  std::string text() const { return where + ": " + message; }
  bool operator==(const Problem&) const = default;
};
using Problems = std::vector<Problem>;

} // namespace calbridge
