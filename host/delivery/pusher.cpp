#include "delivery/pusher.hpp"
#include "connections/connections.hpp"

#include <algorithm>
#include <utility>

namespace calbridge::delivery {
namespace {

using store::DeliveryOutcome;
using store::DeliveryTask;

constexpr TimeMs kCalendarGonePause = 60'000; ///< first pause after "the calendar is gone"

/// An answer that was cut off or garbled: somebody was there, and may have done what was asked.
bool brokenAnswer(const std::string& code) {
  return code == "http_truncated" || code == "http_malformed" || code == "http_too_large";
}

/// To be tried again, but not because the provider is down.
Attempt answered(Attempt attempt) {
  attempt.status = Status::ok;
  return attempt;
}

LateWrites::Key keyOf(const DeliveryTask& task) {
  return {task.placementId, task.connectionId};
}

} // namespace

Pusher::Pusher(connections::Connections& connections, const EntryIdentity& identity, const Clock& clock, Random& random,
               const RetryPolicy& retry, std::chrono::milliseconds timeout)
    : connections_(connections), identity_(identity), clock_(clock), random_(random), retry_(retry), timeout_(timeout) {
}

DeliveryOutcome Pusher::outcomeOf(const DeliveryTask& task, DeliveryOutcome::Kind kind) const {
  DeliveryOutcome outcome;
  outcome.placementId = task.placementId;
  outcome.connectionId = task.connectionId;
  outcome.fence = task.fence;
  outcome.kind = kind;
  outcome.wanted = task.wanted;
  outcome.revision = task.revision;
  outcome.generation = task.generation;
  outcome.contentHash = task.contentHash;
  outcome.providerEventId = task.providerEventId;
  outcome.etag = task.etag;
  outcome.at = clock_.now();
  outcome.settledAt = outcome.at + timeout_.count();
  return outcome;
}

PushRequest Pusher::request(const DeliveryTask& task, bool feed) const {
  const std::string scope = feed ? "" : task.provider;
  PushRequest request;
  request.operation = task.wanted ? PushRequest::Operation::upsert : PushRequest::Operation::remove;
  request.uid = identity_.uid(task.personId, task.appointmentId, scope);
  request.idempotencyKey = identity_.idempotencyKey(task.personId, task.appointmentId, scope, task.generation);
  request.providerEventId = task.providerEventId;
  request.etag = task.etag;
  request.attempt = task.attempts + identity_.firstAttempt();
  request.sequence = task.revision;
  request.stamp = task.decidedAt;
  request.entry = task.entry;
  return request;
}

Attempt Pusher::failure(const DeliveryTask& task, const Failure& failure) {
  auto outcome = outcomeOf(task, DeliveryOutcome::Kind::retry);
  const TimeMs now = outcome.at;
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
    const TimeMs pause = retry_.pause(failures, random_.unit(), wished);
    outcome.retryAt = now + pause;
    outcome.pauseUntil = now + (wished > 0 ? wished : pause); // the mailbox as a whole was told to wait
    break;
  }
  case Status::notFound:
    outcome.retryAt = now + std::max(retry_.pause(failures, random_.unit(), wished), kCalendarGonePause);
    break;
  default:
    outcome.retryAt = now + retry_.pause(failures, random_.unit(), wished);
    break;
  }
  if (retry_.exhausted(task.firstFailureAt, task.entry.time.endUtc, now))
    outcome.kind = DeliveryOutcome::Kind::failed;
  return {std::move(outcome), brokenAnswer(failure.code) ? Status::internal : failure.status};
}

Attempt Pusher::push(Provider& provider, const DeliveryTask& task) {
  int requests = 0;
  Attempt attempt = tryToPush(provider, task, requests);
  attempt.requests = requests;
  return attempt;
}

