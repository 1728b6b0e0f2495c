#pragma once
#include "plugins/call_services.hpp"
#include "plugins/operation.hpp"
#include "plugins/plugin_library.hpp"

#include <memory>
#include <mutex>

namespace calbridge::plugins {

/// An instance in this process: a call costs a function call. A plugin that hangs keeps its thread; nothing here can
/// end it.
class InProcessInstance final : public PluginInstance {
 public:
  /// Creates the instance from the settings document of `create`. `host` outlives it. Throws Error("plugin_invalid")
  /// with the plugin's reason when it refuses.
  InProcessInstance(std::shared_ptr<const PluginLibrary> library, const HostServices& host, PluginIdentity identity,
                    const std::string& settings, std::span<const std::string_view> secrets);
  ~InProcessInstance() override;
  InProcessInstance(const InProcessInstance&) = delete;
  InProcessInstance& operator=(const InProcessInstance&) = delete;

  bool has(Operation operation) const override { return library_->operation(operation) != nullptr; }
  Reply call(Operation operation, std::string_view request, const CallContext& context,
             std::span<const std::string_view> secrets) override;

 private:
  std::shared_ptr<const PluginLibrary> library_;
  HostServices host_;
  PluginIdentity identity_;
  void* self_ = nullptr;
  std::timed_mutex turn_; ///< held during a call of a plugin that takes one at a time
};

} // namespace calbridge::plugins
