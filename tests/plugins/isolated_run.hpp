#pragma once
#include "calbridge/abi.h"

#include <filesystem>
#include <memory>
#include <string>

namespace calbridge::testing {

class ScriptedHost;

/// A plugin in a process of its own, whose services are a ScriptedHost's.
class IsolatedRun {
 public:
  /// Throws Error when the plugin cannot be run.
  explicit IsolatedRun(const std::filesystem::path& plugin);
  ~IsolatedRun();
  IsolatedRun(const IsolatedRun&) = delete;
  IsolatedRun& operator=(const IsolatedRun&) = delete;

  /// False when the plugin refuses; `host` has its reply then.
  bool create(ScriptedHost& host, const std::string& settings);
  /// Runs the operation of `table` that `operation` is. `host` has the reply.
  void call(ScriptedHost& host, const calbridge_plugin_v1_t& table, calbridge_operation operation,
            const std::string& request);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

} // namespace calbridge::testing
