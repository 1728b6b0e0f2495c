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

constexpr TimeMs kClosingPoll = 200; ///< while some connection is closing
constexpr TimeMs kClosingIdle = 1'000;
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
  {
    const std::lock_guard lock(mutex_);
    started_ = true;
  }
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
  { const std::lock_guard lock(looking_); } // nobody else looks any more, either
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
