#pragma once
#include "calbridge/call.hpp"
#include "calbridge/messages.hpp"

#include <string>
#include <string_view>
#include <vector>

/// Entry → Microsoft Graph v1.0 event, Graph's answers → statuses. Pure; safe to call from any thread.
namespace calbridge::outlook {

/// The extended property that marks an event as ours and names its uid. The GUID is calbridge's own property set.
inline constexpr std::string_view kUidPropertyId = "String {6f1c2a4e-93d7-4b58-8a0e-5d2b7c9e4f13} Name CalbridgeUid";

/// The event resource. With `transactionId` for a create, without for an update (it cannot be changed). Throws
/// sdk::Problem(invalidRequest) for times that are none.
std::string eventBody(const sdk::PushRequest& request, std::string_view transactionId = {});

/// `$filter` and `$select` that find the events marked with that uid, as a query string without the question mark.
std::string lookUpQuery(std::string_view uid);
/// `$select` and `$expand` that show whose an event is.
std::string markQuery();

/// What Graph told about an event.
struct SeenEvent {
  std::string id;
  std::string etag;
  std::string link;
  std::string mark; ///< the uid in our property, where it was asked for
};
/// Throws sdk::Problem(transient) when `event` is no event.
SeenEvent seenEvent(const sdk::Json& event);
/// The events of a list. Throws sdk::Problem(transient) when it is none.
std::vector<SeenEvent> seenEvents(const sdk::Json& list);

/// The transaction id of the creation; later tries are for a transaction whose event was deleted meanwhile.
std::string transactionId(std::string_view idempotencyKey, int generation);

/// Graph's error object: {"error": {"code", "message", "innerError"?, "@event.existingEventId"?}}.
struct GraphError {
  std::string code;
  std::string message;
  std::string existingEventId;
};
/// Empty fields where the body is no error object.
GraphError graphError(const sdk::HttpResponse& response);

/// A create whose transaction id was used before: seen as 400 and as 409.
bool isDuplicateTransaction(const sdk::HttpResponse& response, const GraphError& error);

/// What a refusal by Graph means; see the table in README.md. `nowMs`: milliseconds since 1970, for Retry-After dates.
/// Never contains `secret`, whatever Graph answered.
sdk::Problem problemFrom(const sdk::HttpResponse& response, std::int64_t nowMs, std::string_view secret);

/// Does the scope that was granted (space-separated, short or as a URL) allow writing events? An empty one says that
/// all of what was asked for was granted (RFC 6749 section 5.1).
bool scopeSuffices(std::string_view granted);

} // namespace calbridge::outlook
