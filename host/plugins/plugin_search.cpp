#include "plugins/plugin_search.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <map>

namespace calbridge::plugins {
namespace {

namespace fs = std::filesystem;

bool isName(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

} // namespace

PluginSearch defaultSearch(const std::vector<fs::path>& configured) {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path();
  PluginSearch search;
  for (const fs::path& directory : configured) {
    search.directories.push_back(fs::absolute(directory).lexically_normal());
  }
  search.own = {(beside / "../plugins").lexically_normal(), (beside / "../lib/calbridge/plugins").lexically_normal()};
  search.directories.insert(search.directories.end(), search.own.begin(), search.own.end());
  search.runner.program = beside / "calbridge-plugin-runner";
  if (!fs::exists(search.runner.program, error)) {
    const fs::path other = (beside / "../bin/calbridge-plugin-runner").lexically_normal();
    search.runner.program = fs::exists(other, error) ? other : search.runner.program;
  }
  return search;
}

bool isBundled(const fs::path& path, const PluginSearch& search) {
  static constexpr std::string_view kBundled = CALBRIDGE_BUNDLED_PLUGINS; // ",google,…,"
  const std::string file = path.filename().string();
  return std::find(search.own.begin(), search.own.end(), path.parent_path()) != search.own.end() &&
         file.starts_with("lib") && file.ends_with(".so") &&
         kBundled.find("," + file.substr(3, file.size() - 6) + ",") != std::string_view::npos;
}

fs::path findPlugin(const std::string& nameOrPath, const PluginSearch& search) {
  std::error_code error;
  if (fs::path path(nameOrPath); path.is_absolute()) {
    if (!fs::is_regular_file(path, error)) {
      throw Error("plugin_not_found", "there is no file " + nameOrPath);
    }
    return path;
  }
  if (!isName(nameOrPath)) {
    throw Error("plugin_not_found",
                "\"" + nameOrPath + "\" is neither a plugin's name (as google) nor an absolute path");
  }
  std::string searched;
  for (const fs::path& directory : search.directories) {
    if (fs::path path = directory / ("lib" + nameOrPath + ".so"); fs::is_regular_file(path, error)) {
      return path;
    }
    searched += (searched.empty() ? "" : ", ") + directory.string();
  }
  throw Error("plugin_not_found", "there is no plugin \"" + nameOrPath + "\" (lib" + nameOrPath + ".so) in " +
                                      searched + ": install it there, or add its folder to plugins.directories");
}

fs::path findTypedPlugin(const std::string& nameOrPath, const PluginSearch& search) {
  const bool path = nameOrPath.find('/') != std::string::npos || nameOrPath.ends_with(".so");
  return findPlugin(path ? fs::absolute(nameOrPath).lexically_normal().string() : nameOrPath, search);
}

std::vector<fs::path> installedPlugins(const PluginSearch& search) {
  std::map<std::string, fs::path> found;
  for (const fs::path& directory : search.directories) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory, error)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("lib") && name.ends_with(".so") && entry.is_regular_file(error)) {
        found.emplace(name, entry.path());
      }
    }
  }
  std::vector<fs::path> paths;
  for (const auto& [name, path] : found) {
    paths.push_back(path);
  }
  return paths;
}

} // namespace calbridge::plugins
