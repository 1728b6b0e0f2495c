#include "delivery/rate_limit.hpp"

#include <algorithm>
#include <cmath>

namespace calbridge::delivery {
namespace {

constexpr double kBurstShare = 0.1;
constexpr double kMinuteMs = 60'000;
/// Looking for work costs a step for everything that waits, so nobody is called for every single token.
constexpr TimeMs kLeastPause = 50;
constexpr std::size_t kForgetAtFirst = 1024;

} // namespace

TokenBucket::TokenBucket(int perMinute, TimeMs now)
    : capacity_(std::max(1.0, std::floor(perMinute * kBurstShare))),
      perMs_(std::max(1.0, perMinute - capacity_) / kMinuteMs), tokens_(capacity_), filledAt_(now) {}

void TokenBucket::changeTo(int perMinute, TimeMs now) {
  refill(now);
  TokenBucket changed(perMinute, now);
  changed.tokens_ = std::min(tokens_, changed.capacity_);
  *this = changed;
}

/// A clock that was set back gives nothing and takes nothing.
double TokenBucket::tokensAt(TimeMs now) const {
  return now <= filledAt_ ? tokens_ : std::min(capacity_, tokens_ + static_cast<double>(now - filledAt_) * perMs_);
}

void TokenBucket::refill(TimeMs now) {
  tokens_ = tokensAt(now);
  filledAt_ = now;
}

bool TokenBucket::ready(TimeMs now) {
  refill(now);
  return tokens_ >= 1;
}

void TokenBucket::take(TimeMs now, int count) {
  refill(now);
  tokens_ -= count;
}

TimeMs TokenBucket::readyAt(TimeMs now) {
  refill(now);
  return tokens_ >= 1 ? now : now + static_cast<TimeMs>(std::ceil((1 - tokens_) / perMs_));
}

bool TokenBucket::full(TimeMs now) const {
  return tokensAt(now) >= capacity_;
}

RateLimiter::RateLimiter(RateLimits limits, TimeMs now) : limits_(limits), forgetBeyond_(kForgetAtFirst) {
  if (limits_.perMinute > 0)
    all_.emplace(limits_.perMinute, now);
}

bool RateLimiter::take(std::int64_t connectionId, TimeMs now) {
  if (all_ && !all_->ready(now)) {
    refuse(all_->readyAt(now));
    return false;
  }
  if (limits_.perAccountPerMinute > 0) {
    if (accounts_.size() > forgetBeyond_)
      forgetIdle(now);
    auto& account = accounts_.try_emplace(connectionId, limits_.perAccountPerMinute, now).first->second;
    if (!account.ready(now)) {
      refuse(account.readyAt(now));
      return false;
    }
    account.take(now);
  }
  if (all_)
    all_->take(now);
  return true;
}

void RateLimiter::charge(std::int64_t connectionId, int requests, TimeMs now) {
  if (requests <= 0)
    return;
  if (all_)
    all_->take(now, requests);
  if (limits_.perAccountPerMinute > 0)
    accounts_.try_emplace(connectionId, limits_.perAccountPerMinute, now).first->second.take(now, requests);
}

void RateLimiter::share(int hosts, TimeMs now) {
  if (!all_ || hosts == hosts_)
    return;
  hosts_ = hosts;
  all_->changeTo(std::max(1, limits_.perMinute / hosts), now);
}

std::optional<TimeMs> RateLimiter::nextTry(TimeMs now) {
  if (!refusedUntil_)
    return std::nullopt;
  const TimeMs at = std::max(*refusedUntil_, now + kLeastPause);
  refusedUntil_.reset();
  return at;
}

void RateLimiter::refuse(TimeMs until) {
  refusedUntil_ = std::min(refusedUntil_.value_or(until), until);
}

void RateLimiter::forgetIdle(TimeMs now) {
  std::erase_if(accounts_, [now](const auto& account) { return account.second.full(now); });
  forgetBeyond_ = std::max(kForgetAtFirst, 2 * accounts_.size());
}

} // namespace calbridge::delivery
