#pragma once
#include "core/random.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace calbridge::http {

/// What one argon2id computation costs (RFC 9106). The defaults are the least that is accepted.
struct PasswordCost {
  std::uint32_t memoryKib = 19 * 1024;
  std::uint32_t iterations = 2;
  std::uint32_t lanes = 1;
};

/// How many computations may run and wait at a time: each holds PasswordCost::memoryKib of memory and a whole core.
struct PasswordLimits {
  std::size_t running = 2;
  std::size_t waiting = 64;
  std::chrono::milliseconds wait{5000};
};

/// Refuses a password that may not be set: shorter than 8 characters, longer than 1024 bytes, or not UTF-8. Throws
/// Error("invalid_password") with pointer "/password".
void checkNewPassword(std::string_view password);

/// Hashes and verifies passwords with argon2id in its encoded form ("$argon2id$v=19$m=…,t=…,p=…$salt$hash"), which
/// carries its own cost. Thread-safe. hash() and the verifications throw Error("login_busy") when too many others are
/// computing, and Error("password_hash_failed") when there is no memory.
class PasswordHasher {
 public:
  /// `random` is borrowed. Throws Error("invalid_configuration") for a cost below the default one.
  explicit PasswordHasher(Random& random, PasswordCost cost = {}, PasswordLimits limits = {});

  /// checkNewPassword, then the encoded hash under a fresh 16-byte salt.
  std::string hash(std::string_view password);
  /// True when `password` is the one behind `encoded`. An empty, malformed or absurdly costly `encoded` costs as much
  /// as a wrong password and gives false, so that time does not tell whether an account exists or has a password.
  bool verify(std::string_view password, const std::string& encoded);
  /// For an account that does not exist: takes as long as verify() and gives false.
  bool verifyNobody(std::string_view password) { return verify(password, {}); }
  /// True when `encoded` was made at less than the present cost, or by another function: hash anew after a log-in.
  bool needsRehash(const std::string& encoded) const;

 private:
  class Turn;

  const PasswordCost cost_;
  const PasswordLimits limits_;
  Random& random_;
  std::string nobody_; ///< hash of a password that nobody knows
  std::mutex mutex_;
  std::condition_variable freed_;
  std::size_t running_ = 0; ///< guarded by mutex_
  std::size_t waiting_ = 0; ///< guarded by mutex_
};

} // namespace calbridge::http
