#pragma once
#include "core/logger.hpp"
#include "store/store.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace calbridge::delivery {

/// Gathers the outcomes of many workers and stores them together: one transaction for all that ended while the last
/// one was being written. Outcomes that the store refuses for a while are kept and offered again.
class OutcomeRecorder {
 public:
  /// `recorded` is called on the recorder's thread after each stored batch.
  using Recorded = std::function<void(const std::vector<store::DeliveryOutcome>&)>;
  OutcomeRecorder(store::Store& store, Logger& logger, Recorded recorded);
  ~OutcomeRecorder();

  void add(store::DeliveryOutcome outcome);
  /// Stores what has been added, then ends the thread.
  void stop();

 private:
  void run();

  store::Store& store_;
  Logger& logger_;
  Recorded recorded_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<store::DeliveryOutcome> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace calbridge::delivery
