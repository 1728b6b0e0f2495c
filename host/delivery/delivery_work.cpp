#include "core/error.hpp"
#include "delivery/delivery_engine.hpp"

#include <algorithm>

/// The engine on the threads of its pools: one delivery from its claim to its outcome.
namespace calbridge::delivery {

using store::DeliveryOutcome;
using store::DeliveryTask;

/// True, and nothing is begun, when since the task was claimed the circuit has opened, the mailbox was told to wait, or
/// this host may have been taken for dead.
bool DeliveryEngine::handBack(ProviderLane& lane, const DeliveryTask& task) {
  const bool lost = !store_.claimsHold();
  if (!lost && !lane.circuitOpen && clock_.monotonic() >= restingUntil_)
    return false;
  const std::lock_guard lock(mutex_);
  const bool down =
      lane.circuitOpen && lane.breaker.state() == CircuitBreaker::State::open; // else this may be the probe
  if (!lost && !down && !rests(task.connectionId, clock_.monotonic()))
    return false;
  lane.breaker.unused();
  giveRoom(task.connectionId);
  handedBack_.push_back(task);
  return true;
}

/// Whatever else of that mailbox is claimed already has to wait, too.
void DeliveryEngine::rest(const DeliveryOutcome& outcome) {
  if (outcome.pauseUntil <= outcome.at)
    return;
  const TimeMs now = clock_.monotonic();
  const std::lock_guard lock(mutex_);
  std::erase_if(resting_, [now](const auto& item) { return item.second <= now; });
  TimeMs& until = resting_[outcome.connectionId];
  until = std::max(until, now + outcome.pauseUntil - outcome.at);
  restingUntil_ = std::max(restingUntil_.load(), until);
  due_ = true; // what was handed back for it is given up
}

/// Under mutex_.
bool DeliveryEngine::rests(std::int64_t connectionId, TimeMs now) const {
  const auto found = resting_.find(connectionId);
  return found != resting_.end() && now < found->second;
}

/// What the end of a push says about the provider as a whole.
void DeliveryEngine::judge(ProviderLane& lane, const DeliveryTask& task, const Attempt& made) {
  const Status status = made.status;
  const bool failed = status == Status::transient || status == Status::deadline;
  bool changed = false;
  TimeMs pause = 0;
  {
    const std::lock_guard lock(mutex_);
    const TimeMs now = clock_.monotonic();
    if (lane.limiter)
      lane.limiter->charge(task.connectionId, made.requests - 1, now);
    if (status == Status::cancelled || status == Status::internal) { // says nothing about it
      lane.breaker.unused();
      return;
    }
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
    handedBack_.push_back(task);
  }
  wake();
}

void DeliveryEngine::process(ProviderLane& lane, Provider& provider, const DeliveryTask& task) {
  if (handBack(lane, task))
    return;
  const auto began = std::chrono::steady_clock::now();
  Attempt made;
  try {
    made = pusher_.push(provider, task);
  } catch (const std::exception& error) { // the worker loop's boundary: one delivery's trouble is its own
    const auto* known = dynamic_cast<const Error*>(&error);
    logger_.error("a delivery failed in an unforeseen way; it is tried again",
                  {{"person", task.personId},
                   {"provider", task.provider},
                   {"appointment", task.appointmentId},
                   {"event", task.eventId},
                   {"reason", error.what()},
                   {"detail", known ? known->detail() : ""}});
    made = pusher_.failure(task, Failure{Status::internal, "internal error", known ? known->code() : "internal", {}});
  }
  DeliveryOutcome& outcome = made.outcome;
  rest(outcome);
  judge(lane, task, made);
  if (pusher_.cancelled() &&
      outcome.kind == DeliveryOutcome::Kind::retry) { // we stopped it ourselves: not the provider's fault
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
    if (lookersComing_ > 0)
      return;
  }
  signal_.notify_one();
}

} // namespace calbridge::delivery
