#include "delivery/retry_policy.hpp"

#include <algorithm>

namespace calbridge::delivery {

TimeMs RetryPolicy::pause(int failures, double random, TimeMs retryAfterMs) const {
  TimeMs base = initialMs;
  for (int i = 1; i < failures && base < maximumMs; ++i)
    base *= 2;
  base = std::min(base, maximumMs);
  const auto jittered = static_cast<TimeMs>(static_cast<double>(base) * (1 - jitter + 2 * jitter * random));
  // The jitter comes on top of what the provider asked for: everybody was given the same number.
  const auto wished =
      retryAfterMs + static_cast<TimeMs>(static_cast<double>(std::min<TimeMs>(retryAfterMs, 60'000)) * 0.1 * random);
  return std::max(jittered, wished);
}

bool RetryPolicy::exhausted(TimeMs firstFailureAt, TimeMs appointmentEnd, TimeMs now) const {
  return firstFailureAt > 0 && now - firstFailureAt > persistMs && now > appointmentEnd;
}

} // namespace calbridge::delivery
