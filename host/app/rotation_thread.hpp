#pragma once
#include "connections/key_rotation.hpp"

#include <nlohmann/json.hpp>
#include <thread>

namespace calbridge::app {

/// Runs a key rotation beside the work of the host. Thread-safe.
class RotationThread {
 public:
  /// Both are borrowed.
  RotationThread(connections::KeyRotation& rotation, Logger& logger) : rotation_(rotation), logger_(logger) {}
  ~RotationThread() { stop(); }

  /// Begins a rotation, or goes on with one that was cut short; nothing when one runs. Throws Error, see
  /// KeyRotation::begin.
  void begin(const std::optional<std::string>& newKey);
  /// Ends at the next page; the next start goes on.
  void stop();
  /// {"state": "idle"|"running"|"done"|"failed", "old_key", "new_key", "total", "done", "unreadable", "error"}
  nlohmann::json describe() const;

 private:
  void run();

  connections::KeyRotation& rotation_;
  Logger& logger_;
  std::mutex starting_; ///< held while a thread is started or joined
  mutable std::mutex mutex_;
  std::string state_ = "idle";
  std::string error_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// What an operator reads of it.
nlohmann::json describe(const connections::RotationProgress& progress);

} // namespace calbridge::app
