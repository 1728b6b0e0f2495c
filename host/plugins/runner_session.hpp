#pragma once
#include "plugins/frames.hpp"
#include "plugins/operation.hpp"
#include "plugins/runner_process.hpp"
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

  /// Keeps `socket` open as long as it lives: an exchange may outlive the process.
  explicit RunnerSession(std::shared_ptr<const OwnedFd> socket) : socket_(std::move(socket)), stream_(socket_->get()) {}

  FrameStream& stream() { return stream_; }

  /// Sends a create or a call and answers its questions from `services` until the reply comes. Overtime: there was none
  /// by `until`, or within `grace` after `cancelled` was set. Whoever gets that, or lost, closes the session.
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
    std::size_t unread = 0; ///< bytes of them
    bool waiting = false;
  };
  /// How long a call may take.
  struct Patience {
    Time until;
    const std::atomic<bool>* cancelled;
    std::chrono::milliseconds grace;
    bool told = false;
    bool isOver();
  };

  std::optional<Frame> await(std::unique_lock<std::mutex>& lock, Call& call, Patience& patience);
  void readOne(std::unique_lock<std::mutex>& lock);
  void handOver();
  void closeLocked(const std::string& reason);
  bool answer(const Frame& frame, ServicePort& services, Time until);

  const std::shared_ptr<const OwnedFd> socket_;
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
