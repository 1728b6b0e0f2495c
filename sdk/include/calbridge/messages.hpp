#pragma once
#include "calbridge/json_scanner.hpp"

/// The requests that a plugin gets and the replies that it gives, as structs over the JSON of the boundary. Strings
/// that may be absent are empty then. Unknown fields are ignored.
namespace calbridge::sdk {

namespace detail {
/// The string member `key` of an object, or `fallback` without one. Throws Problem(invalidRequest) when it is there and
/// is no string.
inline std::string textIn(const Json& object, const char* key, const std::string& fallback) {
  const auto found = object.find(key);
  if (found == object.end()) {
    return fallback;
  }
  return found->is_string() ? found->get<std::string>()
                            : throw Problem(Status::invalidRequest, std::string(key) + " must be a string");
}
} // namespace detail

/// What `create` gives: the application's own credentials and the provider's settings, already valid against the
/// manifest's schema.
struct Settings {
  std::string clientId;         ///< empty while the installation has none
  std::string clientSecret;     ///< empty while the installation has none
  Json values = Json::object(); ///< the settings themselves

  /// A string setting, or `fallback` when it is absent. Throws Problem(invalidRequest) when it is something else.
  std::string text(const char* key, const std::string& fallback = {}) const {
    return detail::textIn(values, key, fallback);
  }
};

/// Where does a person give consent? The host made `state` and the challenge, and checks them.
struct ConnectRequest {
  std::string redirectUri;         ///< exactly as registered
  std::string state;               ///< to be passed on unchanged
  std::string codeChallenge;       ///< RFC 7636
  std::string codeChallengeMethod; ///< "S256"
  std::string loginHint;           ///< the person's e-mail address, may be empty
};
/// Where the browser is sent.
struct ConnectReply {
  std::string authorizationUrl; ///< absolute
};

/// The person has given consent and came back with a code.
struct ExchangeRequest {
  std::string redirectUri;  ///< exactly as registered
  std::string code;         ///< send it once
  std::string codeVerifier; ///< RFC 7636
};
/// The access token ends soon.
struct RefreshRequest {
  std::string refreshToken; ///< as the provider gave it
};
/// The person disconnects: give the grant back.
struct RevokeRequest {
  std::string accessToken;  ///< as the provider gave it
  std::string refreshToken; ///< as the provider gave it
  Json secret;              ///< of a provider with the capability `credentials`; null otherwise
};
/// Who the person is at the provider.
struct Account {
  std::string id;    ///< stable
  std::string label; ///< usually an e-mail address
};
/// What a token endpoint answered.
struct Grant {
  std::string accessToken;               ///< as the provider gave it
  std::string refreshToken;              ///< empty: none was given, the old one stays
  std::optional<std::int64_t> expiresIn; ///< seconds
  std::string scope;                     ///< as granted
  Account account;                       ///< exchange only
};

/// What one person's calendar says about one appointment.
struct Entry {
  std::string title;          ///< plain text, may be empty
  std::string description;    ///< plain text
  std::string location;       ///< plain text, may be empty
  bool allDay = false;        ///< `start` and `end` are dates
  std::string start;          ///< "2026-12-01T09:00:00" wall clock in `timezone`; all-day: "2026-12-01"
  std::string end;            ///< exclusive
  std::string timezone;       ///< IANA
  std::string startUtc;       ///< "2026-12-01T09:00:00Z"
  std::string endUtc;         ///< exclusive
  std::vector<int> reminders; ///< minutes before the start, ascending
  std::string showAs;         ///< busy | free
  std::string visibility;     ///< default | public | private | confidential
  std::string status;         ///< confirmed | tentative | cancelled
  std::string url;            ///< may be empty
};
/// Whom an invitation goes to.
struct Recipient {
  std::string email;          ///< where it goes
  std::string name;           ///< of the feed, for people
  std::string language;       ///< BCP 47
  std::string unsubscribeUrl; ///< ends these mails (RFC 8058); a secret
  std::string settingsUrl;    ///< where the person connects a calendar instead
};
/// One entry, as it should be in that person's calendar. It may come again at any time: twice must be once.
struct PushRequest {
  /// upsert: make it so, whether it is there or not. remove: gone already is fine.
  enum class Operation { upsert, remove };
  Operation operation = Operation::upsert; ///< what to do
  std::string accessToken;                 ///< as the provider gave it
  std::string uid;                         ///< stable for this placement and connection: [a-z0-9-], at most 64
  std::string idempotencyKey;  ///< UUID; the same for all tries of one creation, new after a confirmed removal
  std::string providerEventId; ///< the provider's own id; in a request: what was answered last
  std::string etag;            ///< the provider's version; in a request: what was answered last
  std::int64_t sequence = 0;   ///< RFC 5545 SEQUENCE
  std::string stamp;           ///< RFC 3339, UTC
  std::int64_t attempt =
      1;                 ///< counts the tries of this push, 1 for the first; more means: an earlier one may have worked
  bool hasEntry = false; ///< always for upsert; for remove when it is known what was there
  Entry entry;           ///< what it should say
  Json secret;           ///< what `authenticate` gave; null otherwise
  std::string calendar;  ///< id of the calendar that the person chose; empty: the plugin's own default
  Recipient recipient;   ///< capability `invitations` only; no e-mail: none
  bool withdrawn = false; ///< remove: the appointment stands, only this calendar does not get it any more
};
/// What the calendar has now.
struct PushReply {
  std::string providerEventId; ///< the provider's own id; in a request: what was answered last
  std::string etag;            ///< the provider's version; in a request: what was answered last
  std::string link;            ///< its page at the provider
  std::string rendering;       ///< feed providers: the finished piece
};

/// What frame does a subscription feed have?
struct FeedRequest {
  std::string name;                   ///< of the feed, for people
  std::vector<std::string> timezones; ///< IANA, all that the entries use
};
/// A feed is head + the stored renderings + tail.
struct FeedFrame {
  std::string head; ///< comes first
  std::string tail; ///< comes last
};
/// An operation that has nothing to say.
struct Nothing {};

/// What a person typed into the form that the manifest's `credentials_schema` describes; valid against that schema.
struct AuthenticateRequest {
  Json credentials = Json::object(); ///< the form's values

