#pragma once
#include "plugins/operation.hpp"
#include "plugins/plugin_library.hpp"
#include "plugins/service_port.hpp"

#include <string_view>

/// The calls into a plugin's code, the same in the host's process and in a process of the plugin's own.
namespace calbridge::plugins {

/// A made instance, or the plugin's reason against it.
struct Created {
  void* self = nullptr; ///< the plugin's; ends with table().destroy
  Reply refusal;        ///< when `self` is null
};
/// `settings` is the document of `create` in abi.h. Never throws for what the plugin does.
Created createInstance(const PluginLibrary& library, std::string_view settings, ServicePort& services);

/// Runs one operation and returns the plugin's one reply, or the host's own where there was none. Never throws for what
/// the plugin does.
Reply runOperation(const PluginLibrary& library, void* self, Operation operation, std::string_view request,
                   ServicePort& services);

} // namespace calbridge::plugins
