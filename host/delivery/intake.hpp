#pragma once
#include "core/event.hpp"
#include "core/logger.hpp"
#include "delivery/directory_cache.hpp"
#include "delivery/planner.hpp"
#include "delivery/reevaluation.hpp"
#include "routing/routing_policy.hpp"
#include "store/store.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_set>

namespace calbridge::delivery {

/// From an event to placements, in two steps. accept() journals the event and returns when it is on disk; that is all
/// that an acknowledgement waits for. One routing thread then takes the journal's events in order, in batches, and
/// stores what calendars should say. What was journaled but not routed when the process ended is routed at the next
/// start, so that nothing acknowledged is lost.
class Intake {
 public:
  Intake(store::Store& store, DirectoryCache& directory, std::shared_ptr<const routing::RoutingPolicy> policy,
         const Clock& clock, Logger& logger, Reevaluation::Brake brake = {});
  ~Intake();

  /// Before start(): whoever is given here is called by the thread that routes (the routing thread, or one that keeps a
  /// promise) to store what a few events lead to, by calling what it is given, once.
  void storeThrough(std::function<void(const std::function<void()>& store)> through) { through_ = std::move(through); }
  /// Routes what an earlier run left, and everything accepted from now on.
  void start();
  /// Ends the routing thread after its current batch; the rest stays in the journal.
  void stop();

  struct Accepted {
    std::string id;
    std::string source;
    bool duplicate = false;
    std::int64_t seq = 0;
  };
  /// Checks and journals events, all or none. Throws Error: invalid_event (with pointer; a batch prefixes the index),
  /// event_conflict (same source and id, other content), store_unavailable. Returns after they are durable.
  std::vector<Accepted> accept(std::vector<nlohmann::json> events, bool batch);

  /// Whoever is about to accept events may promise to route them: keeps the routing thread asleep, for waking it takes
  /// longer than routing an event. Calling what is returned routes what waits, on the calling thread; where others are
  /// at it, many events come, or it is dropped without a call, the routing thread does. Once; any thread.
  std::function<void()> promiseToRoute();
  /// Waits for an event that is not routed yet; false when it is not announced as routed within `timeout`.
  bool waitRouted(std::int64_t seq, std::chrono::milliseconds timeout);

  /// A new policy counts from the next batch on; all open appointments are decided again in the background.
  void setPolicy(std::shared_ptr<const routing::RoutingPolicy> policy);
  std::shared_ptr<const routing::RoutingPolicy> policy() const;
  /// Decides again about all open appointments in the background (directory changed, operator's resync).
  void reevaluateAll();
  Reevaluation::Progress reevaluation() const { return reevaluation_.progress(); }
  Reevaluation::Held heldRemovals() const { return reevaluation_.held(); }
  /// Carries out the removals that the deletion brake held back, in the background; returns how many there were.
  Reevaluation::Held confirmRemovals();

  struct Counters {
    std::atomic<std::int64_t> accepted{0}, duplicates{0}, routed{0}, placementsChanged{0}, failures{0};
  };
  const Counters& counters() const { return counters_; }

 private:
  /// An event on its way from accept() to whoever routes it: as text, which reads it once more. Handed over as a
  /// document, every piece of it would be allocated by one thread and freed by another, the slowest way there is, and
  /// take ten times the memory.
  struct Waiting {
    std::int64_t seq = 0;
    std::string body;
  };

  class Promise;

  void run();
  bool somethingWaits() const;
  void keepPromise(bool called);
  void failed(const std::exception& error);
  std::vector<JournaledEvent> nextBatch();
  std::vector<JournaledEvent> readJournal();
  void route(const std::vector<JournaledEvent>& batch);
  void routeTogether(const std::vector<JournaledEvent>& batch);
  void giveUp(const JournaledEvent& event, const std::string& reason);
  void announce(const std::vector<JournaledEvent>& batch);
  void wakeRouting();
  void readJournalAgain();

  store::Store& store_;
  DirectoryCache& directory_;
  const Clock& clock_;
  Logger& logger_;
  Counters counters_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable routed_;
  std::shared_ptr<const routing::RoutingPolicy> policy_;
  std::deque<Waiting> queue_;
  bool journalBehind_ = true; ///< the journal holds unrouted events that are not in the queue
  bool started_ = false;
  bool stopping_ = false;
  int promises_ = 0;                           ///< to route what comes
  TimeMs acceptedAt_ = 0;                      ///< the last time; monotonic
  TimeMs acceptedBefore_ = 0;                  ///< and the one before
  std::unordered_set<std::int64_t> waitedFor_; ///< positions that somebody waits for

  Reevaluation reevaluation_;
  std::function<void(const std::function<void()>&)> through_; ///< may be empty

  std::mutex turn_;                                    ///< held by who routes; taken before mutex_
  std::unordered_set<std::int64_t> routedFromJournal_; ///< under turn_: may come out of the queue once more
  std::thread thread_;
};

} // namespace calbridge::delivery
