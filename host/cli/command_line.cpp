#include "cli/command_line.hpp"
#include "core/error.hpp"

namespace calbridge::cli {
namespace {

constexpr const char* kVersion = "calbridge 1.0.0";

/// Failures of what calbridge stands on, in contrast to what it was asked about.
int exitCodeOf(const Error& error) {
  for (const char* code :
       {"store_unavailable", "store_locked", "store_newer", "listen_failed", "plugin_invalid", "plugins_failed",
        "plugin_check_failed", "host_failed", "rotation_failed", "wrong_master_key", "master_key_invalid",
        "master_key_exposed", "master_key_unwritable", "ca_file_invalid"})
    if (error.code() == code)
      return kDependency;
  return error.code() == "usage" ? kUsage : kWrong;
}

} // namespace

Configuration Context::load() const {
  auto loaded = loadConfiguration(source);
  for (const auto& warning : loaded.warnings)
    err << warning.text() << " (warning)\n";
  if (!loaded.configuration) {
    for (const auto& problem : loaded.problems)
      err << problem.text() << '\n';
    throw Error("invalid_configuration", "the configuration has " + std::to_string(loaded.problems.size()) +
                                             (loaded.problems.size() == 1 ? " problem" : " problems"));
  }
  return std::move(*loaded.configuration);
}

int runCommandLine(int argc, const char* const* argv, Program& program, std::ostream& out, std::ostream& err) {
  CLI::App app("calbridge keeps everybody's own calendar in agreement with a booking application.", "calbridge");
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  app.fallthrough();

  ConfigurationSource source;
  std::string envFile;
  app.add_option("--config", source.directory, "Directory of the configuration files")->default_str("./config");
  app.add_option("--env-file", envFile, "File with the application's credentials")->default_str("./.env");
  app.add_option("--set", source.overrides, "Overrides one value of calbridge.json: dotted.path=VALUE (repeatable)")
      ->allow_extra_args(false);

  Context context{program, source, out, err};
  Action chosen;
  addServe(app, context, chosen);
  addCheck(app, context, chosen);
  addExplain(app, context, chosen);
  addPlugins(app, context, chosen);
  addPeople(app, context, chosen);
  addAppKeys(app, context, chosen);
  addDeliveries(app, context, chosen);
  addResync(app, context, chosen);
  addMigrateStore(app, context, chosen);
  addAudit(app, context, chosen);
  addVault(app, context, chosen);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? kFine : kUsage;
  }
  if (!envFile.empty()) {
    source.envFile = envFile;
    source.envFileRequired = true;
  }
  try {
    return chosen();
  } catch (const Error& error) {
    err << "calbridge: " << error.message() << '\n';
    if (!error.detail().empty())
      err << "calbridge: " << error.detail() << '\n';
    return exitCodeOf(error);
  }
}

} // namespace calbridge::cli
