#include "plugins/in_process_instance.hpp"

#include "calbridge/json.hpp"
#include "core/error.hpp"
#include "plugins/host_table.hpp"
#include "plugins/redaction.hpp"

namespace calbridge::plugins {
namespace {

calbridge_bytes borrow(std::string_view text) {
  return {text.data(), text.size()};
}

/// The plugin edge: a foreign exception ends here. Plugins made with the SDK throw none.
template <typename Body>
void shielded(calbridge_call& call, Body body) {
  try {
    body();
  } catch (...) {
    call.services.logger().error(
        "a plugin threw an exception across its boundary",
        {{"provider", call.services.plugin().id}, {"request_id", std::string(call.services.requestId())}});
    call.reply = hostReply(Status::internal, "the plugin failed: it threw across its boundary");
  }
}

std::string reasonIn(const Reply& reply, std::span<const std::string_view> secrets) {
  const auto json = nlohmann::json::parse(reply.body, nullptr, false);
  const bool said = json.is_object() && json.contains("message") && json["message"].is_string();
  return said ? presentable(json["message"].get<std::string>(), secrets, 1000) : "it gives no reason";
}

} // namespace

InProcessInstance::InProcessInstance(std::shared_ptr<const PluginLibrary> library, const HostServices& host,
                                     PluginIdentity identity, const std::string& settings,
                                     std::span<const std::string_view> secrets)
    : library_(std::move(library)), host_(host), identity_(std::move(identity)) {
  const CallContext context;
  calbridge_call call{CallServices(host_, identity_, context, secrets, false), std::nullopt};
  shielded(call,
           [&] { self_ = library_->table().create(&hostTable(host_.mailer != nullptr), &call, borrow(settings)); });
  if (self_ == nullptr) {
    throw Error("plugin_invalid", library_->path().string() + ": the plugin refuses its settings: " +
                                      reasonIn(call.reply.value_or(Reply{}), secrets));
  }
}

InProcessInstance::~InProcessInstance() {
  library_->table().destroy(self_);
}

Reply InProcessInstance::call(Operation operation, std::string_view request, const CallContext& context,
                              std::span<const std::string_view> secrets) {
  const calbridge_operation function = library_->operation(operation);
  if (function == nullptr) {
    return hostReply(Status::unsupported, std::string("this provider does not do ") + toString(operation));
  }
  calbridge_call call{CallServices(host_, identity_, context, secrets, true), std::nullopt};
  std::unique_lock turn(turn_, std::defer_lock);
  if (!library_->manifest().concurrent && !turn.try_lock_for(context.timeout)) {
    return hostReply(Status::deadline, "the plugin was busy with other calls until the time was over");
  }
  shielded(call, [&] { function(self_, &hostTable(host_.mailer != nullptr), &call, borrow(request)); });
  if (!call.reply) {
    host_.logger.error(
        "a plugin did not answer",
        {{"provider", identity_.id}, {"operation", toString(operation)}, {"request_id", context.requestId}});
    return hostReply(Status::internal, "the plugin did not answer");
  }
  return std::move(*call.reply);
}

} // namespace calbridge::plugins
