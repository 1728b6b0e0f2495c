#pragma once
#include "calbridge/abi.h"
#include "plugins/manifest.hpp"
#include "plugins/operation.hpp"

#include <filesystem>
#include <memory>

namespace calbridge::plugins {

/// A plugin's shared library, loaded and checked. It stays in the process for good: nothing unloads it, so that neither
/// its code nor its constants can vanish under a caller. Immutable, thread-safe.
class PluginLibrary {
 public:
  /// Runs the library's constructors: only for files that describePlugin() has found to load, or in a process of the
  /// plugin's own. `path` is absolute. Throws Error("plugin_invalid") with the file, what is wrong and what to do.
  static std::shared_ptr<const PluginLibrary> loadHere(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const Manifest& manifest() const { return manifest_; }
  /// A copy as long as this host's own table: what an older plugin lacks is null.
  const calbridge_plugin_v1_t& table() const { return table_; }
  /// Null when the plugin does not have it.
  calbridge_operation operation(Operation operation) const;

 private:
  PluginLibrary() = default;
  std::filesystem::path path_;
  Manifest manifest_;
  calbridge_plugin_v1_t table_{};
};

} // namespace calbridge::plugins
