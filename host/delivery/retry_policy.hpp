#pragma once
#include "core/time.hpp"

#include <optional>

namespace calbridge::delivery {

/// When to try again. The pause doubles from `initialMs` up to `maximumMs`, with a jitter, so that a provider
/// that comes back is not met by everybody at once. A provider's Retry-After is never undercut.
struct RetryPolicy {
  TimeMs initialMs = 1000;
  TimeMs maximumMs = 3600 * 1000;
  double jitter = 0.25; ///< ± share of each pause
  /// Tries go on for at least this long after the first failure, and until the appointment is over.
  TimeMs persistMs = TimeMs{28} * 3600 * 1000;

  /// `failures` counts the one that just happened (1 = the first); `random` is uniform in [0, 1); `retryAfterMs` is the
  /// provider's wish, 0 for none. Milliseconds from now.
  TimeMs pause(int failures, double random, TimeMs retryAfterMs) const;

  /// Is there any sense in another try at all?
  bool exhausted(TimeMs firstFailureAt, TimeMs appointmentEnd, TimeMs now) const;
};

} // namespace calbridge::delivery
