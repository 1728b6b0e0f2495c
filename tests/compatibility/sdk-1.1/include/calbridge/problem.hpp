#pragma once
#include "calbridge/abi.h"

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace calbridge::sdk {

/// How an operation can end (CALBRIDGE_OK … of abi.h).
enum class Status : calbridge_status {
  ok = CALBRIDGE_OK,                          ///< done
  invalidRequest = CALBRIDGE_INVALID_REQUEST, ///< the request itself was wrong; never retried
  reauthRequired = CALBRIDGE_REAUTH_REQUIRED, ///< the grant is dead: the person must connect again
  rateLimited = CALBRIDGE_RATE_LIMITED,       ///< try again, not before retryAfter
  notFound = CALBRIDGE_NOT_FOUND,             ///< the target (the calendar) is gone
  conflict = CALBRIDGE_CONFLICT,              ///< somebody else changed it: try again with fresh knowledge
  transient = CALBRIDGE_TRANSIENT,            ///< try again later
  permanent = CALBRIDGE_PERMANENT,            ///< this will never work for this entry
  cancelled = CALBRIDGE_CANCELLED,            ///< the host asked to stop
  deadline = CALBRIDGE_DEADLINE,              ///< the time was used up
  unsupported = CALBRIDGE_UNSUPPORTED,        ///< this plugin or this host does not do that
  internal = CALBRIDGE_INTERNAL,              ///< a bug on the answering side
};

/// A status read from the other side; one that this version does not know means permanent.
inline Status statusFrom(calbridge_status value) {
  return value >= CALBRIDGE_OK && value <= CALBRIDGE_INTERNAL ? static_cast<Status>(value) : Status::permanent;
}

/// Any ending but ok: throw it from an operation, or return it in a Result.
class Problem : public std::runtime_error {
 public:
  /// `message` is for people and holds no secrets; `code` is the provider's own ("quotaExceeded"); `retryAfter`: never
  /// earlier.
  Problem(Status status, const std::string& message, std::string code = {},
          std::optional<std::chrono::milliseconds> retryAfter = {})
      : std::runtime_error(message), status_(status), code_(std::move(code)), retryAfter_(retryAfter) {}

  /// What the host does about it.
  Status status() const noexcept { return status_; }
  /// The provider's own word for it; may be empty.
  const std::string& code() const noexcept { return code_; }
  /// How long the host waits at least.
  std::optional<std::chrono::milliseconds> retryAfter() const noexcept { return retryAfter_; }

 private:
  Status status_;
  std::string code_;
  std::optional<std::chrono::milliseconds> retryAfter_;
};

/// For authors who prefer values to exceptions: operations may return Result<Reply> instead of Reply.
template <typename T>
using Result = std::variant<T, Problem>;

} // namespace calbridge::sdk
