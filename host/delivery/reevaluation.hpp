#pragma once
#include "core/logger.hpp"
#include "core/time.hpp"
#include "delivery/directory_cache.hpp"
#include "routing/routing_policy.hpp"
#include "store/store.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace calbridge::delivery {

/// Decides again about all open appointments, page by page: after a change of policy or directory, and when an operator
/// asks.
///
/// A pass has two rounds. The first only weighs what would change. When it would take away more entries than the brake
/// allows, the second carries out everything but the removals, says so, and these wait for confirmRemovals(): a slip in
/// routing.json must not empty everybody's calendar. Held under one policy they stay so, over restarts and whatever
/// else changes, until they are confirmed, another policy comes or nothing is left to remove. What the application
/// orders by events is not weighed; it is meant.
class Reevaluation {
 public:
  struct Brake {
    double share = 0.5;        ///< of all open entries
    std::int64_t atLeast = 50; ///< fewer removals than this are always carried out
  };
  struct Progress {
    bool running = false;
    std::int64_t done = 0; ///< appointments of the round under way
  };
  /// Removals that wait for a confirmation.
  struct Held {
    std::int64_t removals = 0;
    std::int64_t entries = 0; ///< of how many
  };
  using Policy = std::function<std::shared_ptr<const routing::RoutingPolicy>()>;

  /// All references are borrowed. `policy` gives today's and may be called from any thread.
  Reevaluation(store::Store& store, DirectoryCache& directory, Policy policy, const Clock& clock, Logger& logger,
               Brake brake);

  /// Asks for a pass. One that is under way starts again from the beginning. Any thread.
  void request();
  /// Asks for a pass that carries the held removals out, whatever their number. Returns what was held; with nothing
  /// held it does nothing. Any thread.
  Held confirmRemovals();
  /// True when the last complete pass was made under other circumstances than today's. Any thread.
  bool outdated() const;
  bool wanted() const;       ///< step() has something to do; any thread
  Progress progress() const; ///< any thread
  Held held() const;         ///< any thread

  /// Does one page; on one thread. Returns how many placements it changed. Throws what the store throws; the next step
  /// then does that page again.
  std::int64_t step();

 private:
  enum class Round { none, weighing, applying };
  std::string circumstances() const;
  std::int64_t decide(const std::vector<std::string>& ids, TimeMs now);
  void endRound();
  void endPass();

  store::Store& store_;
  DirectoryCache& directory_;
  const Policy policy_;
  const Clock& clock_;
  Logger& logger_;
  const Brake brake_;

  // step()'s thread only
  std::string under_; ///< circumstances of the pass
  std::string policyOfPass_;
  std::string upTo_;
  Held weighed_;
  std::int64_t changes_ = 0;
  bool sparing_ = false;  ///< this pass carries out no removals
  bool pardoned_ = false; ///< this pass is not weighed

  mutable std::mutex mutex_;
  bool requested_ = false;
  bool confirmed_ = false;
  Round round_ = Round::none;
  std::int64_t done_ = 0;
  Held held_;
};

} // namespace calbridge::delivery
