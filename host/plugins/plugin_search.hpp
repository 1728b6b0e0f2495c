#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace calbridge::plugins {

/// Where plugins are, and the program that tries them.
struct PluginSearch {
  std::vector<std::filesystem::path> directories; ///< in the order of searching
  std::filesystem::path probe;                    ///< calbridge-plugin-probe
};

/// `configured` (the setting plugins.directories) first, then ../plugins beside the running program (a build tree) and
/// ../lib/calbridge/plugins (an installed one). The probe is beside the program, or in ../bin (test programs).
PluginSearch defaultSearch(const std::vector<std::filesystem::path>& configured);

/// An absolute path is taken as it is; a name (letters, digits, - and _) is lib<name>.so in the first directory that
/// has it. Throws Error("plugin_not_found") that says where it looked.
std::filesystem::path findPlugin(const std::string& nameOrPath, const PluginSearch& search);

/// The absolute paths of all lib*.so in the directories, the first of each name only, sorted by name.
std::vector<std::filesystem::path> installedPlugins(const PluginSearch& search);

} // namespace calbridge::plugins