Attempt Pusher::tryToPush(Provider& provider, const DeliveryTask& task, int& requests) {
  auto values = connections_.values(task.connectionId);
  CallContext context;
  context.timeout = timeout_;
  context.cancelled = &cancelled_;
  context.keyValues = &values;
  context.requestId = "delivery-" + std::to_string(task.placementId) + "-" + std::to_string(task.connectionId);
  CallContext pushing = context;
  pushing.requests = &requests;

  const bool feed = provider.info().can("feed");
  PushRequest push = request(task, feed);
  const bool invitation = provider.info().can("invitations");
  if (invitation) {
    auto recipient = connections_.invitations().recipient(task);
    if (const auto* problem = std::get_if<Failure>(&recipient))
      return answered(failure(task, *problem));
    push.recipient = std::get<Recipient>(std::move(recipient));
    push.withdrawn = !task.wanted && connections_.invitations().stands(task);
    pushing.mailTo = push.recipient->email;
  }
  // A feed is written by this host alone, and of two invitations the one with the higher number counts.
  const auto late = [&](std::int64_t revision) {
    const TimeMs now = clock_.monotonic();
    if (!feed && !invitation)
      lateWrites_.note(keyOf(task), revision, now + timeout_.count(), now);
  };
  if (task.takenOver)
    late(0);
  const bool oauth = provider.info().can("oauth2");
  const bool needsToken = oauth || provider.info().can("credentials");
  std::string& access = oauth ? push.accessToken : push.secret;
  push.calendar = provider.info().can("list-calendars") ? connections_.calendars().of(task.connectionId) : "";
  if (needsToken) {
    auto token = connections_.tokens().accessToken(task.connectionId, context);
    if (const auto* problem = std::get_if<Failure>(&token))
      return failure(task, *problem);
    access = std::get<std::string>(std::move(token));
  }
  auto reply = provider.push(push, pushing);
  if (const auto* problem = std::get_if<Failure>(&reply);
      problem && problem->status == Status::reauthRequired && needsToken) {
    // The token may have been withdrawn before its time: one fresh token, one more try.
    auto token = connections_.tokens().refreshNow(task.connectionId, access, context);
    if (const auto* refused = std::get_if<Failure>(&token))
      return failure(task, *refused);
    access = std::get<std::string>(std::move(token));
    reply = provider.push(push, pushing);
    if (const auto* again = std::get_if<Failure>(&reply); again && again->status == Status::reauthRequired) {
      // A fresh token is refused too: let the connection decide what that means for all of its deliveries.
      auto verdict = connections_.tokens().refreshNow(task.connectionId, access, context);
      if (const auto* dead = std::get_if<Failure>(&verdict))
        return failure(task, *dead);
      return answered(failure(task, Failure{Status::transient, again->message, again->code, {}}));
    }
  }
  if (const auto* problem = std::get_if<Failure>(&reply)) {
    if (problem->status == Status::deadline)
      late(task.revision);
    return failure(task, *problem);
  }
  if (needsToken)
    connections_.tokens().accepted(task.connectionId, access);
  return success(task, std::get<PushReply>(std::move(reply)));
}

/// Done; unless an earlier write may still be carried out and undo it, for then it has to be said again.
Attempt Pusher::success(const DeliveryTask& task, PushReply reply) {
  Attempt attempt;
  lateWrites_.confirmed(keyOf(task), task.revision);
  if (const TimeMs left = lateWrites_.left(keyOf(task), clock_.monotonic()); left > 0) {
    attempt = answered(failure(
        task, Failure{Status::transient,
                      task.wanted ? "written, but an earlier request may still be carried out; written again"
                                  : "gone, but an earlier request may still be carried out; looked for again",
                      task.wanted ? "write_unconfirmed" : "removal_unconfirmed", std::chrono::milliseconds(left)}));
  } else {
    attempt.outcome = outcomeOf(task, task.wanted ? DeliveryOutcome::Kind::delivered : DeliveryOutcome::Kind::removed);
  }
  if (!reply.providerEventId.empty())
    attempt.outcome.providerEventId = std::move(reply.providerEventId);
  attempt.outcome.etag = std::move(reply.etag);
  attempt.outcome.rendering = std::move(reply.rendering);
  return attempt;
}

} // namespace calbridge::delivery
