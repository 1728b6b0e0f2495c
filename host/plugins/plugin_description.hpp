#pragma once
#include "plugins/manifest.hpp"
#include "plugins/operation.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace calbridge::plugins {

class RunnerProcess;
class FrameStream;

/// How the program that runs plugins is used.
struct RunnerOptions {
  std::filesystem::path program;                 ///< calbridge-plugin-runner
  std::chrono::milliseconds loading{10000};      ///< for loading a plugin, and for making an instance
  std::chrono::milliseconds grace{1000};         ///< that a call may take beyond its deadline
  std::chrono::milliseconds firstPause{100};     ///< before a process that ended starts again; doubles each time …
  std::chrono::milliseconds longestPause{10000}; ///< … up to this
  int strikes = 5;                               ///< so many ends without one answered call: quarantine
  std::chrono::milliseconds quarantine{60000};   ///< after which one call is let through
};

/// What a plugin says about itself, found out without loading it into this process.
struct PluginDescription {
  std::filesystem::path path;
  std::string manifestText;
  Manifest manifest;
  std::vector<Operation> operations;
  int minor = 0;                 ///< of the interface that it was made for
  std::vector<std::string> gaps; ///< in what confines it, on this kernel; a sentence each

  bool has(Operation operation) const;
};

/// Lets a process of its own load the plugin, so that a corrupt or foreign file kills that process only. `path` is
/// absolute. Throws Error("plugin_invalid") with the file, what is wrong and what to do.
PluginDescription describePlugin(const std::filesystem::path& path, const RunnerOptions& runner);

/// The same, from a process that has just been started; it waits for the host's first frame afterwards.
PluginDescription greet(RunnerProcess& process, FrameStream& stream, const std::filesystem::path& path,
                        const RunnerOptions& runner);

} // namespace calbridge::plugins
