#pragma once
#include "config/server_config.hpp"
#include "core/logger.hpp"
#include "core/time.hpp"
#include "store/store.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace calbridge::app {

/// Deletes, once an hour, what its retention has passed, and gives freed memory back every ten seconds.
class Upkeep {
 public:
  Upkeep(store::Store& store, const Clock& clock, Logger& logger, RetentionConfig retention);
  ~Upkeep();

 private:
  void run();
  void prune();

  store::Store& store_;
  const Clock& clock_;
  Logger& logger_;
  const RetentionConfig retention_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace calbridge::app
