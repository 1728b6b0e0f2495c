#pragma once
#include "plugins/plugin_description.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace calbridge::plugins {

/// Where plugins are, and the program that runs them.
struct PluginSearch {
  std::vector<std::filesystem::path> directories; ///< in the order of searching
  RunnerOptions runner;
  std::vector<std::filesystem::path> own; ///< of those directories: the ones that came with this program
};

/// `configured` (the setting plugins.directories) first, then ../plugins beside the running program (a build tree) and
/// ../lib/calbridge/plugins (an installed one). The runner is beside the program, or in ../bin (test programs).
PluginSearch defaultSearch(const std::vector<std::filesystem::path>& configured);

/// Is the file one of the plugins that are built with this program, in a directory of its own? What others put there is
/// not.
bool isBundled(const std::filesystem::path& path, const PluginSearch& search);

/// An absolute path is taken as it is; a name (letters, digits, - and _) is lib<name>.so in the first directory that
/// has it. Throws Error("plugin_not_found") that says where it looked.
std::filesystem::path findPlugin(const std::string& nameOrPath, const PluginSearch& search);

/// The same for what somebody types into a terminal, where a path may be relative to the working directory: whatever
/// holds a slash or ends with .so is one.
std::filesystem::path findTypedPlugin(const std::string& nameOrPath, const PluginSearch& search);

/// The absolute paths of all lib*.so in the directories, the first of each name only, sorted by name.
std::vector<std::filesystem::path> installedPlugins(const PluginSearch& search);

} // namespace calbridge::plugins
