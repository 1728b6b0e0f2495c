#pragma once
#include "core/time.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace calbridge::http {

struct LoginThrottleOptions {
  std::size_t perAccount = 5; ///< tries within `window`
  std::size_t perAddress = 5; ///< tries that did not succeed within `window`
  std::chrono::milliseconds window{60000};
  std::size_t capacity =
      10000; ///< accounts, and addresses, that are remembered; the least recently tried are forgotten
};

/// Slows down the guessing of passwords: so many log-in tries per account (whoever makes them) and per address
/// (whatever account they name) in any window of time. Thread-safe; knows nothing across a restart.
class LoginThrottle {
 public:
  /// `clock` is borrowed; only its monotonic time counts.
  explicit LoginThrottle(const Clock& clock, LoginThrottleOptions options = {});

  /// Call before the password is looked at. Zero: go ahead, the try is counted. Otherwise the seconds to wait
  /// (Retry-After): nothing was counted, nothing may be verified. `account` is the e-mail address as typed (ASCII case
  /// and surrounding blanks do not matter), `address` the peer's numeric address (an IPv6 network of 64 bits is one).
  /// `first`, if any, becomes true with the first of a row of refusals: the account and the address were both let
  /// through before.
  std::chrono::seconds begin(std::string_view account, std::string_view address, bool* first = nullptr);
  /// The password was right: forgets the account's tries and takes this one off the address.
  void succeeded(std::string_view account, std::string_view address);

 private:
  struct Tries {
    std::string key;
    std::deque<TimeMs> at; ///< the oldest first
    bool refused = false;  ///< since it was last let through
  };
  /// The most recently tried first.
  struct Table {
    std::list<Tries> order;
    std::unordered_map<std::string, std::list<Tries>::iterator> index;
  };

  Tries& touch(Table& table, const std::string& key, TimeMs now);
  TimeMs waitFor(const Tries& tries, std::size_t limit, TimeMs now) const;

  const Clock& clock_;
  const LoginThrottleOptions options_;
  std::mutex mutex_;
  Table accounts_;
  Table addresses_;
};

} // namespace calbridge::http
