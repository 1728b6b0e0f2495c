#pragma once
#include "plugins/call_services.hpp"
#include "plugins/operation.hpp"
#include "plugins/output_lines.hpp"
#include "plugins/plugin_description.hpp"
#include "plugins/runner_session.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace calbridge::plugins {

/// An instance in a process of its own. A call that outlives its deadline, a crash and a breach of the frames' rules
/// end that process; it starts again after a pause, which grows, and after several such ends without one answered call
/// it is in quarantine: one call is let through every now and then. Meanwhile calls end as transient at once, with the
/// time of the next start.
class IsolatedInstance final : public PluginInstance {
 public:
  /// Starts the process and creates the instance from the settings document of `create`. `host` outlives it. A file
  /// that says something else about itself than `description` is refused, now and at every later start. Throws
  /// Error("plugin_invalid") when that fails.
  IsolatedInstance(PluginDescription description, RunnerOptions runner, const HostServices& host,
                   PluginIdentity identity, std::string settings, std::span<const std::string_view> secrets);
  ~IsolatedInstance() override;
  IsolatedInstance(const IsolatedInstance&) = delete;
  IsolatedInstance& operator=(const IsolatedInstance&) = delete;

  bool has(Operation operation) const override { return description_.has(operation); }
  ProviderCondition condition() const override;
  Reply call(Operation operation, std::string_view request, const CallContext& context,
             std::span<const std::string_view> secrets) override;

 private:
  using Time = std::chrono::steady_clock::time_point;

  bool takeTurn(Time until);
  void giveTurn();
  Reply away() const;
  Reply lost(RunnerSession& session);
  void answered();
  void remember(std::span<const std::string_view> secrets);

  void keep();
  std::string live();
  void create(RunnerProcess& process, RunnerSession& session);
  void watch(RunnerProcess& process, RunnerSession& session);
  bool report(RunnerProcess& process);
  void strike(const std::string& reason);

  const PluginDescription description_;
  const RunnerOptions runner_;
  const HostServices host_;
  const PluginIdentity identity_;
  const std::string settings_;
  const std::string clientSecret_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable turns_;
  std::shared_ptr<RunnerSession> session_; ///< the process's present life; null between two
  bool ready_ = false;                     ///< the instance is made
  bool stopping_ = false;
  bool started_ = false;
  std::string failure_; ///< of the first start
  int underWay_ = 0;
  int strikes_ = 0;
  Time next_;
  ProviderCondition condition_;
  std::deque<std::string> recentSecrets_; ///< blotted out of what the process writes, which comes late

  OutputLines output_;
  OutputLines errors_;
  std::thread keeper_; ///< the process lives and dies with this thread
};

} // namespace calbridge::plugins
