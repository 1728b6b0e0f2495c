#pragma once
#include "config/configuration.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace calbridge::cli {

/// What commands need from the rest of the program; host/app implements it.
class Program {
 public:
  virtual ~Program() = default;

  /// Runs the host until SIGTERM or SIGINT. Returns the exit code.
  virtual int serve(const ConfigurationSource& source) = 0;
  /// Loads every enabled plugin; what is wrong with them. Contacts nobody.
  virtual Problems checkPlugins(const Configuration& configuration, const std::string& file) = 0;
  /// All plugins that can be found, as an array of {name, path, …}.
  virtual nlohmann::json listPlugins(const Configuration& configuration) = 0;
  /// One plugin's manifest. Throws Error when it cannot be loaded.
  virtual nlohmann::json inspectPlugin(const Configuration& configuration, const std::string& nameOrPath) = 0;
  /// Carries an operator's request out: inside the running host, or here when none runs. Throws Error.
  virtual nlohmann::json control(const Configuration& configuration, const nlohmann::json& request) = 0;
  /// Is there a database yet? (A command that only reads must not create one.)
  virtual bool hasDatabase(const Configuration& configuration) = 0;
};

} // namespace calbridge::cli
