#include "app/host_program.hpp"

#include "conformance/suite.hpp"
#include "core/error.hpp"
#include "plugins/plugin_search.hpp"

namespace calbridge::app {
namespace {

/// The file, absolute. One that is not there cannot be loaded either.
std::filesystem::path fileOf(const std::string& nameOrPath, const plugins::PluginSearch& search) {
  try {
    return plugins::findTypedPlugin(nameOrPath, search);
  } catch (const Error& error) {
    throw Error("plugin_invalid", error.message());
  }
}

} // namespace

cli::PluginReport HostProgram::checkPlugin(const cli::PluginCheckRequest& request) {
  const plugins::PluginSearch search = plugins::defaultSearch({});
  conformance::SuiteOptions options;
  if (!request.scriptFile.empty())
    options.script = conformance::readScript(request.scriptFile);
  if (!request.settingsFile.empty())
    options.script.settings = conformance::readObject(request.settingsFile);
  options.plugin = fileOf(request.plugin, search);
  options.program = search.runner.program.parent_path() / "calbridge-plugin-check";
  options.seed = request.seed;
  options.timeout = std::chrono::seconds(request.timeoutSeconds);
  options.processes = request.processes;
  options.only = request.only;
  const conformance::SuiteReport report = conformance::runSuite(options);
  return {conformance::toJson(report), conformance::describe(report),
          report.count(conformance::CheckResult::Outcome::failed) == 0};
}

cli::PluginReport HostProgram::pluginChecks() {
  return {conformance::checksAsJson(), conformance::checksAsText(), true};
}

} // namespace calbridge::app
