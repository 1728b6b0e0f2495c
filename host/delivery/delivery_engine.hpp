#pragma once
#include "core/logger.hpp"
#include "core/provider.hpp"
#include "core/random.hpp"
#include "delivery/circuit_breaker.hpp"
#include "delivery/clock_watch.hpp"
#include "delivery/entry_identity.hpp"
#include "delivery/outcome_recorder.hpp"
#include "delivery/pusher.hpp"
#include "delivery/rate_limit.hpp"
#include "delivery/retry_policy.hpp"
#include "delivery/worker_pool.hpp"
#include "store/store.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

namespace calbridge::connections {
class Connections;
}

namespace calbridge::delivery {

struct DeliveryOptions {
  std::size_t maxInFlight = 1024; ///< pushes under way at one provider
  TimeMs leaseMs = 60'000;        ///< how long a claim lasts without a word
  std::chrono::milliseconds pushTimeout{30'000};
  TimeMs sweepMs = 30'000; ///< look for due work this often even if nobody called
  RetryPolicy retry;
  std::map<std::string, RateLimits> limits; ///< by provider id; a provider that is not named has none
};

/// Brings calendars into agreement with what the store says they should show (STATES.md). One thread claims due
/// deliveries in batches, one pool of threads per provider pushes them, one thread stores the outcomes in batches.
class DeliveryEngine {
 public:
  /// All references are borrowed and outlive the engine.
  DeliveryEngine(store::Store& store, Providers& providers, connections::Connections& connections, const Clock& clock,
                 Random& random, Logger& logger, DeliveryOptions options);
  ~DeliveryEngine();

  void start();
  /// Lets pushes that are under way end (at most the push timeout), stores their outcomes, gives the other claims back.
  void stop();
  /// There may be something due. Cheap, from any thread.
  void wake();
  /// Runs `work`, and then claims what it has made due, and hands it to the pools, on the calling thread: a dispatcher
  /// that has to be woken first takes longer than that. For work that makes a few deliveries due; `work` must not wait
  /// for them. What `work` throws arrives here. Any thread.
  void lookAfter(const std::function<void()>& work);

  struct Counters {
    std::atomic<std::int64_t> delivered{0}, removed{0}, retried{0}, blocked{0}, failed{0};
  };
  struct ProviderLane {
    std::unique_ptr<WorkerPool> pool;
    Counters counters;
    std::atomic<std::int64_t> pushMicros{0}; ///< sum, for the mean duration
    std::atomic<std::int64_t> pushes{0};
    std::atomic<bool> circuitOpen{false};         ///< the provider is taken to be down
    std::atomic<std::int64_t> circuitOpenings{0}; ///< how often that has happened
    std::atomic<std::int64_t> quotaWaits{0};      ///< looks for work that a quota held back
    CircuitBreaker breaker;                       ///< under the engine's mutex, as the next one
    std::unique_ptr<RateLimiter> limiter;         ///< null: no limits
  };
  const EntryIdentity& identity() const { return identity_; }
  /// By provider id; fixed after construction.
  const std::map<std::string, ProviderLane>& lanes() const { return lanes_; }

 private:
  static constexpr TimeMs kCountHosts = 2'000; ///< how often is looked at who else is alive

  void dispatch();
  struct Look {
    TimeMs pause = 0;    ///< until the next one; 0: there is more
    bool failed = false; ///< then not before that, whatever becomes due
  };
  Look look();
  Look claim(std::span<const store::DeliveryTask> handedBack, std::size_t limit, TimeMs ticks);
  void process(ProviderLane& lane, Provider& provider, const store::DeliveryTask& task);
  bool handBack(ProviderLane& lane, const store::DeliveryTask& task);
  void judge(ProviderLane& lane, const store::DeliveryTask& task, const Attempt& made);
  TimeMs nextLook(TimeMs pause);
  void shareQuotas(TimeMs now);
  std::size_t roomAt(ProviderLane& lane, TimeMs now) const;
  void giveBack(const store::DeliveryTask& task);
  void rest(const store::DeliveryOutcome& outcome);
  bool rests(std::int64_t connectionId, TimeMs now) const;
  void recorded(const std::vector<store::DeliveryOutcome>& outcomes);
  void closeConnections();
  bool takeRoom(std::int64_t connectionId, const std::string& provider, TimeMs now);
  void giveRoom(std::int64_t connectionId);
  /// A candidate can go away before its claim is complete; its room must not stay taken.
  struct Taken {
    std::int64_t connectionId;
    ProviderLane* lane;
  };
  void giveBackUnused(std::vector<Taken> taken, std::span<const store::DeliveryTask> claimed);

  store::Store& store_;
  Providers& providers_;
  connections::Connections& connections_;
  const Clock& clock_;
  Logger& logger_;
  const DeliveryOptions options_;
  const EntryIdentity identity_;
  Pusher pusher_;
  std::mutex looking_;    ///< held by who looks for due work: the dispatcher, or lookAfter; taken before mutex_
  ClockWatch clockWatch_; ///< under looking_
  TimeMs hostsCountedAt_ = -kCountHosts; ///< under looking_

  std::map<std::string, ProviderLane> lanes_;
  std::unique_ptr<OutcomeRecorder> recorder_;

  std::mutex mutex_;
  std::condition_variable signal_;  ///< to the dispatcher
  std::condition_variable closing_; ///< to the closer
  bool due_ = true;
  int lookersComing_ = 0;      ///< who will look anyway, so that the dispatcher need not
  TimeMs dispatcherWakes_ = 0; ///< at the latest; monotonic
  bool started_ = false;
  bool stopping_ = false;
  bool closingPending_ = true;                     ///< some connection may be closing
  std::unordered_map<std::int64_t, int> inFlight_; ///< pushes claimed per connection
  std::map<std::string, std::size_t> laneRoom_;    ///< of the claim under way
  std::vector<store::DeliveryTask> cutOff_;        ///< ended by stop() without an outcome
  std::vector<store::DeliveryTask> handedBack_;    ///< claimed, but not to be begun now
  /// Connections that were told to wait, and until when; monotonic. The store knows it a moment later.
  std::unordered_map<std::int64_t, TimeMs> resting_;
  std::atomic<TimeMs> restingUntil_{0}; ///< all of them
  std::thread dispatcher_;
  std::thread closer_;
};

} // namespace calbridge::delivery
