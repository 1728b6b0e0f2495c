#pragma once
#include "conformance/script.hpp"
#include "plugins/plugin_library.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace calbridge::conformance {

/// What the process of one check is told.
struct Job {
  std::filesystem::path plugin; ///< absolute
  std::uint64_t seed = 1;
  Script script;
};

std::string toText(const Job& job);
Job jobFromText(const std::string& text);

/// Thrown by a check that does not apply.
struct Skipped {
  std::string reason;
};

/// One run of one check: what it looks at, and what it finds. One thread.
class Trial {
 public:
  /// `onStep` hears what is being tried, so that a crash can be told from where it came.
  Trial(Job job, std::function<void(const std::string&)> onStep) : job_(std::move(job)), onStep_(std::move(onStep)) {}

  const Job& job() const { return job_; }
  /// Loads the plugin at the first call. Throws Error("plugin_invalid").
  const std::shared_ptr<const plugins::PluginLibrary>& library();
  const plugins::Manifest& manifest() { return library()->manifest(); }
  bool can(const std::string& capability) { return manifest().capabilities.contains(capability); }
  /// Throws Skipped unless the manifest names the capability.
  void need(const std::string& capability);

  void step(const std::string& what) { onStep_(what); }
  /// Something is wrong; the check goes on, and has failed. The same is said once, and no more than ten things are.
  void find(const std::string& what);
  /// find() unless `holds`. Returns `holds`.
  bool expect(bool holds, const std::string& what);
  const std::vector<std::string>& findings() const { return findings_; }

 private:
  Job job_;
  std::function<void(const std::string&)> onStep_;
  std::shared_ptr<const plugins::PluginLibrary> library_;
  std::vector<std::string> findings_;
};

/// One thing that holds for every good plugin.
struct Check {
  std::string_view id;       ///< "oauth.state": its group, and its name
  std::string_view sentence; ///< what holds, for people
  std::string_view change;   ///< what an author changes when it does not
  void (*run)(Trial& trial); ///< in a process of its own; may throw Skipped
};

/// All of them, in the order of the report.
std::vector<Check> allChecks();

} // namespace calbridge::conformance
