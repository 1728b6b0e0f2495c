#include "cli/command_line.hpp"

#include <memory>

namespace calbridge::cli {
namespace {

int print(Context& context, const PluginReport& report, bool asJson) {
  if (asJson)
    context.out << report.document.dump(2) << '\n';
  else
    context.out << report.text << (report.text.ends_with('\n') ? "" : "\n");
  return report.usable ? kFine : kWrong;
}

int list(Context& context, bool asJson) {
  const auto report = context.program.listPlugins(context.load());
  if (report.document.empty() && !asJson) {
    context.out << "No plugin was found; plugins.directories in calbridge.json says where to look.\n";
    return kFine;
  }
  return print(context, report, asJson);
}

int inspect(Context& context, const std::string& nameOrPath, bool asJson) {
  return print(context, context.program.inspectPlugin(context.load(), nameOrPath), asJson);
}

} // namespace

void addPlugins(CLI::App& app, Context& context, Action& chosen) {
  auto* group = app.add_subcommand("plugins", "What provider plugins are installed");
  group->require_subcommand(1);
  auto asJson = std::make_shared<bool>(false);
  auto name = std::make_shared<std::string>();
  auto* listing = group->add_subcommand("list", "All plugins that can be found");
  listing->add_flag("--json", *asJson, "For machines");
  listing->callback([&context, &chosen, asJson] { chosen = [&context, asJson] { return list(context, *asJson); }; });
  auto* one = group->add_subcommand("inspect", "One plugin's manifest, capabilities, egress and settings");
  one->add_option("plugin", *name, "Name, or path of the .so")->required();
  one->add_flag("--json", *asJson, "For machines");
  one->callback([&context, &chosen, asJson, name] {
    chosen = [&context, asJson, name] { return inspect(context, *name, *asJson); };
  });
}

} // namespace calbridge::cli
