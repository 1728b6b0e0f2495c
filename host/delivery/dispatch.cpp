// The part of the engine that finds what is due and hands it to the pools.
#include "core/thread.hpp"
#include "delivery/delivery_engine.hpp"

#include <algorithm>
#include <utility>

namespace calbridge::delivery {
namespace {

using store::DeliveryTask;

constexpr std::size_t kClaimAtOnce = 256;
constexpr TimeMs kUnheard = 200; ///< then asked again whether this host's claims hold

} // namespace

void DeliveryEngine::wake() {
  {
    const std::lock_guard lock(mutex_);
    if (due_)
      return; // said already
    due_ = true;
    if (lookersComing_ > 0)
      return;
  }
  signal_.notify_one();
}

void DeliveryEngine::lookAfter(const std::function<void()>& work) {
  struct Coming {
    DeliveryEngine& engine;
    bool counted = false;
    explicit Coming(DeliveryEngine& coming) : engine(coming) {
      const std::lock_guard lock(engine.mutex_);
      counted = engine.started_ && !engine.stopping_;
      engine.lookersComing_ += counted;
    }
    ~Coming() { // whatever is left is the dispatcher's
      bool left = false;
      {
        const std::lock_guard lock(engine.mutex_);
        engine.lookersComing_ -= counted;
        left = counted && engine.due_;
      }
      if (left)
        engine.signal_.notify_one();
    }
  };
  const Coming coming(*this);
  work();
  if (!coming.counted)
    return;
  const std::unique_lock looking(looking_, std::try_to_lock);
  if (!looking.owns_lock())
    return;
  {
    const std::lock_guard lock(mutex_);
    if (!due_ || stopping_)
      return;
  }
  const Look found = look();
  const std::lock_guard lock(mutex_);
  if (found.failed || clock_.monotonic() + found.pause < dispatcherWakes_)
    due_ = true;
}

bool DeliveryEngine::takeRoom(std::int64_t connectionId, const std::string& provider, TimeMs now) {
  const std::lock_guard lock(mutex_);
  const auto room = laneRoom_.find(provider);
  if (room == laneRoom_.end() || room->second == 0)
    return false; // not enabled here, busy enough, or down
  if (rests(connectionId, now))
    return false;
  const auto used = inFlight_.find(connectionId);
  if (used != inFlight_.end() && used->second >= providers_.find(provider)->info().mailboxConcurrency)
    return false;
  ProviderLane& lane = lanes_.at(provider);
  if (lane.limiter && !lane.limiter->take(connectionId, now))
    return false;
  lane.breaker.admits(now);
  ++inFlight_[connectionId];
  --room->second;
  return true;
}

void DeliveryEngine::giveRoom(std::int64_t connectionId) {
  const auto it = inFlight_.find(connectionId);
  if (it != inFlight_.end() && --it->second == 0)
    inFlight_.erase(it);
}

void DeliveryEngine::giveBackUnused(std::vector<Taken> taken, std::span<const DeliveryTask> claimed) {
  if (taken.size() == claimed.size())
    return;
  for (const auto& task : claimed)
    if (const auto used = std::find_if(taken.begin(), taken.end(),
                                       [&](const Taken& one) { return one.connectionId == task.connectionId; });
        used != taken.end())
      taken.erase(used);
  const std::lock_guard lock(mutex_);
  for (const auto& [connection, lane] : taken) {
    giveRoom(connection);
    lane->breaker.unused();
  }
}

/// Room at one provider: none while its circuit is open, one for the probe. Under mutex_.
std::size_t DeliveryEngine::roomAt(ProviderLane& lane, TimeMs now) const {
  switch (lane.breaker.state()) {
  case CircuitBreaker::State::halfOpen:
    return 0;
  case CircuitBreaker::State::open:
    return now >= lane.breaker.until() ? 1 : 0;
  case CircuitBreaker::State::closed:
    break;
  }
  return lane.pool->room();
}

/// When what the providers' circuits and quotas held back may go, if that is sooner.
TimeMs DeliveryEngine::nextLook(TimeMs pause) {
  const TimeMs now = clock_.monotonic();
  const std::lock_guard lock(mutex_);
  for (const auto& [connectionId, until] : resting_)
    if (until > now)
      pause = std::min(pause, until - now);
  for (auto& [id, lane] : lanes_) {
    if (lane.breaker.state() == CircuitBreaker::State::open)
      pause = std::min(pause, std::max<TimeMs>(lane.breaker.until() - now, 1));
    if (const auto at = lane.limiter ? lane.limiter->nextTry(now) : std::nullopt) {
      ++lane.quotaWaits;
      pause = std::min(pause, *at - now);
    }
  }
  return pause;
}

/// Hosts come and go: each takes its part of what a provider allows the application.
void DeliveryEngine::shareQuotas(TimeMs now) {
  if (now < hostsCountedAt_ + kCountHosts ||
      std::none_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane.second.limiter != nullptr; }))
    return;
  const int hosts = std::max(1, static_cast<int>(store_.nodes().size()));
  hostsCountedAt_ = now;
  const std::lock_guard lock(mutex_);
  for (auto& [id, lane] : lanes_)
    if (lane.limiter)
      lane.limiter->share(hosts, now);
}

