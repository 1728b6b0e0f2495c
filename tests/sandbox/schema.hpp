#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace calbridge::sandbox {

/// The providers' own descriptions of what a body may hold (specs/). Immutable, so thread-safe.
class Schemas {
 public:
  enum class Body { googleEvent, googleCalendar, graphEvent, graphCalendar };
  Schemas();
  ~Schemas();
  /// What is wrong with the body, naming the place, or nullopt.
  std::optional<std::string> check(Body body, const nlohmann::json& document) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

} // namespace calbridge::sandbox
