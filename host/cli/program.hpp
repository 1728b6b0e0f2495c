#pragma once
#include "config/configuration.hpp"

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

namespace calbridge::cli {

/// Plugins for machines and for people.
struct PluginReport {
  nlohmann::json document;
  std::string text;
  bool usable = true; ///< none of them has a problem
};

/// What `plugins check` is asked.
struct PluginCheckRequest {
  std::string plugin;            ///< path, or name of an installed one
  std::string settingsFile;      ///< empty: none
  std::string scriptFile;        ///< empty: none
  std::vector<std::string> only; ///< beginnings of the names of checks; empty: all
  std::uint64_t seed = 1;
  int timeoutSeconds = 20; ///< of one check
  unsigned processes = 0;  ///< at a time; 0: as many as there are processors
};

/// What became of loading every enabled plugin.
struct PluginCheck {
  Problems problems;
  Problems warnings;
  std::vector<std::string> runs; ///< how each provider's plugin runs: "google in-process"
};

/// What commands need from the rest of the program; host/app implements it.
class Program {
 public:
  virtual ~Program() = default;

  /// Runs the host until SIGTERM or SIGINT. Returns the exit code.
  virtual int serve(const ConfigurationSource& source) = 0;
  /// Loads every enabled plugin. Contacts nobody.
  virtual PluginCheck checkPlugins(const Configuration& configuration, const std::string& file) = 0;
  /// All plugins that can be found, broken ones too.
  virtual PluginReport listPlugins(const Configuration& configuration) = 0;
  /// One of them. Throws Error("plugin_not_found").
  virtual PluginReport inspectPlugin(const Configuration& configuration, const std::string& nameOrPath) = 0;
  /// Runs the conformance suite. Throws Error("plugin_invalid") when the file cannot be loaded at all, Error("usage")
  /// for a script or a check that makes no sense.
  virtual PluginReport checkPlugin(const PluginCheckRequest& request) = 0;
  /// Which checks there are.
  virtual PluginReport pluginChecks() = 0;
  /// Carries an operator's request out: inside the running host, or here when none runs. Throws Error.
  virtual nlohmann::json control(const Configuration& configuration, const nlohmann::json& request) = 0;
  /// Is there a database yet? (A command that only reads must not create one.)
  virtual bool hasDatabase(const Configuration& configuration) = 0;
  /// Copies an installation from one database (URL) to another and checks that its tokens can be read there. Says on
  /// `out` what was moved, on `progress` how far it is. Throws Error.
  virtual void moveStore(const Configuration& configuration, const std::string& from, const std::string& to,
                         std::ostream& out, std::ostream& progress) = 0;
  /// Gives every stored token a new master key, in the running host or here when none runs. Says on `progress` how far
  /// it is, on `out` what the operator has to do now. Throws Error.
  virtual void rotateVault(const Configuration& configuration, std::ostream& out, std::ostream& progress) = 0;
};

} // namespace calbridge::cli
