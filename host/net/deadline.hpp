#pragma once
#include "core/http_client.hpp"

#include <atomic>
#include <chrono>
#include <string>
#include <utility>

namespace calbridge::net {

/// Ends an exchange from the inside; the client turns it into an HttpFailure. Never leaves this room.
struct ExchangeError {
  HttpFailure::Kind kind;
  std::string message;
};

/// The one end of an exchange, whatever it is made of. Real monotonic time, not the injected clock: sockets know no
/// other.
class Deadline {
 public:
  using SteadyClock = std::chrono::steady_clock;
  /// How often a waiting thread looks at `cancelled`.
  static constexpr std::chrono::milliseconds kSlice{200};

  Deadline(std::chrono::milliseconds timeout, const std::atomic<bool>* cancelled)
      : end_(SteadyClock::now() + timeout), cancelled_(cancelled) {}

  SteadyClock::time_point end() const { return end_; }
  /// How long to wait at most before looking again: more than 0 and at most kSlice. Throws ExchangeError when the time
  /// is over or the caller has cancelled.
  std::chrono::milliseconds slice() const {
    if (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed)) {
      throw ExchangeError{HttpFailure::Kind::cancelled, "the request was cancelled"};
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - SteadyClock::now());
    if (left.count() <= 0) {
      throw ExchangeError{HttpFailure::Kind::timeout, "no complete answer in the time given"};
    }
    return std::min(left, kSlice);
  }

 private:
  SteadyClock::time_point end_;
  const std::atomic<bool>* cancelled_;
};

} // namespace calbridge::net
