#include "event_sync.hpp"

#include "calbridge/json_scanner.hpp"

namespace calbridge::google {
namespace {

using sdk::Problem;
using sdk::PushReply;
using sdk::Status;

/// Ids to try before giving up: each is used up by one deletion that Google does not let us undo.
constexpr int kGenerations = 8;

/// An answer to a write that says "not this id" rather than "not now" or "not you".
bool refusesId(const sdk::HttpResponse& response, const Problem& problem) {
  return problem.status() == Status::notFound || (response.status == 403 && problem.status() == Status::permanent);
}

} // namespace

std::string EventSync::idOfGeneration(int generation) const {
  return eventId(request_.uid, request_.idempotencyKey, generation);
}

PushReply EventSync::replyFrom(const sdk::HttpResponse& response) const {
  PushReply reply; // the usual answer, without a document
  sdk::JsonScanner scanner(response.body);
  const bool scanned = scanner.object([&](std::string_view key) {
    return key == "id"         ? scanner.text(reply.providerEventId)
           : key == "etag"     ? scanner.text(reply.etag)
           : key == "htmlLink" ? scanner.text(reply.link)
                               : scanner.skip();
  });
  if (scanned && scanner.finished() && !reply.providerEventId.empty()) {
    return reply;
  }
  SeenEvent seen = seenEvent(response.json(), request_.uid);
  return {std::move(seen.id), std::move(seen.etag), std::move(seen.link), {}};
}

/// nullopt: Google does not know the id.
std::optional<SeenEvent> EventSync::look(const std::string& id) {
  const sdk::HttpResponse response = api_.getEvent(calendar_, id);
  if (response.ok()) {
    return seenEvent(response.json(), request_.uid);
  }
  if (Problem problem = api_.problem(response); problem.status() != Status::notFound) {
    throw Problem(problem);
  }
  return std::nullopt;
}

PushReply EventSync::upsert(const std::string& knownId, const std::string& etag) {
  if (!knownId.empty()) {
    if (auto reply = update(knownId, etag)) {
      return *reply;
    }
  }
  return insert();
}

/// nullopt: the id is lost, another event must take its place.
std::optional<PushReply> EventSync::update(const std::string& id, const std::string& etag) {
  const std::string body = eventBody(request_);
  sdk::HttpResponse response = api_.updateEvent(calendar_, id, etag, body);
  if (response.ok()) {
    return replyFrom(response);
  }
  Problem problem = api_.problem(response);
  if (problem.status() == Status::notFound) {
    return std::nullopt;
  }
  if (response.status != 412 && !refusesId(response, problem)) {
    throw Problem(problem);
  }
  // Edited or deleted by hand, or our own earlier write whose answer was lost. What we want to say wins.
  const auto seen = look(id);
  if (!seen) {
    return std::nullopt;
  }
  if (seen->live && response.status != 412) {
    throw Problem(problem); // it is there and we may not write it
  }
  response = api_.updateEvent(calendar_, id, seen->live ? seen->etag : std::string(), body);
  if (response.ok()) {
    return replyFrom(response);
  }
  problem = api_.problem(response);
  if (problem.status() == Status::notFound || (!seen->live && refusesId(response, problem))) {
    return std::nullopt;
  }
  throw Problem(problem);
}

PushReply EventSync::insert() {
  for (int generation = 0; generation < kGenerations; ++generation) {
    const std::string id = idOfGeneration(generation);
    const sdk::HttpResponse response = api_.insertEvent(calendar_, eventBody(request_, id));
    if (response.ok()) {
      return replyFrom(response);
    }
    if (response.status == 409) {
      if (auto reply = takeOver(id)) {
        return *reply;
      }
      continue;
    }
    Problem problem = api_.problem(response);
    if (problem.status() == Status::notFound) {
      throw CalendarGone{};
    }
    throw Problem(problem);
  }
  throw Problem(Status::transient, "Google Calendar gave none of the ids that were tried for the entry", "duplicate");
}

/// An id that is taken: by our own earlier insert (finish or keep it), by an entry of ours that was deleted (revive
/// it), or by something else. nullopt: it cannot be had.
std::optional<PushReply> EventSync::takeOver(const std::string& id) {
  auto seen = look(id);
  if (!seen) {
    return std::nullopt;
  }
  // Google promises no more than the id of a deleted event, so there a missing mark proves nothing.
  const bool takeable = seen->ours || (!seen->live && !seen->marked);
  if (!takeable) {
    return std::nullopt;
  }
  if (seen->live && seen->hash == contentHash(request_)) {
    return PushReply{std::move(seen->id), std::move(seen->etag), std::move(seen->link), {}};
  }
  const sdk::HttpResponse response =
      api_.updateEvent(calendar_, id, seen->live ? seen->etag : std::string(), eventBody(request_));
  if (response.ok()) {
    return replyFrom(response);
  }
  Problem problem = api_.problem(response);
  if (problem.status() == Status::notFound || (!seen->live && refusesId(response, problem))) {
    return std::nullopt;
  }
  throw Problem(problem);
}

void EventSync::remove(const std::string& knownId) {
  const auto erase = [&](const std::string& id) {
    const sdk::HttpResponse response = api_.deleteEvent(calendar_, id);
    if (response.ok()) {
      return;
    }
    if (Problem problem = api_.problem(response); problem.status() != Status::notFound) {
      throw Problem(problem);
    }
  };
  if (!knownId.empty()) {
    erase(knownId);
    return;
  }
  for (int generation = 0; generation < kGenerations; ++generation) {
    const auto seen = look(idOfGeneration(generation));
    if (!seen) {
      return; // later ones are only used when this one is taken
    }
    if (seen->ours && seen->live) {
      erase(seen->id);
      return;
    }
  }
}

} // namespace calbridge::google
