#pragma once
#include "plugins/frames.hpp"
#include "plugins/operation.hpp"
#include "plugins/service_port.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace calbridge::plugins {

/// The host's side of one life of a plugin's process. The thread of a call answers its questions itself, and one of the
/// waiting threads reads for all (leader and followers): with one call at a time nothing is passed between threads.
/// Thread-safe.
class RunnerSession {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class End { replied, overtime, lost };
  struct Outcome {
    End end = End::lost;
    Reply reply; ///< when replied
  };

  /// `socket` is borrowed and outlives every exchange.
  explicit RunnerSession(int socket) : socket_(socket), stream_(socket) {}

  FrameStream& stream() { return stream_; }

  /// Sends a create or a call and answers its questions from `services` until the reply comes. Overtime: there was none
  /// by `until`, or within `grace` after `services` was told to cancel. Whoever gets that, or lost, closes the session.
  Outcome exchange(FrameKind kind, std::string_view payload, ServicePort& services, Time until,
                   const std::atomic<bool>* cancelled, std::chrono::milliseconds grace);

  /// Ends it for all who wait. The first reason stays.
  void close(const std::string& reason);
  bool closed() const;
  /// Why it ended: as close() was told, or settle() found out; waits for settle() up to a second.
  std::string reason();
  /// The process is gone, and this is how.
  void settle(const std::string& end);

 private:
  struct Call {
    std::condition_variable wake;
    std::deque<Frame> frames;
    bool waiting = false;
  };

  std::optional<Frame> await(std::unique_lock<std::mutex>& lock, Call& call, Time until,
                             const std::atomic<bool>* cancelled, std::chrono::milliseconds grace);
  void readOne(std::unique_lock<std::mutex>& lock);
  void handOver();
  void closeLocked(const std::string& reason);
  bool answer(const Frame& frame, ServicePort& services, Time until);

  const int socket_;
  FrameStream stream_;
  mutable std::mutex mutex_;
  std::condition_variable settled_;
  std::map<std::uint32_t, Call*> calls_;
  std::uint32_t last_ = 0;
  bool reading_ = false;
  bool closed_ = false;
  std::string reason_;
  std::optional<std::string> end_;
};

} // namespace calbridge::plugins
