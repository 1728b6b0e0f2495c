#include "cli/command_line.hpp"

#include <memory>

namespace calbridge::cli {
namespace {

using nlohmann::json;

std::string joined(const json& list) {
  std::string text;
  if (list.is_array())
    for (const auto& item : list)
      text += (text.empty() ? "" : ", ") + (item.is_string() ? item.get<std::string>() : item.dump());
  return text.empty() ? "none" : text;
}

std::string word(const json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? "" : it->is_string() ? it->get<std::string>() : it->dump();
}

int list(Context& context, bool asJson) {
  const json plugins = context.program.listPlugins(context.load());
  if (asJson) {
    context.out << plugins.dump(2) << '\n';
    return kFine;
  }
  if (plugins.empty())
    context.out << "No plugin was found; plugins.directories in calbridge.json says where to look.\n";
  int code = kFine;
  for (const auto& plugin : plugins) {
    if (const auto problem = word(plugin, "problem"); !problem.empty()) {
      context.out << word(plugin, "name") << "\tBROKEN\t" << problem << '\n';
      code = kWrong;
    } else {
      context.out << word(plugin, "name") << '\t' << word(plugin, "version") << '\t' << word(plugin, "display_name")
                  << '\t' << word(plugin, "path") << '\n';
    }
  }
  return code;
}

int inspect(Context& context, const std::string& nameOrPath, bool asJson) {
  const json plugin = context.program.inspectPlugin(context.load(), nameOrPath);
  if (asJson) {
    context.out << plugin.dump(2) << '\n';
    return kFine;
  }
  for (const auto& [key, value] : plugin.items()) {
    if (key == "settings_schema" || key == "manifest")
      continue;
    context.out << key << ": " << (value.is_array() ? joined(value) : word(plugin, key.c_str())) << '\n';
  }
  for (const char* key : {"settings_schema", "manifest"})
    if (plugin.contains(key))
      context.out << key << ":\n" << plugin[key].dump(2) << '\n';
  return kFine;
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
