#pragma once
#include "delivery/pool_size.hpp"
#include "store/records.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace calbridge::delivery {

/// The threads that talk to one provider. Every provider has its own, so that one that hangs takes no thread away from
/// another. Calls block, so the number in flight is a number of threads: as many as are worth having (PoolSize).
/// Threads that have had nothing to do for a while end.
class WorkerPool {
 public:
  using Work = std::function<void(const store::DeliveryTask&)>;

  using Duration = std::chrono::steady_clock::duration;

  /// `work` is called on the pool's threads and must not throw. `limit` ≥ 1. A task that no thread has begun within
  /// `patience` goes to `late` instead: its claim may be somebody else's by then.
  WorkerPool(std::string name, std::size_t limit, Work work, Duration patience = Duration::max(), Work late = {});
  ~WorkerPool();

  /// How many more tasks are welcome now; counts the claimed ones that still wait.
  std::size_t room() const;
  void submit(std::vector<store::DeliveryTask> tasks);
  /// Begins nothing more and gives back what no thread has begun.
  std::vector<store::DeliveryTask> close();
  /// After close(): waits for what is under way; false when it still is at `deadline`.
  bool waitUntil(std::chrono::steady_clock::time_point deadline);
  void wait();
  std::size_t inFlight() const;

 private:
  using Time = PoolSize::Time;

  void run();
  void spawnIfWorthwhile(); ///< under mutex_

  const std::string name_;
  const Work work_;
  const Duration patience_;
  const Work late_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable ended_;
  struct Waiting {
    store::DeliveryTask task;
    Time since;
  };
  std::deque<Waiting> queue_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  PoolSize size_;
  bool stopping_ = false;
};

} // namespace calbridge::delivery
