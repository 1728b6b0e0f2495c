#pragma once
#include "core/entry.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace calbridge {

/// The closed list of ways in which a provider operation can end; the same numbers cross the plugin boundary (abi.h).
enum class Status : int {
  ok = 0,
  invalidRequest = 1, ///< our own request was wrong; not retried
  reauthRequired = 2, ///< the grant is dead; the person must reconnect
  rateLimited = 3,    ///< try again, not before retryAfter
  notFound = 4,       ///< the target (calendar) is gone
  conflict = 5,       ///< somebody else changed it; try again with fresh knowledge
  transient = 6,      ///< try again later
  permanent = 7,      ///< this will never work for this entry
  cancelled = 8,
  deadline = 9,
  unsupported = 10,
  internal = 11,
};
const char* toString(Status status);

struct Failure {
  Status status = Status::internal;
  std::string message;                                 ///< for people; no secrets
  std::string code;                                    ///< the provider's own code, e.g. "quotaExceeded"; may be empty
  std::optional<std::chrono::milliseconds> retryAfter; ///< rateLimited and transient: never try earlier
};

template <typename T>
using Outcome = std::variant<T, Failure>;

/// Secrets of one connection. Lives in memory only while used; stored through the vault alone.
struct Credentials {
  std::string accessToken;
  std::string refreshToken; ///< empty: the provider gave none (a refresh then keeps the old one)
  TimeMs expiresAt = 0;     ///< of the access token; 0 = unknown
  std::string scope;        ///< as granted
  std::string secret = {};  ///< instead of tokens: the JSON object that a `credentials` plugin gave, as it gave it
};

/// Who the person is at the provider.
struct Account {
  std::string id;    ///< stable at the provider
  std::string label; ///< shown to the person, usually an e-mail address
};

struct Grant {
  Credentials credentials;
  Account account; ///< exchange only
};

struct ConnectRequest {
  std::string redirectUri;
  std::string state;
  std::string codeChallenge; ///< PKCE S256
  std::string loginHint;     ///< may be empty
};

struct ExchangeRequest {
  std::string redirectUri;
  std::string code;
  std::string codeVerifier;
};

/// The person to whom an entry goes by mail; for providers that can `invitations` only.
struct Recipient {
  std::string email;
  std::string name;           ///< may be empty
  std::string language;       ///< BCP 47, may be empty
  std::string unsubscribeUrl; ///< ends these mails (RFC 8058); a secret
  std::string settingsUrl;    ///< where the person connects a calendar instead
};

struct PushRequest {
  enum class Operation { upsert, remove };
  Operation operation = Operation::upsert;
  std::string accessToken;
  std::string uid; ///< stable for this placement in this connection; opaque, [a-z0-9-], ≤ 64
  std::string
      idempotencyKey; ///< equal for retries of one creation; a fresh creation after a removal has a new one (UUID form)
  std::string providerEventId; ///< last known, may be empty
  std::string etag;            ///< last known, may be empty
  int attempt = 1;             ///< 1-based; above 1 an earlier try may have reached the provider
  std::int64_t sequence = 0;   ///< RFC 5545 SEQUENCE: grows with every change
  TimeMs stamp = 0;            ///< when the wanted content was decided; DTSTAMP and LAST-MODIFIED
  Entry entry;                 ///< upsert; for remove what was there last
  std::string secret;          ///< Credentials::secret; empty: none
  std::string calendar;        ///< the calendar that the person chose; empty: the provider's default
  /// For providers that can `invitations`.
  std::optional<Recipient> recipient;
  /// Remove: the appointment stands, only this calendar does not get it any more.
  bool withdrawn = false;
};

struct PushReply {
  std::string providerEventId;
  std::string etag;
  std::string link;      ///< page of the entry at the provider, may be empty
  std::string rendering; ///< feed providers: the finished piece (VEVENT) that the feed is assembled from
};

struct FeedRequest {
  std::string name; ///< of the calendar, as people see it
  std::vector<std::string> timezones;
};
/// A feed is head + pieces + tail.
struct FeedFrame {
  std::string head;
  std::string tail;
};

/// What a `credentials` provider makes of a form.
struct Authentication {
  std::string secret; ///< a JSON object, opaque: for Credentials::secret
  Account account;
};

/// One calendar of an account.
struct Calendar {
  std::string id;
  std::string name;
  std::string color; ///< "#rrggbb", may be empty
  bool writable = false;
  bool primary = false; ///< where entries go when nobody chose
};