void DeliveryEngine::dispatch() {
  nameThread("dispatcher");
  for (;;) {
    Look found;
    {
      const std::lock_guard looking(looking_);
      {
        const std::lock_guard lock(mutex_);
        if (stopping_)
          return;
      }
      found = look();
      const std::lock_guard lock(mutex_); // still looking: who looks next knows until when this one sleeps
      dispatcherWakes_ = clock_.monotonic() + found.pause;
    }
    if (found.pause == 0)
      continue;
    std::unique_lock lock(mutex_);
    signal_.wait_for(lock, std::chrono::milliseconds(found.pause),
                     [this, &found] { return stopping_ || (due_ && !found.failed && lookersComing_ == 0); });
  }
}

/// Claims what is due, as far as there is room for it, and hands it to the pools. Under looking_.
DeliveryEngine::Look DeliveryEngine::look() {
  std::size_t limit = 0;
  std::vector<DeliveryTask> handedBack;
  const TimeMs ticks = clock_.monotonic();
  {
    const std::lock_guard lock(mutex_);
    due_ = false;
    handedBack.swap(handedBack_);
    for (auto& [id, lane] : lanes_) {
      laneRoom_[id] = roomAt(lane, ticks);
      limit += laneRoom_[id];
    }
  }
  const bool hold = store_.claimsHold();
  if (!hold)
    limit = 0;
  Look found{hold ? options_.sweepMs : kUnheard};
  if (limit > 0 || !handedBack.empty())
    found = claim(handedBack, std::min(limit, kClaimAtOnce), ticks);
  if (found.pause > 0)
    found.pause = nextLook(found.pause);
  return found;
}

DeliveryEngine::Look DeliveryEngine::claim(std::span<const DeliveryTask> handedBack, std::size_t limit, TimeMs ticks) {
  std::vector<Taken> taken; // room of this claim
  try {
    if (const auto step = clockWatch_.setBack()) {
      logger_.warning("the clock was set back; what waits for its next attempt waits as much less",
                      {{"seconds", std::to_string(*step / 1000)}});
      store_.clockWentBack(clock_.now(), *step);
    }
    if (!handedBack.empty())
      store_.releaseClaims(handedBack);
    shareQuotas(ticks);
    auto claim = store_.claimDeliveries(clock_.now(), limit, options_.leaseMs,
                                        [&](std::int64_t connection, const std::string& provider) {
                                          if (!takeRoom(connection, provider, ticks))
                                            return false;
                                          taken.push_back({connection, &lanes_.at(provider)});
                                          return true;
                                        });
    giveBackUnused(std::exchange(taken, {}), claim.tasks);
    const bool full = claim.tasks.size() == limit;
    std::map<std::string, std::vector<DeliveryTask>> byProvider;
    for (auto& task : claim.tasks)
      byProvider[task.provider].push_back(std::move(task));
    for (auto& [provider, tasks] : byProvider)
      lanes_.at(provider).pool->submit(std::move(tasks));
    if (full)
      return {};
    if (claim.nextDue)
      return {std::clamp<TimeMs>(*claim.nextDue - clock_.now(), 1, options_.sweepMs)};
    return {options_.sweepMs};
  } catch (const std::exception& error) {
    giveBackUnused(std::move(taken), {});
    logger_.error("due deliveries cannot be read; tried again in a second", {{"reason", error.what()}});
    return {.pause = 1000, .failed = true};
  }
}

} // namespace calbridge::delivery
