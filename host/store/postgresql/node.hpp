#pragma once
#include "store/postgresql/session.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace calbridge::store::postgresql {

/// This process among those that work on the database: a row in `nodes` that says until when it is alive, renewed every
/// second, by the server's clock. Everything that a node holds (claims, mailboxes, events to route) names its run, and
/// is anybody's once the run is not alive any more; so one row is renewed, and not each claim. A run that was taken for
/// dead stays dead: the process goes on under a new one.
///
/// A lock of the node's own session keeps a second process from the same name. It goes with the process.
class Node {
 public:
  struct Hooks {
    std::function<void()> everySecond; ///< on the node's thread
    std::function<void()> newRun;      ///< the former run's mailboxes are lost; on the node's thread
  };

  /// Takes the name and registers. Throws Error: store_locked (another process has the name), store_unavailable.
  Node(std::string url, std::string name, std::chrono::seconds lifetime);
  /// Gives up everything that the run holds.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Begins to renew; `hooks` are called until stop().
  void start(Hooks hooks);
  void stop();
  std::int64_t run() const { return run_.load(); }
  /// Its run cannot have been taken for dead: less than a lifetime has passed on this machine since the server last
  /// heard of it. Any thread.
  bool surelyAlive() const { return std::chrono::steady_clock::now().time_since_epoch() < aliveUntil_.load(); }
  const std::string& name() const { return name_; }
  /// Which policies this node decides by; others see it with the next renewal.
  void announce(const std::string& policy);
  /// Until then (steady clock) the others are told, with every renewal, that this node has room for work of theirs. Any
  /// thread.
  void wantWorkUntil(std::chrono::steady_clock::time_point until) { wantsWorkUntil_ = until.time_since_epoch(); }

 private:
  void renewForever();
  void renew();
  void enter();
  void heard(std::chrono::steady_clock::time_point asked);

  const std::string url_;
  const std::string name_;
  const std::chrono::seconds lifetime_;
  Hooks hooks_;
  std::unique_ptr<Session> session_; ///< constructor's thread, then the node's
  std::atomic<std::int64_t> run_{0};
  std::atomic<std::chrono::steady_clock::duration> aliveUntil_{std::chrono::steady_clock::duration::zero()};
  std::atomic<std::chrono::steady_clock::duration> wantsWorkUntil_{std::chrono::steady_clock::duration::zero()};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::string policy_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace calbridge::store::postgresql
