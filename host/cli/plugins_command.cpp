#include "cli/command_line.hpp"
#include "cli/plugin_project.hpp"

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

int writeNewPlugin(Context& context, const std::string& name, const std::string& directory, Language language) {
  const auto files = pluginProject(name, language);
  const std::filesystem::path folder = directory.empty() ? name : directory;
  writeProject(folder, files);
  for (const ProjectFile& file : files) {
    context.out << (folder / file.name).string() << '\n';
  }
  context.out << "Read " << (folder / "README.md").string() << " first: how to build it and try it out.\n";
  return kFine;
}

void addNew(CLI::App& group, Context& context, Action& chosen) {
  auto* command = group.add_subcommand("new", "Writes a plugin project that compiles, to start from");
  auto name = std::make_shared<std::string>();
  auto directory = std::make_shared<std::string>();
  auto language = std::make_shared<Language>(Language::cpp);
  command->add_option("name", *name, "The provider's id: lower-case letters, digits and -")->required();
  command->add_option("--directory", *directory, "Where to write it")->default_str("./NAME");
  command->add_flag_callback(
      "--c", [language] { *language = Language::c; }, "In plain C instead of C++");
  command->callback([&context, &chosen, name, directory, language] {
    chosen = [&context, name, directory, language] { return writeNewPlugin(context, *name, *directory, *language); };
  });
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
  addNew(*group, context, chosen);
  addPluginsCheck(*group, context, chosen);
}

} // namespace calbridge::cli
