#pragma once
#include "cli/program.hpp"

namespace calbridge::app {

/// The rest of the program behind the command line.
class HostProgram final : public cli::Program {
 public:
  int serve(const ConfigurationSource& source) override;
  cli::PluginCheck checkPlugins(const Configuration& configuration, const std::string& file) override;
  cli::PluginReport listPlugins(const Configuration& configuration) override;
  cli::PluginReport inspectPlugin(const Configuration& configuration, const std::string& nameOrPath) override;
  cli::PluginReport checkPlugin(const cli::PluginCheckRequest& request) override;
  cli::PluginReport pluginChecks() override;
  nlohmann::json control(const Configuration& configuration, const nlohmann::json& request) override;
  bool hasDatabase(const Configuration& configuration) override;
  void moveStore(const Configuration& configuration, const std::string& from, const std::string& to, std::ostream& out,
                 std::ostream& progress) override;
  void rotateVault(const Configuration& configuration, std::ostream& out, std::ostream& progress) override;
};

/// parse, dispatch; the exit code. The one catch-all is main's.
int runProgram(int argc, const char* const* argv);

} // namespace calbridge::app
