#pragma once
#include "cli/program.hpp"

#include <CLI/CLI.hpp>
#include <functional>
#include <ostream>

namespace calbridge::cli {

/// What every command is given.
struct Context {
  Program& program;
  ConfigurationSource& source;
  std::ostream& out;
  std::ostream& err;

  /// The configuration, or Error("invalid_configuration") after all problems were printed.
  Configuration load() const;
};

/// Exit codes of contract section 3.
inline constexpr int kFine = 0;
inline constexpr int kWrong = 1;
inline constexpr int kUsage = 2;
inline constexpr int kDependency = 3;

/// Each command adds itself to the parser and leaves in `chosen` what to run when it was named.
using Action = std::function<int()>;
void addServe(CLI::App& app, Context& context, Action& chosen);
void addCheck(CLI::App& app, Context& context, Action& chosen);
void addExplain(CLI::App& app, Context& context, Action& chosen);
void addPlugins(CLI::App& app, Context& context, Action& chosen);
/// Into the group `plugins`.
void addPluginsCheck(CLI::App& group, Context& context, Action& chosen);
void addPeople(CLI::App& app, Context& context, Action& chosen);
void addAppKeys(CLI::App& app, Context& context, Action& chosen);
void addDeliveries(CLI::App& app, Context& context, Action& chosen);
void addResync(CLI::App& app, Context& context, Action& chosen);
void addMigrateStore(CLI::App& app, Context& context, Action& chosen);
void addAudit(CLI::App& app, Context& context, Action& chosen);
void addVault(CLI::App& app, Context& context, Action& chosen);

/// Parses, runs one command, prints what went wrong. Returns the exit code; lets nothing out but std::bad_alloc.
int runCommandLine(int argc, const char* const* argv, Program& program, std::ostream& out, std::ostream& err);

} // namespace calbridge::cli
