#include "cli/command_line.hpp"
#include "core/error.hpp"

#include <memory>

namespace calbridge::cli {
namespace {

struct Wanted {
  PluginCheckRequest request;
  bool asJson = false;
  bool list = false;
};

int print(Context& context, const PluginReport& report, bool asJson) {
  if (asJson)
    context.out << report.document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else
    context.out << report.text;
  return report.usable ? kFine : kWrong;
}

int check(Context& context, const Wanted& wanted) {
  if (wanted.list)
    return print(context, context.program.pluginChecks(), wanted.asJson);
  if (wanted.request.plugin.empty())
    throw Error("usage", "which plugin? calbridge plugins check PATH.so");
  try {
    return print(context, context.program.checkPlugin(wanted.request), wanted.asJson);
  } catch (const Error& error) {
    if (wanted.asJson && error.code() == "plugin_invalid")
      context.out << nlohmann::json{{"plugin", {{"path", wanted.request.plugin}}}, {"problem", error.message()}}.dump(2)
                  << '\n';
    throw;
  }
}

} // namespace

void addPluginsCheck(CLI::App& group, Context& context, Action& chosen) {
  auto wanted = std::make_shared<Wanted>();
  auto& request = wanted->request;
  auto* app = group.add_subcommand("check", "The conformance suite for a plugin; needs no configuration");
  app->add_option("plugin", request.plugin, "Path of the .so, or the name of an installed plugin");
  app->add_option("--settings", request.settingsFile, "JSON file with the plugin's settings");
  app->add_option("--script", request.scriptFile, "JSON file that says how the plugin's service answers");
  app->add_option("--only", request.only, "A check, a group, or the beginning of their names (repeatable)")
      ->allow_extra_args(false);
  app->add_option("--seed", request.seed, "Other content, ids and secrets")->default_str("1");
  app->add_option("--timeout", request.timeoutSeconds, "Seconds that a check may take")
      ->default_str("20")
      ->check(CLI::Range(1, 3600));
  app->add_option("--jobs", request.processes, "Checks at a time")
      ->default_str("one for each processor")
      ->check(CLI::Range(1, 256));
  app->add_flag("--list", wanted->list, "Say which checks there are, and run none");
  app->add_flag("--json", wanted->asJson, "For machines: one document");
  app->callback([&context, &chosen, wanted] { chosen = [&context, wanted] { return check(context, *wanted); }; });
}

} // namespace calbridge::cli