  /// One field of the form, or `fallback` when it was left out. Throws Problem(invalidRequest) when it is no string.
  std::string text(const char* key, const std::string& fallback = {}) const {
    return detail::textIn(credentials, key, fallback);
  }
};
/// Somebody is known now: what the host keeps for the calls to come.
struct Authentication {
  Json secret = Json::object(); ///< an object; the host keeps it sealed and gives it back as `secret`
  Account account;              ///< as the provider calls it
};

/// For whom: `accessToken` or `secret`, by how the person connected.
struct ListCalendarsRequest {
  std::string accessToken; ///< as the provider gave it
  Json secret;             ///< what `authenticate` gave; null otherwise
};
/// One calendar of an account.
struct Calendar {
  std::string id;        ///< stable
  std::string name;      ///< of the feed, for people
  std::string color;     ///< "#rrggbb", may be empty
  bool writable = false; ///< entries may be put there
  bool primary = false;  ///< the one that entries go to without a choice
};
/// All of them that entries could go to.
struct CalendarList {
  std::vector<Calendar> calendars; ///< in the provider's order
};

/// When is somebody busy?
struct FreeBusyRequest {
  std::string accessToken; ///< as the provider gave it
  Json secret;             ///< what `authenticate` gave; null otherwise
  std::string calendar;    ///< empty: the plugin's own default
  std::string start;       ///< RFC 3339, UTC
  std::string end;         ///< exclusive
};
/// One stretch of time.
struct BusyTime {
  std::string start; ///< RFC 3339
  std::string end;   ///< exclusive
};
/// All of them between the two instants asked about.
struct BusyTimes {
  std::vector<BusyTime> busy; ///< in any order
};

/// What has changed in a calendar since last time?
struct ChangesRequest {
  std::string accessToken; ///< as the provider gave it
  Json secret;             ///< what `authenticate` gave; null otherwise
  std::string calendar;    ///< empty: the plugin's own default
  std::string syncToken;   ///< of the last answer; empty: from the beginning
};
/// One entry that is new, other or gone.
struct Change {
  std::string uid;             ///< when known
  std::string providerEventId; ///< the provider's own id; in a request: what was answered last
  std::string etag;            ///< the provider's version; in a request: what was answered last
  bool deleted = false;        ///< it is gone
};
/// All of them, and where to go on from.
struct ChangeList {
  std::vector<Change> changes; ///< in any order
  std::string syncToken;       ///< for the next request
};

/// Takes typed fields out of a JSON object (moving strings, not copying). Throws Problem(invalidRequest) naming the
/// field.
class Fields {
 public:
  /// Borrows `json`; `at` is the JSON pointer of that object.
  explicit Fields(Json& json, std::string at = {}) : json_(json), at_(std::move(at)) {
    if (!json_.is_object()) {
      throw Problem(Status::invalidRequest, "request" + at_ + " must be a JSON object");
    }
  }
  /// A string that must be there.
  std::string required(const char* key) {
    Json* value = find(key);
    return value != nullptr ? string(key, *value) : throw wrong(key, "is missing");
  }
  /// A string, or empty.
  std::string optional(const char* key) {
    Json* value = find(key);
    return value != nullptr ? string(key, *value) : std::string();
  }
  /// An integer, or `fallback`.
  std::int64_t integer(const char* key, std::int64_t fallback) {
    Json* value = find(key);
    if (value != nullptr && !value->is_number_integer()) {
      throw wrong(key, "must be an integer");
    }
    return value != nullptr ? value->get<std::int64_t>() : fallback;
  }
  /// A boolean; absent is false.
  bool flag(const char* key) {
    Json* value = find(key);
    if (value != nullptr && !value->is_boolean()) {
      throw wrong(key, "must be true or false");
    }
    return value != nullptr && value->get<bool>();
  }
  /// Moves an object out; null when absent.
  Json object(const char* key) {
    Json* value = find(key);
    if (value != nullptr && !value->is_object()) {
      throw wrong(key, "must be an object");
    }
    return value != nullptr ? std::move(*value) : Json();
  }
  /// Null when absent.
  Json* find(const char* key) {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  /// That the member `key` is not as it should be: to be thrown.
  Problem wrong(const char* key, const char* what) const {
    return Problem(Status::invalidRequest, "request" + at_ + "/" + key + " " + what);
  }

 private:
  std::string string(const char* key, Json& value) const {
    auto* text = value.get_ptr<std::string*>();
    return text != nullptr ? std::move(*text) : throw wrong(key, "must be a string");
  }
  Json& json_;
  std::string at_;
};

/// Each takes its request out of `json`, moving strings. Throws Problem(invalidRequest) naming the field.
/// @{
void read(Json& json, Settings& to);
void read(Json& json, ConnectRequest& to);
void read(Json& json, ExchangeRequest& to);
void read(Json& json, RefreshRequest& to);
void read(Json& json, RevokeRequest& to);
void read(Json& json, PushRequest& to);
void read(Json& json, FeedRequest& to);
void read(Json& json, AuthenticateRequest& to);
void read(Json& json, ListCalendarsRequest& to);
void read(Json& json, FreeBusyRequest& to);
void read(Json& json, ChangesRequest& to);
/// @}

/// Fills `to` from the usual form of a request, without a document. False, with `to` in any state, when it has to be
/// parsed: the same request then gives the same values, or the reason why it is wrong.
template <typename Request>
bool scan(std::string_view, Request&) {
  return false;
}
bool scan(std::string_view text, PushRequest& to); ///< the one request that is made for every delivery
/// Each makes the document of its reply.
/// @{
std::string write(const ConnectReply& reply);
std::string write(const Grant& reply);
std::string write(const PushReply& reply);
std::string write(const FeedFrame& reply);
std::string write(const Authentication& reply);
std::string write(const CalendarList& reply);
std::string write(const BusyTimes& reply);
std::string write(const ChangeList& reply);
std::string write(const Nothing& reply);
std::string write(const Problem& problem);
/// @}

} // namespace calbridge::sdk

#include "calbridge/messages.ipp"
