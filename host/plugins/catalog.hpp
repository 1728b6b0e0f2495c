#pragma once
#include "plugins/manifest.hpp"
#include "plugins/plugin_search.hpp"

#include <optional>
#include <string>
#include <vector>

namespace calbridge::plugins {

/// One plugin file, as `calbridge plugins` shows it.
struct InstalledPlugin {
  std::filesystem::path path;
  std::optional<Manifest> manifest; ///< absent when `problems` say why
  std::vector<std::string> operations;
  std::vector<std::string> problems; ///< why it cannot be used, in words
};

/// Every plugin in the search directories, broken ones too.
std::vector<InstalledPlugin> listPlugins(const PluginSearch& search);
/// One, by name or path. A broken one is a value with problems; an absent one throws Error("plugin_not_found").
InstalledPlugin inspectPlugin(const std::string& nameOrPath, const PluginSearch& search);

/// {"path","usable","problems","operations","manifest"}.
nlohmann::json toJson(const InstalledPlugin& plugin);
/// For people: several lines with a heading; `list` gives one line.
std::string describe(const InstalledPlugin& plugin);
std::string listLine(const InstalledPlugin& plugin);

} // namespace calbridge::plugins
