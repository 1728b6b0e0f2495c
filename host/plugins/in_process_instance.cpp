#include "plugins/in_process_instance.hpp"

#include "core/error.hpp"
#include "plugins/run_operation.hpp"

namespace calbridge::plugins {

InProcessInstance::InProcessInstance(std::shared_ptr<const PluginLibrary> library, const HostServices& host,
                                     PluginIdentity identity, const std::string& settings,
                                     std::span<const std::string_view> secrets)
    : library_(std::move(library)), host_(host), identity_(std::move(identity)) {
  const CallContext context;
  CallServices services(host_, identity_, context, secrets, false);
  const Created created = createInstance(*library_, settings, services);
  if (created.self == nullptr) {
    throw Error("plugin_invalid", library_->path().string() + ": " + refusalOf(created.refusal, secrets));
  }
  self_ = created.self;
}

InProcessInstance::~InProcessInstance() {
  library_->table().destroy(self_);
}

Reply InProcessInstance::call(Operation operation, std::string_view request, const CallContext& context,
                              std::span<const std::string_view> secrets) {
  CallServices services(host_, identity_, context, secrets, true);
  std::unique_lock turn(turn_, std::defer_lock);
  if (!library_->manifest().concurrent && !turn.try_lock_for(context.timeout)) {
    return hostReply(Status::deadline, "the plugin was busy with other calls until the time was over");
  }
  return runOperation(*library_, self_, operation, request, services);
}

} // namespace calbridge::plugins
