#pragma once
#include "core/logger.hpp"
#include "store/store.hpp"

namespace calbridge::connections {

/// Notes who did what about whom. The table takes what happened after it has happened; a line that cannot be stored is
/// written to the log instead, because what was done cannot be undone for its sake. Details hold ids and choices, never
/// a secret, a name or an address. Borrows all; cheap to make where it is needed. Thread-safe.
class AuditLog {
 public:
  AuditLog(store::Store& store, const Clock& clock, Logger& log) : store_(store), clock_(clock), log_(log) {}

  static std::string person(const std::string& id) { return "person:" + id; }
  static std::string app(const std::string& keyName) { return "app:" + keyName; }
  static constexpr const char* kOperator = "operator";
  static constexpr const char* kHost = "host";
  static constexpr const char* kUnknown = "";

  /// See store::AuditRecord for what the parts mean. Throws nothing that comes from the store.
  void note(const std::string& action, const std::string& actor, const std::string& personId,
            nlohmann::json detail = nlohmann::json::object()) const;

 private:
  store::Store& store_;
  const Clock& clock_;
  Logger& log_;
};

/// For people's and machines' eyes: {"seq", "at", "action", "actor", "person", "detail"}.
nlohmann::json toJson(const store::AuditRecord& record);

} // namespace calbridge::connections
