#pragma once
#include "core/time.hpp"

#include <optional>

namespace calbridge::delivery {

/// Notices that the wall clock was set back, by comparing it with the monotonic one. For one thread.
class ClockWatch {
 public:
  /// `clock` is borrowed and outlives it.
  explicit ClockWatch(const Clock& clock) : clock_(clock) {}

  /// By how many ms it was set back since the last look; nullopt: not at all, or by too little to matter.
  std::optional<TimeMs> setBack();

 private:
  const Clock& clock_;
  std::optional<TimeMs> ahead_; ///< of the wall clock to the monotonic one, at the last look
};

} // namespace calbridge::delivery
