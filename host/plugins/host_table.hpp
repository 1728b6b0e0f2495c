#pragma once
#include "plugins/call_services.hpp"
#include "plugins/operation.hpp"

#include <optional>

/// The opaque `calbridge_call` of abi.h, as the host sees it: the services of one call, and the reply that it is
/// waiting for.
struct calbridge_call {
  calbridge::plugins::CallServices services;
  std::optional<calbridge::plugins::Reply> reply;
};

namespace calbridge::plugins {

/// The table that a plugin in this process is given; with the smtp service, or without it where no mail server is
/// configured. Constant; nothing thrown by the host leaves through it.
const calbridge_host_v1_t& hostTable(bool mail = true);

/// Does this host know a service of that id and revision, configured or not?
bool hasService(const std::string& id);

} // namespace calbridge::plugins
