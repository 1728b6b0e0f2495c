#include "delivery/delivery_engine.hpp"
#include "connections/connections.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"

#include <algorithm>
#include <utility>

namespace calbridge::delivery {
namespace {

using store::DeliveryOutcome;
using store::DeliveryTask;

constexpr std::size_t kClaimAtOnce = 256;
constexpr TimeMs kClosingPoll = 200; ///< while some connection is closing
constexpr TimeMs kClosingIdle = 1'000;
constexpr TimeMs kUnheard = 200;                     ///< then asked again whether this host's claims hold
constexpr auto kStopGrace = std::chrono::seconds(5); ///< for pushes under way when the host stops

} // namespace

DeliveryEngine::DeliveryEngine(store::Store& store, Providers& providers, connections::Connections& connections,
                               const Clock& clock, Random& random, Logger& logger, DeliveryOptions options)
    : store_(store), providers_(providers), connections_(connections), clock_(clock), logger_(logger),
      options_(options), identity_(store, random),
      pusher_(connections, identity_, clock, random, options_.retry, options_.pushTimeout), clockWatch_(clock) {
  for (Provider* provider : providers.all()) {
    auto& lane = lanes_[provider->info().id];
    lane.pool = std::make_unique<WorkerPool>(
        provider->info().id, options.maxInFlight,
        [this, &lane, provider](const DeliveryTask& task) { process(lane, *provider, task); },
        std::chrono::milliseconds(options_.leaseMs) - options_.pushTimeout,
        [this](const DeliveryTask& task) { giveBack(task); });
    if (const auto limits = options_.limits.find(provider->info().id);
        limits != options_.limits.end() && (limits->second.perMinute > 0 || limits->second.perAccountPerMinute > 0))
      lane.limiter = std::make_unique<RateLimiter>(limits->second, clock.monotonic());
  }
}

DeliveryEngine::~DeliveryEngine() {
  stop();
}

void DeliveryEngine::start() {
  recorder_ = std::make_unique<OutcomeRecorder>(store_, logger_, [this](const auto& stored) { recorded(stored); });
  store_.onCommit({.deliveriesDue = [this] { wake(); }});
  dispatcher_ = std::thread([this] { dispatch(); });
  closer_ = std::thread([this] { closeConnections(); });
}

void DeliveryEngine::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_)
      return;
    stopping_ = true;
  }
  signal_.notify_all();
  closing_.notify_all();
  if (!dispatcher_.joinable())
    return;
  store_.onCommit({});
  dispatcher_.join();
  closer_.join();
  std::vector<DeliveryTask> left;
  for (auto& [id, lane] : lanes_) {
    auto untouched = lane.pool->close();
    left.insert(left.end(), std::make_move_iterator(untouched.begin()), std::make_move_iterator(untouched.end()));
  }
  const auto deadline = std::chrono::steady_clock::now() + kStopGrace;
  for (auto& [id, lane] : lanes_)
    lane.pool->waitUntil(deadline);
  pusher_.cancel(); // what still runs is cut off: its outcome is unknown, and the next try finds out
  for (auto& [id, lane] : lanes_)
    lane.pool->wait();
  recorder_->stop();
  {
    const std::lock_guard lock(mutex_);
    left.insert(left.end(), cutOff_.begin(), cutOff_.end());
    left.insert(left.end(), handedBack_.begin(), handedBack_.end());
  }
  try {
    store_.releaseClaims(left);
  } catch (const Error& error) { // the leases run out by themselves
    logger_.warning("claims could not be given back", {{"reason", error.what()}});
  }
}

void DeliveryEngine::wake() {
  {
    const std::lock_guard lock(mutex_);
    if (due_)
      return; // said already
    due_ = true;
  }
  signal_.notify_one();
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
    std::size_t limit = 0;
    std::vector<DeliveryTask> handedBack;
    const TimeMs ticks = clock_.monotonic();
    {
      const std::lock_guard lock(mutex_);
      if (stopping_)
        return;
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
    TimeMs pause = hold ? options_.sweepMs : kUnheard;
    bool failed = false;
    std::vector<Taken> taken; // room of the claim under way
    if (limit > 0 || !handedBack.empty()) {
      try {
        if (const auto step = clockWatch_.setBack()) {
          logger_.warning("the clock was set back; what waits for its next attempt waits as much less",
                          {{"seconds", std::to_string(*step / 1000)}});
          store_.clockWentBack(clock_.now(), *step);
        }
        if (!handedBack.empty())
          store_.releaseClaims(handedBack);
        shareQuotas(ticks);
        limit = std::min(limit, kClaimAtOnce);
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
          continue;
        if (claim.nextDue)
          pause = std::clamp<TimeMs>(*claim.nextDue - clock_.now(), 1, options_.sweepMs);
      } catch (const std::exception& error) {
        failed = true;
        giveBackUnused(std::move(taken), {});
        logger_.error("due deliveries cannot be read; tried again in a second", {{"reason", error.what()}});
        pause = 1000;
      }
    }
    pause = nextLook(pause);
    std::unique_lock lock(mutex_);
    signal_.wait_for(lock, std::chrono::milliseconds(pause), [this, failed] { return stopping_ || (due_ && !failed); });
  }
}

void DeliveryEngine::closeConnections() {
  nameThread("closer");
  for (;;) {
    TimeMs pause = kClosingIdle;
    try {
      connections_.disconnection().finishDue();
      if (const auto deadline = connections_.disconnection().nextDeadline())
        pause = std::clamp<TimeMs>(*deadline - clock_.now(), 1, kClosingPoll);
    } catch (const std::exception& error) {
      const auto* known = dynamic_cast<const Error*>(&error);
      logger_.error("closing connections cannot be ended now; tried again",
                    {{"reason", error.what()}, {"detail", known ? known->detail() : ""}});
      pause = 1000;
    }
    std::unique_lock lock(mutex_);
    closing_.wait_for(lock, std::chrono::milliseconds(pause), [this] { return stopping_; });
    if (stopping_)
      return;
  }
}

} // namespace calbridge::delivery
