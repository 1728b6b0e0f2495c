#pragma once
#include "plugins/operation.hpp"
#include "plugins/service_port.hpp"

#include <optional>

/// The opaque `calbridge_call` of abi.h, as the host sees it: the way to one call's services (borrowed), and the reply
/// that it is waiting for.
struct calbridge_call {
  calbridge::plugins::ServicePort& services;
  std::optional<calbridge::plugins::Reply> reply;
  bool complained = false; ///< about a further answer
};

namespace calbridge::plugins {

/// The table that every plugin is given, in the host's process and in one of its own; with the smtp service, or without
/// it where no mail server is configured. Constant; nothing is thrown through it.
const calbridge_host_v1_t& hostTable(bool mail = true);

/// Does this host know a service of that id and revision, configured or not?
bool hasService(const std::string& id);

} // namespace calbridge::plugins
