#include "delivery/pool_size.hpp"

#include <algorithm>

namespace calbridge::delivery {
namespace {

constexpr std::size_t kFewThreads = 16;
/// More pushes a second than one machine can make: with a push of t milliseconds, t * kRate / 1000 threads keep up.
constexpr double kRate = 20000;
/// How fast the memory of the fastest push fades, per push.
constexpr double kFade = 0.02;
/// And how far at most: a single push that stalls says nothing about the provider, and must not start dozens of
/// threads.
constexpr double kGrowth = 1.1;
/// Twice as many threads are worth having if so much more gets done.
constexpr double kWorth = 1.3;
constexpr auto kWeighingTime = std::chrono::milliseconds(20); ///< at least
constexpr auto kNextTrial = std::chrono::seconds(1);          ///< after one that brought nothing

} // namespace

PoolSize::PoolSize(std::size_t limit) : limit_(limit), allowed_(std::min(kFewThreads, limit)) {}

std::size_t PoolSize::worthwhile() const {
  const auto wanted = static_cast<std::size_t>(std::max(fastestMs_, 0.0) / 1000 * kRate);
  return std::clamp(wanted, std::min(kFewThreads, limit_), limit_);
}

std::size_t PoolSize::target() const {
  return std::min(worthwhile(), allowed_);
}

void PoolSize::begin(Time now) {
  weighed_ = 0;
  weighingSince_ = now;
}

bool PoolSize::ended(Duration took, Time now, bool waiting, std::size_t threads) {
  const double ms = std::chrono::duration<double, std::milli>(took).count();
  fastestMs_ =
      fastestMs_ < 0 || ms < fastestMs_ ? ms : std::min(fastestMs_ + (ms - fastestMs_) * kFade, fastestMs_ * kGrowth);
  return weigh(now, waiting, threads);
}

/// On busy processors every push takes long, too: more threads then only make it longer, which would ask for still more
/// of them. So what counts in the end is how much gets done.
bool PoolSize::weigh(Time now, bool waiting, std::size_t threads) {
  if (!waiting || threads < allowed_) { // there are enough of them
    begin(now);
    return false;
  }
  if (++weighed_ < threads || now - weighingSince_ < kWeighingTime)
    return false;
  const double rate = static_cast<double>(weighed_) / std::chrono::duration<double>(now - weighingSince_).count();
  begin(now);
  if (provenThreads_ > 0) {
    const double share = static_cast<double>(allowed_ - provenThreads_) / static_cast<double>(provenThreads_);
    const bool worth = rate >= provenRate_ * (1 + (kWorth - 1) * share);
    if (!worth) {
      allowed_ = provenThreads_;
      noTrialBefore_ = now + kNextTrial;
    }
    provenThreads_ = 0;
  }
  if (allowed_ >= worthwhile() || now < noTrialBefore_)
    return false;
  provenThreads_ = allowed_;
  provenRate_ = rate;
  // By far too few where a provider is slow: greater steps.
  allowed_ = std::min((worthwhile() / 16 >= allowed_ ? 4 : 2) * allowed_, limit_);
  return true;
}

void PoolSize::shrunk(std::size_t threads) {
  allowed_ = std::clamp(threads, std::min(kFewThreads, limit_), allowed_);
  provenThreads_ = 0;
}

} // namespace calbridge::delivery
