#include "plugins/run_operation.hpp"

#include "plugins/host_table.hpp"

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
    call.services.complain(Logger::Level::error, "a plugin threw an exception across its boundary");
    call.reply = hostReply(Status::internal, "the plugin failed: it threw across its boundary");
  }
}

} // namespace

Created createInstance(const PluginLibrary& library, std::string_view settings, ServicePort& services) {
  calbridge_call call{services, std::nullopt};
  Created created;
  shielded(call, [&] { created.self = library.table().create(&hostTable(services.mail()), &call, borrow(settings)); });
  if (created.self == nullptr) {
    created.refusal = call.reply.value_or(hostReply(Status::internal, "it gives no reason"));
  }
  return created;
}

Reply runOperation(const PluginLibrary& library, void* self, Operation operation, std::string_view request,
                   ServicePort& services) {
  const calbridge_operation function = library.operation(operation);
  if (function == nullptr) {
    return hostReply(Status::unsupported, std::string("this provider does not do ") + toString(operation));
  }
  calbridge_call call{services, std::nullopt};
  shielded(call, [&] { function(self, &hostTable(services.mail()), &call, borrow(request)); });
  if (!call.reply) {
    services.complain(Logger::Level::error, std::string("a plugin did not answer: ") + toString(operation));
    return hostReply(Status::internal, "the plugin did not answer");
  }
  return std::move(*call.reply);
}

} // namespace calbridge::plugins
