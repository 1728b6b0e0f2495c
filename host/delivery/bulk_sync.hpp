#pragma once
#include "core/logger.hpp"
#include "core/random.hpp"
#include "core/time.hpp"
#include "store/store.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace calbridge::delivery {

/// Re-checks of many people's calendars, one job after another on one thread, with progress that can be read. Jobs live
/// in memory: one that a restart interrupts is asked for again; every person it reached stays done.
class BulkSync {
 public:
  struct Job {
    std::string id;
    std::string state = "queued"; ///< queued | running | done | failed
    std::int64_t people = 0;
    std::int64_t done = 0;
    std::int64_t queued = 0; ///< deliveries that were made due
    TimeMs startedAt = 0;
    TimeMs finishedAt = 0;
  };

  BulkSync(store::Store& store, const Clock& clock, Random& random, Logger& logger);
  ~BulkSync();
  void start();
  void stop();

  Job begin(std::vector<std::string> people);
  /// Finished jobs are remembered until a hundred newer ones have come.
  std::optional<Job> job(const std::string& id) const;

 private:
  struct Work {
    std::string id;
    std::vector<std::string> people;
  };
  void run();
  void carryOut(const Work& work);
  bool waitForRoom();

  store::Store& store_;
  const Clock& clock_;
  Random& random_;
  Logger& logger_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Work> waiting_;
  std::map<std::string, Job> jobs_;
  std::deque<std::string> order_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace calbridge::delivery
