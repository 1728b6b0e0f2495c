#pragma once
#include "net/connection.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace calbridge::net {

/// Idle keep-alive connections by origin, last in first out, so that few stay warm and the rest grow old and are
/// closed. Thread-safe.
class ConnectionPool {
 public:
  /// At most `maxIdle` kept per origin, none longer than `idleTimeout`.
  ConnectionPool(std::size_t maxIdle, std::chrono::milliseconds idleTimeout)
      : maxIdle_(maxIdle), idleTimeout_(idleTimeout) {}

  /// One that still looks alive, or null. Dead ones on the way are closed.
  std::unique_ptr<Connection> take(const std::string& origin);
  /// Keeps it for the next exchange; the caller vouches that the last one ended cleanly.
  void give(const std::string& origin, std::unique_ptr<Connection> connection);
  /// For tests and metrics.
  std::size_t idle() const;

 private:
  using Stack = std::vector<std::unique_ptr<Connection>>;
  Stack removeExpired(Deadline::SteadyClock::time_point now);

  std::size_t maxIdle_;
  std::chrono::milliseconds idleTimeout_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Stack> stacks_;
  Deadline::SteadyClock::time_point nextSweep_{};
};

} // namespace calbridge::net
