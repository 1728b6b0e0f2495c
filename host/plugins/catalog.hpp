#pragma once
#include "plugins/manifest.hpp"
#include "plugins/plugin_search.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace calbridge::plugins {

/// One plugin file, as `calbridge plugins` shows it.
struct InstalledPlugin {
  std::filesystem::path path;
  std::optional<Manifest> manifest; ///< absent when `problems` say why
  std::vector<std::string> operations;
  bool isolated = true; ///< does it run in a process of its own? By its origin, until a caller knows better
  std::map<std::string, bool> isolatedAs; ///< the same by provider that uses it, where a caller knows them
  std::vector<std::string> gaps;          ///< in what would confine it there, on this kernel
  std::vector<std::string> problems;      ///< why it cannot be used, in words
};

/// Every plugin in the search directories, broken ones too.
std::vector<InstalledPlugin> listPlugins(const PluginSearch& search);
/// One, by name or path (findTypedPlugin). A broken one is a value with problems; an absent one throws
/// Error("plugin_not_found").
InstalledPlugin inspectPlugin(const std::string& nameOrPath, const PluginSearch& search);

/// {"path","usable","problems","operations","runs","runs_as","gaps","manifest"}: "runs" is how it runs unless "runs_as"
/// says otherwise for a provider.
nlohmann::json toJson(const InstalledPlugin& plugin);
/// For people: several lines with a heading; `list` gives one line. Both say how it does run, as which provider.
std::string describe(const InstalledPlugin& plugin);
std::string listLine(const InstalledPlugin& plugin);

} // namespace calbridge::plugins
