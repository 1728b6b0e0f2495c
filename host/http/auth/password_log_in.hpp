#pragma once
#include "connections/audit_log.hpp"
#include "core/logger.hpp"
#include "core/person.hpp"
#include "http/auth/login_throttle.hpp"
#include "http/auth/password_hash.hpp"
#include "http/auth/sessions.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace calbridge::http {

/// How a log-in with address and password ended: with a person, with a wait, or, when neither is set, with a wrong
/// address or password.
struct LogInResult {
  std::optional<Person> person;
  std::string cookie;           ///< Set-Cookie value of the new session; with `person`
  std::chrono::seconds wait{0}; ///< too many tries: nothing was looked at, try again after that
};

/// What a log-in needs; all borrowed.
struct LogInParts {
  store::Store& store;
  PasswordHasher& passwords;
  LoginThrottle& throttle;
  Sessions& sessions;
  Logger& logger;
  const connections::AuditLog* audit = nullptr; ///< null: nothing is noted
};

/// One try to log in, for the API and the page alike: throttled, in the same time whether or not the account exists,
/// and with a new session in the end. `peerAddress` is the client's numeric address. Throws Error: login_busy,
/// store_unavailable.
LogInResult logIn(const LogInParts& parts, const std::string& email, const std::string& password,
                  const std::string& peerAddress);

} // namespace calbridge::http
