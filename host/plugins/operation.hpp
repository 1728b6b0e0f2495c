#pragma once
#include "calbridge/abi.h"
#include "core/provider.hpp"
#include "core/provider_condition.hpp"

#include <span>
#include <string>
#include <string_view>

namespace calbridge::plugins {

enum class Operation {
  connect,
  exchange,
  refresh,
  push,
  revoke,
  feed,
  authenticate,
  listCalendars,
  freeBusy,
  changes,
};
inline constexpr Operation kOperations[] = {
    Operation::connect, Operation::exchange,     Operation::refresh,       Operation::push,     Operation::revoke,
    Operation::feed,    Operation::authenticate, Operation::listCalendars, Operation::freeBusy, Operation::changes};
const char* toString(Operation operation);

/// How a plugin ended a call, in bytes. `body` is JSON as the plugin wrote it, at most 1 MiB, not yet looked at.
struct Reply {
  Status status = Status::internal;
  std::string body;
};

/// A number from the other side of the boundary; one that this version does not know means permanent.
Status statusFrom(calbridge_status value);
/// {"message": …}, for ends that the host itself decides.
Reply hostReply(Status status, std::string_view message);

/// "the plugin refuses its settings: " and the reason in a reply to `create`, without the secrets.
std::string refusalOf(const Reply& reply, std::span<const std::string_view> secrets);

/// One living plugin instance, seen as bytes in and bytes out: whether it lives in this process or in another one makes
/// no difference here. Thread-safe; waits for its turn where the plugin takes one call at a time.
class PluginInstance {
 public:
  virtual ~PluginInstance() = default;
  /// Does the plugin have this operation at all?
  virtual bool has(Operation operation) const = 0;
  virtual ProviderCondition condition() const { return {}; }
  /// Runs it and returns the plugin's one reply, or the host's own where there was none. `secrets` are blotted out of
  /// whatever the plugin logs. Never throws for what the plugin does.
  virtual Reply call(Operation operation, std::string_view request, const CallContext& context,
                     std::span<const std::string_view> secrets) = 0;
};

} // namespace calbridge::plugins
