#pragma once
#include "calbridge/abi.h"
#include "core/logger.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace calbridge::plugins {

/// Every function of every service that the host offers. The numbers cross to plugins in processes of their own: new
/// ones go to the end.
enum class ServiceFunction : std::uint8_t {
  remainingMs,
  cancelled,
  httpSend,
  log,
  nowMs,
  monotonicMs,
  fill,
  getValue,
  setValue,
  sendMail
};

/// A service call in the one form that all of them have, so that whoever passes it on need not know which it is.
struct ServiceQuestion {
  ServiceFunction function;
  std::int64_t number = 0;
  std::array<std::string_view, 2> bytes{}; ///< borrowed from the plugin for the call
};

/// As many random bytes are given at once.
inline constexpr std::size_t kMostRandomBytes = 1 << 20;

struct ServiceAnswer {
  calbridge_status status = CALBRIDGE_OK;
  std::int64_t number = 0;
  std::array<std::string_view, 2> bytes{}; ///< live in the port until its next question
};

/// Where the C tables of the boundary take one call's questions: to the host's services (CallServices), or from a
/// plugin's own process to them (RemoteServices). One thread at a time.
class ServicePort {
 public:
  virtual ~ServicePort() = default;
  /// Never throws: a service that fails is a status, with {"message","kind","sent"} in `bytes[0]`.
  virtual ServiceAnswer ask(const ServiceQuestion& question) noexcept = 0;
  /// The id under which the host logs the call; lives as long as the port.
  virtual std::string_view requestId() const = 0;
  /// Is there a mail server, and so the smtp service?
  virtual bool mail() const = 0;
  /// Tells the host's log about the plugin's conduct; provider and request id are added.
  virtual void complain(Logger::Level level, std::string_view what) noexcept = 0;
};

} // namespace calbridge::plugins
