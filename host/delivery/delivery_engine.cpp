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
constexpr TimeMs kCalendarGonePause = 60'000; ///< first pause after "the calendar is gone"
constexpr TimeMs kClosingPoll = 200;          ///< while some connection is closing
constexpr TimeMs kClosingIdle = 1'000;
constexpr std::size_t kDoubtsKept = 10'000;          ///< settled ones are forgotten beyond that
constexpr auto kStopGrace = std::chrono::seconds(5); ///< for pushes under way when the host stops

DeliveryOutcome outcomeOf(const DeliveryTask& task, DeliveryOutcome::Kind kind, TimeMs at) {
  DeliveryOutcome outcome;
  outcome.placementId = task.placementId;
  outcome.connectionId = task.connectionId;
  outcome.fence = task.fence;
  outcome.kind = kind;
  outcome.revision = task.revision;
  outcome.contentHash = task.contentHash;
  outcome.providerEventId = task.providerEventId;
  outcome.etag = task.etag;
  outcome.at = at;
  return outcome;
}

/// An answer that was cut off or garbled: somebody was there, and may have done what was asked.
bool brokenAnswer(const std::string& code) {
  return code == "http_truncated" || code == "http_malformed" || code == "http_too_large";
}

} // namespace

DeliveryEngine::DeliveryEngine(store::Store& store, Providers& providers, connections::Connections& connections,
                               const Clock& clock, Random& random, Logger& logger, DeliveryOptions options)
    : store_(store), providers_(providers), connections_(connections), clock_(clock), random_(random), logger_(logger),
      options_(options), identity_(store, random) {
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
  cancelled_ = true; // what still runs is cut off: its outcome is unknown, and the next try finds out
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
    TimeMs pause = options_.sweepMs;
    bool failed = false;
    std::vector<Taken> taken; // room of the claim under way
    if (limit > 0 || !handedBack.empty()) {
      try {
        if (!handedBack.empty())
          store_.releaseClaims(handedBack);
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

PushRequest DeliveryEngine::request(const DeliveryTask& task) const {
  const std::string scope = providers_.find(task.provider)->info().can("feed") ? "" : task.provider;
  PushRequest request;
  request.operation = task.wanted ? PushRequest::Operation::upsert : PushRequest::Operation::remove;
  request.uid = identity_.uid(task.personId, task.appointmentId, scope);
  request.idempotencyKey = identity_.idempotencyKey(task.personId, task.appointmentId, scope, task.generation);
  request.providerEventId = task.providerEventId;
  request.etag = task.etag;
  request.attempt = task.attempts + 1;
  request.sequence = task.revision;
  request.stamp = task.decidedAt;
  request.entry = task.entry;
  return request;
}

DeliveryEngine::Attempt DeliveryEngine::failure(const DeliveryTask& task, const Failure& failure) {
  const TimeMs now = clock_.now();
  auto outcome = outcomeOf(task, DeliveryOutcome::Kind::retry, now);
  outcome.errorCode = failure.code.empty() ? toString(failure.status) : failure.code;
  outcome.errorMessage = failure.message;
  const TimeMs wished = failure.retryAfter ? failure.retryAfter->count() : 0;
  const int failures = task.attempts + 1;
  switch (failure.status) {
  case Status::reauthRequired:
    outcome.kind = DeliveryOutcome::Kind::blocked;
    return {std::move(outcome), failure.status};
  case Status::invalidRequest:
  case Status::permanent:
  case Status::unsupported:
    outcome.kind = DeliveryOutcome::Kind::failed;
    return {std::move(outcome), failure.status};
  case Status::rateLimited: {
    const TimeMs pause = options_.retry.pause(failures, random_.unit(), wished);
    outcome.retryAt = now + pause;
    outcome.pauseUntil = now + (wished > 0 ? wished : pause); // the mailbox as a whole was told to wait
    break;
  }
  case Status::notFound:
    outcome.retryAt = now + std::max(options_.retry.pause(failures, random_.unit(), wished), kCalendarGonePause);
    break;
  default:
    outcome.retryAt = now + options_.retry.pause(failures, random_.unit(), wished);
    break;
  }
  if (options_.retry.exhausted(task.firstFailureAt, task.entry.time.endUtc, now))
    outcome.kind = DeliveryOutcome::Kind::failed;
  return {std::move(outcome), brokenAnswer(failure.code) ? Status::internal : failure.status};
}

/// To be tried again, but not because the provider is down.
DeliveryEngine::Attempt DeliveryEngine::answered(Attempt attempt) {
  attempt.status = Status::ok;
  return attempt;
}

DeliveryEngine::Attempt DeliveryEngine::attempt(Provider& provider, const DeliveryTask& task) {
  auto values = connections_.values(task.connectionId);
  CallContext context;
  context.timeout = options_.pushTimeout;
  context.cancelled = &cancelled_;
  context.keyValues = &values;
  context.requestId = "delivery-" + std::to_string(task.placementId) + "-" + std::to_string(task.connectionId);

  PushRequest push = request(task);
  const bool needsToken = provider.info().can("oauth2");
  if (needsToken) {
    auto token = connections_.tokens().accessToken(task.connectionId, context);
    if (const auto* problem = std::get_if<Failure>(&token))
      return failure(task, *problem);
    push.accessToken = std::get<std::string>(std::move(token));
  }
  auto reply = provider.push(push, context);
  if (const auto* problem = std::get_if<Failure>(&reply);
      problem && problem->status == Status::reauthRequired && needsToken) {
    // The token may have been withdrawn before its time: one fresh token, one more try.
    auto token = connections_.tokens().refreshNow(task.connectionId, push.accessToken, context);
    if (const auto* refused = std::get_if<Failure>(&token))
      return failure(task, *refused);
    push.accessToken = std::get<std::string>(std::move(token));
    reply = provider.push(push, context);
    if (const auto* again = std::get_if<Failure>(&reply); again && again->status == Status::reauthRequired) {
      // A fresh token is refused too: let the connection decide what that means for all of its deliveries.
      auto verdict = connections_.tokens().refreshNow(task.connectionId, push.accessToken, context);
      if (const auto* dead = std::get_if<Failure>(&verdict))
        return failure(task, *dead);
      return answered(failure(task, Failure{Status::transient, again->message, again->code, {}}));
    }
  }
  if (const auto* problem = std::get_if<Failure>(&reply)) {
    if (task.wanted && problem->status == Status::deadline)
      doubt(task);
    return failure(task, *problem);
  }
  if (needsToken)
    connections_.tokens().accepted(task.connectionId, push.accessToken);

  if (task.wanted)
    believe(task);
  else if (const TimeMs left = doubtLeft(task); left > 0)
    return answered(
        failure(task, Failure{Status::transient,
                              "gone, but an earlier write was given up and may still be carried out; looked for again",
                              "removal_unconfirmed", std::chrono::milliseconds(left)}));
  auto& done = std::get<PushReply>(reply);
  auto outcome =
      outcomeOf(task, task.wanted ? DeliveryOutcome::Kind::delivered : DeliveryOutcome::Kind::removed, clock_.now());
  if (!done.providerEventId.empty())
    outcome.providerEventId = std::move(done.providerEventId);
  outcome.etag = std::move(done.etag);
  outcome.rendering = std::move(done.rendering);
  return {std::move(outcome), Status::ok};
}

/// True, and nothing is begun, when the circuit has opened since the task was claimed.
bool DeliveryEngine::handBack(ProviderLane& lane, const DeliveryTask& task) {
  if (!lane.circuitOpen)
    return false;
  const std::lock_guard lock(mutex_);
  if (lane.breaker.state() != CircuitBreaker::State::open)
    return false; // this may be the probe
  giveRoom(task.connectionId);
  handedBack_.push_back(task);
  return true;
}

/// What the end of a push says about the provider as a whole.
void DeliveryEngine::judge(ProviderLane& lane, const DeliveryTask& task, Status status) {
  const bool failed = status == Status::transient || status == Status::deadline;
  bool changed = false;
  TimeMs pause = 0;
  {
    const std::lock_guard lock(mutex_);
    if (status == Status::cancelled || status == Status::internal) { // says nothing about it
      lane.breaker.unused();
      return;
    }
    const TimeMs now = clock_.monotonic();
    changed = failed ? lane.breaker.failed(task.connectionId, now) : lane.breaker.answered();
    lane.circuitOpen = lane.breaker.state() != CircuitBreaker::State::closed;
    lane.circuitOpenings += failed && changed;
    pause = lane.breaker.until() - now;
    if (changed)
      due_ = true; // to be looked at with other eyes
  }
  if (!changed)
    return;
  signal_.notify_one();
  if (failed)
    logger_.error("a provider does not answer; its deliveries wait, and one at a time asks whether it is back",
                  {{"provider", task.provider}, {"asked_again_in_ms", std::to_string(pause)}});
  else
    logger_.info("a provider answers again", {{"provider", task.provider}});
}

/// It waited so long for a thread that its lease would end before the push: what is wanted may be newer by now.
void DeliveryEngine::giveBack(const DeliveryTask& task) {
  {
    const std::lock_guard lock(mutex_);
    giveRoom(task.connectionId);
  }
  try {
    store_.releaseClaims({&task, 1});
  } catch (const Error& error) { // the lease runs out by itself
    logger_.warning("a claim could not be given back", {{"reason", error.what()}});
  }
  wake();
}

/// A provider may carry out a write long after we gave up waiting, and so bring back what was removed meanwhile.
void DeliveryEngine::doubt(const DeliveryTask& task) {
  const TimeMs now = clock_.monotonic(), settled = now - options_.pushTimeout.count();
  const std::lock_guard lock(mutex_);
  if (doubts_.size() >= kDoubtsKept)
    std::erase_if(doubts_, [settled](const auto& item) { return item.second <= settled; });
  doubts_[{task.placementId, task.connectionId}] = now;
}

/// The write was confirmed: whatever was given up before would be a repetition of it.
void DeliveryEngine::believe(const DeliveryTask& task) {
  const std::lock_guard lock(mutex_);
  if (!doubts_.empty())
    doubts_.erase({task.placementId, task.connectionId});
}

/// How long the removal of this entry cannot be believed yet: for as long as we had waited for the write.
TimeMs DeliveryEngine::doubtLeft(const DeliveryTask& task) {
  const std::lock_guard lock(mutex_);
  const auto found = doubts_.find({task.placementId, task.connectionId});
  if (found == doubts_.end())
    return 0;
  const TimeMs left = found->second + options_.pushTimeout.count() - clock_.monotonic();
  if (left <= 0)
    doubts_.erase(found);
  return left;
}

void DeliveryEngine::process(ProviderLane& lane, Provider& provider, const DeliveryTask& task) {
  if (handBack(lane, task))
    return;
  const auto began = std::chrono::steady_clock::now();
  Attempt made;
  try {
    made = attempt(provider, task);
  } catch (const std::exception& error) { // the worker loop's boundary: one delivery's trouble is its own
    const auto* known = dynamic_cast<const Error*>(&error);
    logger_.error("a delivery failed in an unforeseen way; it is tried again",
                  {{"person", task.personId},
                   {"provider", task.provider},
                   {"appointment", task.appointmentId},
                   {"event", task.eventId},
                   {"reason", error.what()},
                   {"detail", known ? known->detail() : ""}});
    made = failure(task, Failure{Status::internal, "internal error", known ? known->code() : "internal", {}});
  }
  judge(lane, task, made.status);
  DeliveryOutcome& outcome = made.outcome;
  if (cancelled_ && outcome.kind == DeliveryOutcome::Kind::retry) { // we stopped it ourselves: not the provider's fault
    const std::lock_guard lock(mutex_);
    giveRoom(task.connectionId);
    cutOff_.push_back(task);
    return;
  }
  lane.pushMicros +=
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began).count();
  ++lane.pushes;
  using Kind = DeliveryOutcome::Kind;
  const auto say = [&](Logger::Level level, std::string_view message) {
    logger_.write(level, message,
                  {{"person", task.personId},
                   {"provider", task.provider},
                   {"appointment", task.appointmentId},
                   {"event", task.eventId},
                   {"delivery", std::to_string(task.placementId) + "-" + std::to_string(task.connectionId)},
                   {"attempt", std::to_string(task.attempts + 1)},
                   {"code", outcome.errorCode},
                   {"reason", outcome.errorMessage}});
  };
  switch (outcome.kind) {
  case Kind::delivered:
    ++lane.counters.delivered;
    if (logger_.enabled(Logger::Level::debug))
      say(Logger::Level::debug, "an entry was delivered");
    break;
  case Kind::removed:
    ++lane.counters.removed;
    if (logger_.enabled(Logger::Level::debug))
      say(Logger::Level::debug, "an entry was removed");
    break;
  case Kind::retry:
    ++lane.counters.retried;
    say(Logger::Level::warning, "a delivery has to be tried again");
    break;
  case Kind::blocked:
    ++lane.counters.blocked;
    say(Logger::Level::warning, "a delivery waits until the person reconnects");
    break;
  case Kind::failed:
    ++lane.counters.failed;
    say(Logger::Level::error,
        "the provider rejected a delivery for good; see `calbridge deliveries list --state failed`");
    break;
  }
  recorder_->add(std::move(outcome));
}

void DeliveryEngine::recorded(const std::vector<DeliveryOutcome>& outcomes) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& outcome : outcomes)
      giveRoom(outcome.connectionId);
    due_ = true;
  }
  signal_.notify_one();
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
