#include "delivery/clock_watch.hpp"

namespace calbridge::delivery {
namespace {

constexpr TimeMs kLeast = 5'000;  ///< what a correction of a few seconds delays is not worth a word
constexpr TimeMs kAtOnce = 1'000; ///< readings further apart tell of a pause of this process

} // namespace

std::optional<TimeMs> ClockWatch::setBack() {
  const TimeMs before = clock_.monotonic();
  const TimeMs wall = clock_.now();
  if (clock_.monotonic() - before > kAtOnce)
    return std::nullopt; // which of them is later cannot be told
  const TimeMs ahead = wall - before;
  const TimeMs step = ahead_.value_or(ahead) - ahead;
  ahead_ = ahead;
  return step > kLeast ? std::optional(step) : std::nullopt;
}

} // namespace calbridge::delivery