/// A stretch of time, end exclusive.
struct BusyTime {
  TimeMs start = 0;
  TimeMs end = 0;
};

/// What happened to one entry since the last sync token.
struct Change {
  std::string uid; ///< may be empty
  std::string providerEventId;
  std::string etag; ///< may be empty
  bool deleted = false;
};
struct ChangeList {
  std::vector<Change> changes;
  std::string syncToken;
};

/// One input of the form that people fill in to connect, in the order of the form.
struct FormField {
  std::string name;
  std::string title;
  std::string description;
  std::string defaultValue;
  std::string format;               ///< "uri", "email", or empty
  std::vector<std::string> choices; ///< not empty: one of these
  bool required = false;
  bool secret = false; ///< a password: never shown again
};

/// Small values that a plugin keeps for one connection (a calendar id, a sync token). Thread-safe.
class KeyValues {
 public:
  virtual ~KeyValues() = default;
  virtual std::optional<std::string> get(const std::string& key) = 0;
  /// An empty value erases. Throws Error("quota_exceeded") beyond 64 keys or 16 KiB in all.
  virtual void set(const std::string& key, const std::string& value) = 0;
};

/// What surrounds one operation. Borrowed for the call.
struct CallContext {
  std::chrono::milliseconds timeout{30000};
  const std::atomic<bool>* cancelled = nullptr;
  KeyValues* keyValues = nullptr; ///< null where no connection exists yet
  std::string requestId;          ///< appears on every log line
  int* requests = nullptr;        ///< counts the HTTP requests of the call; may be null
  std::string mailTo;             ///< the one address that the call may send mail to; empty: none
};

struct ProviderInfo {
  std::string id;    ///< as in the configuration: google, outlook, ics, …
  std::string label; ///< "Google Calendar"
  std::string version;
  std::set<std::string> capabilities; ///< oauth2, feed, delete, revoke, …
  int mailboxConcurrency = 1;         ///< pushes at a time to one connection
  bool configured = false;            ///< has the credentials that it needs
  std::vector<std::string> missing;   ///< names of the environment variables that are missing
  std::string redirectUri;            ///< oauth2 providers
  std::string disconnectUrl;          ///< page where the person can withdraw consent; may be empty
  std::vector<FormField> form;        ///< capability `credentials`: what a person has to type
  nlohmann::ordered_json formSchema;  ///< the same as JSON Schema, as the plugin wrote it; null without a form

  bool can(const std::string& capability) const { return capabilities.contains(capability); }
};

/// One configured provider. Every operation may be called from any thread, blocks, and never throws for what the
/// provider does.
class Provider {
 public:
  virtual ~Provider() = default;
  virtual const ProviderInfo& info() const = 0;

  virtual Outcome<std::string> connect(const ConnectRequest& request,
                                       const CallContext& context) = 0; ///< authorization URL
  virtual Outcome<Grant> exchange(const ExchangeRequest& request, const CallContext& context) = 0;
  virtual Outcome<Grant> refresh(const std::string& refreshToken, const CallContext& context) = 0;
  virtual std::optional<Failure> revoke(const Credentials& credentials, const CallContext& context) = 0;
  virtual Outcome<PushReply> push(const PushRequest& request, const CallContext& context) = 0;
  virtual Outcome<FeedFrame> feed(const FeedRequest& request, const CallContext& context) = 0;

  // What not every provider does, by its capabilities: these bodies answer unsupported.
  /// `credentials`: the form's values, a JSON object that is valid against info().formSchema.
  virtual Outcome<Authentication> authenticate(const nlohmann::json& credentials, const CallContext& context);
  /// `list-calendars`.
  virtual Outcome<std::vector<Calendar>> listCalendars(const Credentials& credentials, const CallContext& context);
  /// `free-busy`; `calendar` empty: the provider's default.
  virtual Outcome<std::vector<BusyTime>> freeBusy(const Credentials& credentials, const std::string& calendar,
                                                  const BusyTime& within, const CallContext& context);
  /// `changes`; `syncToken` empty: from the beginning.
  virtual Outcome<ChangeList> changes(const Credentials& credentials, const std::string& calendar,
                                      const std::string& syncToken, const CallContext& context);
};

/// All configured providers, fixed after start.
class Providers {
 public:
  virtual ~Providers() = default;
  /// Null when there is none of that name.
  virtual Provider* find(const std::string& id) const = 0;
  /// In the order of the configuration.
  virtual std::vector<Provider*> all() const = 0;
};

} // namespace calbridge
