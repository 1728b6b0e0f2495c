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
  ok = CALBRIDGE_OK,
  invalidRequest = CALBRIDGE_INVALID_REQUEST,
  reauthRequired = CALBRIDGE_REAUTH_REQUIRED,
  rateLimited = CALBRIDGE_RATE_LIMITED,
  notFound = CALBRIDGE_NOT_FOUND,
  conflict = CALBRIDGE_CONFLICT,
  transient = CALBRIDGE_TRANSIENT,
  permanent = CALBRIDGE_PERMANENT,
  cancelled = CALBRIDGE_CANCELLED,
  deadline = CALBRIDGE_DEADLINE,
  unsupported = CALBRIDGE_UNSUPPORTED,
  internal = CALBRIDGE_INTERNAL,
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

  Status status() const noexcept { return status_; }
  const std::string& code() const noexcept { return code_; }
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
