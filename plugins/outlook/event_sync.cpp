#include "event_sync.hpp"

#include "calbridge/oauth.hpp"

namespace calbridge::outlook {
namespace {

using sdk::Problem;
using sdk::PushReply;
using sdk::Status;

/// Transactions to try before giving up: each is used up by one event that was deleted after its creation.
constexpr int kGenerations = 4;

PushReply replyFrom(const sdk::HttpResponse& response) {
  SeenEvent seen = seenEvent(response.json());
  return {std::move(seen.id), std::move(seen.etag), std::move(seen.link), {}};
}

} // namespace

EventSync::EventSync(sdk::Call& call, std::string baseUrl, const sdk::PushRequest& request)
    : call_(call), baseUrl_(std::move(baseUrl)), request_(request) {
  while (baseUrl_.ends_with('/')) {
    baseUrl_.pop_back();
  }
}

sdk::HttpResponse EventSync::send(std::string_view method, const std::string& path, std::string_view body) {
  sdk::Headers headers = body.empty() ? sdk::bearer(request_.accessToken) : sdk::bearerJson(request_.accessToken);
  headers.emplace_back("Prefer", "IdType=\"ImmutableId\""); // ids that survive a move to another folder
  return call_.http().send(method, baseUrl_ + path, headers, body);
}

Problem EventSync::problem(const sdk::HttpResponse& response) {
  return problemFrom(response, call_.clock().nowMs(), request_.accessToken);
}

PushReply EventSync::upsert() {
  if (!request_.providerEventId.empty()) {
    if (auto reply = update(request_.providerEventId)) {
      return *reply;
    }
    if (auto reply = updateFound()) {
      return *reply;
    }
  } else if (request_.attempt > 1) {
    // An earlier try may have made it. How long transaction ids are remembered is documented nowhere: look first.
    if (auto reply = updateFound()) {
      return *reply;
    }
  }
  return create();
}

/// nullopt: there is no such event.
std::optional<PushReply> EventSync::update(const std::string& id) {
  const sdk::HttpResponse response = send("PATCH", "/me/events/" + sdk::percentEncode(id), eventBody(request_));
  if (response.ok()) {
    return replyFrom(response);
  }
  if (Problem refusal = problem(response); refusal.status() != Status::notFound) {
    throw Problem(refusal);
  }
  return std::nullopt;
}

/// Updates the event that carries our property; deletes any further one, which can only be a double of ours.
std::optional<PushReply> EventSync::updateFound() {
  std::optional<PushReply> reply;
  for (const SeenEvent& event : find()) {
    if (reply) {
      erase(event.id);
    } else {
      reply = update(event.id);
    }
  }
  return reply;
}

/// The event that Graph says our transaction made, if it is there and carries our property.
std::optional<PushReply> EventSync::updateExisting(const std::string& id) {
  const sdk::HttpResponse response = send("GET", "/me/events/" + sdk::percentEncode(id) + "?" + markQuery());
  if (!response.ok()) {
    if (Problem refusal = problem(response); refusal.status() != Status::notFound) {
      throw Problem(refusal);
    }
    return std::nullopt;
  }
  const SeenEvent seen = seenEvent(response.json());
  return seen.mark == request_.uid ? update(seen.id) : std::nullopt;
}

PushReply EventSync::create() {
  for (int generation = 0; generation < kGenerations; ++generation) {
    const std::string body = eventBody(request_, transactionId(request_.idempotencyKey, generation));
    const sdk::HttpResponse response = send("POST", "/me/events", body);
    if (response.ok()) {
      return replyFrom(response);
    }
    const GraphError error = graphError(response);
    if (!isDuplicateTransaction(response, error)) {
      throw Problem(problem(response));
    }
    if (auto reply = updateFound()) {
      return *reply;
    }
    if (!error.existingEventId.empty()) {
      if (auto reply = updateExisting(error.existingEventId)) {
        return *reply;
      }
    }
    // The transaction is remembered and its event is gone: somebody deleted it. Make it anew.
  }
  throw Problem(Status::transient, "Outlook remembers every transaction that was tried for the entry",
                "ErrorDuplicateTransactionId");
}

std::vector<SeenEvent> EventSync::find() {
  const sdk::HttpResponse response = send("GET", "/me/events?" + lookUpQuery(request_.uid));
  if (!response.ok()) {
    throw Problem(problem(response));
  }
  return seenEvents(response.json());
}

/// false: there is no such event.
bool EventSync::erase(const std::string& id) {
  const sdk::HttpResponse response = send("DELETE", "/me/events/" + sdk::percentEncode(id));
  if (response.ok()) {
    return true;
  }
  if (Problem refusal = problem(response); refusal.status() != Status::notFound) {
    throw Problem(refusal);
  }
  return false;
}

void EventSync::remove() {
  if (!request_.providerEventId.empty() && erase(request_.providerEventId)) {
    return;
  }
  // Never known, or gone: a host on a restored database does not know of an event that was made since its backup.
  for (const SeenEvent& event : find()) {
    erase(event.id);
  }
}

} // namespace calbridge::outlook
