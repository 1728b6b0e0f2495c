#pragma once
#include "calbridge/call.hpp"
#include "calbridge/messages.hpp"

#include <string>
#include <string_view>

/// Entry → Google Calendar v3 event, Google's answers → statuses. Pure; safe to call from any thread.
namespace calbridge::google {

/// The keys of extendedProperties.private: whose entry it is, and what its content was when it was written.
inline constexpr std::string_view kUidProperty = "calbridgeUid";
inline constexpr std::string_view kHashProperty = "calbridgeHash";

/// The id of the event that stands for `uid`: letters a–v and digits (base32hex), so a repeated insert meets the first
/// one. Generation 0 depends on the uid alone; later ones, for ids that Google no longer gives back, on the creation
/// too.
std::string eventId(std::string_view uid, std::string_view idempotencyKey, int generation);

/// Plain text as HTML: Google shows descriptions as HTML, and what people typed must not become markup.
std::string htmlEscape(std::string_view text);

/// The event resource of an upsert; with `id` for an insert, without for an update. Throws sdk::Problem(invalidRequest)
/// for times that Google could not read.
std::string eventBody(const sdk::PushRequest& request, std::string_view id = {});

/// What kHashProperty of eventBody(request) says.
std::string contentHash(const sdk::PushRequest& request);

/// What a read of an event told.
struct SeenEvent {
  std::string id;
  std::string etag;
  std::string link;
  std::string hash;    ///< of the content as we last wrote it
  bool marked = false; ///< carries a mark of ours, whoever's
  bool ours = false;   ///< carries our mark for that uid
  bool live = false;   ///< not deleted
};
/// Throws sdk::Problem(transient) when `event` is no event.
SeenEvent seenEvent(const sdk::Json& event, std::string_view uid);

/// What a refusal by the Calendar API means; see the table in README.md. `nowMs`: milliseconds since 1970, for
/// Retry-After dates. Never contains `secret`, whatever Google answered.
sdk::Problem problemFrom(const sdk::HttpResponse& response, std::int64_t nowMs, std::string_view secret);

/// Does the scope that was granted (space-separated) allow what the chosen calendar needs? An empty one says that all
/// of what was asked for was granted (RFC 6749 section 5.1).
bool scopeSuffices(std::string_view granted, bool dedicated);

} // namespace calbridge::google
