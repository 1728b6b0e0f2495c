#pragma once
#include "core/entry.hpp"
#include "core/person.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

/// The rows of the store as values. Names follow the tables (store/sql/).
namespace calbridge::store {

/// An event on its way into the journal.
struct NewEvent {
  std::string source;
  std::string id;
  std::string type;
  TimeMs time = 0;         ///< the event's own time, or of its arrival
  std::string contentHash; ///< over the canonical JSON; tells a repetition from another event under the same id
  std::string body;        ///< the canonical JSON
};

struct Acceptance {
  enum class Result { accepted, duplicate, conflict };
  Result result = Result::accepted;
  std::int64_t seq = 0; ///< position in the journal
};

/// An event of the journal.
struct EventRecord {
  std::int64_t seq = 0;
  std::string source;
  std::string id;
  std::string type;
  TimeMs time = 0;
  TimeMs receivedAt = 0;
  std::string body;
  bool routed = false;
  nlohmann::json result; ///< what routing decided, null until routed
};

/// The latest snapshot of an appointment and what routing has to remember about it.
struct AppointmentRecord {
  std::string id;
  std::int64_t rowVersion = 0; ///< 0: not stored yet; grows with every write, for optimistic concurrency
  std::optional<std::int64_t> version;
  TimeMs orderTime = 0; ///< orders snapshots without a version
  std::int64_t seq = 0; ///< journal position of the event that brought it
  TimeMs endUtc = 0;
  std::string snapshot; ///< JSON text; empty: none
  std::string memory;   ///< JSON text, routing's own notes, opaque here; empty: none
};

/// The decision that an appointment (or a person's own custom entry) belongs in a person's calendar.
struct PlacementRecord {
  std::int64_t id = 0;              ///< 0: not stored yet
  std::string kind = "appointment"; ///< appointment | custom
  std::string appointmentId;
  std::string personId;
  bool present = true;
  std::string route;         ///< the route that decided last
  std::string eventId;       ///< of the event that decided last; empty: a policy change or the person did
  std::int64_t revision = 0; ///< grows with every change of presence or content
  TimeMs decidedAt = 0;
  Entry entry;
  std::string contentHash;
};

struct AppointmentState {
  AppointmentRecord appointment;
  std::vector<PlacementRecord> placements;
};

/// One event's routing, to be stored in one transaction with everybody else's in the batch.
struct RoutedEvent {
  std::int64_t seq = 0;
  std::string result; ///< JSON text
};

struct RoutingWrite {
  std::vector<RoutedEvent> events;
  std::vector<AppointmentRecord> appointments; ///< rowVersion = as loaded; the store stores rowVersion + 1
  std::vector<PlacementRecord> placements;     ///< changed ones only, with their new revision
};

/// One person's account at one provider. Credentials stay sealed here: only connections/ can open them.
struct ConnectionRecord {
  std::int64_t id = 0;
  std::string personId;
  std::string provider;
  std::string state = "connected"; ///< connected | needs_reconnection | closing | disconnected
  std::string accountId;
  std::string account;                 ///< label for people
  std::string sealed;                  ///< vault bytes; empty when disconnected
  std::int64_t credentialsVersion = 0; ///< grows with every stored token; compare-and-set for refreshes
  std::string feedSecretHash;
  std::int64_t feedRevision = 0;
  TimeMs createdAt = 0;
  TimeMs lastSyncAt = 0;
  std::string lastError;
  TimeMs lastErrorAt = 0;
  TimeMs pausedUntil = 0;
  TimeMs closingDeadline = 0;
};

/// A connection whose grant is dead, as those are told who look after everybody's: nothing in it opens anything.
struct DeadGrant {
  std::int64_t connectionId = 0;
  std::string personId;
  std::string personName;
  std::string email;
  std::string role;
  std::string provider;
  std::string accountId;
  std::string account;      ///< label for people; may be empty
  std::string reason;       ///< plain words; may be empty
  TimeMs since = 0;         ///< when the grant was found dead
  std::int64_t pending = 0; ///< deliveries that wait for the reconnection
};

/// A place in the list of dead grants, which is ordered by these two.
struct DeadGrantPlace {
  TimeMs since = 0;
  std::int64_t connectionId = 0;
};

/// How many live connections one provider has, and how many of them are not well.
struct ConnectionTally {
  std::string provider;
  std::int64_t live = 0;              ///< connected or in need of reconnection
  std::int64_t failing = 0;           ///< connected, and the latest attempt failed
  std::int64_t needsReconnection = 0; ///< their grants are dead
};

struct ConnectionCounts {
  std::int64_t pending = 0;
  std::int64_t delivered = 0;
  std::int64_t failed = 0;
};

/// One unit of work: bring one connection into agreement with one placement.
struct DeliveryTask {
  std::int64_t placementId = 0;
  std::int64_t connectionId = 0;
  std::string personId;
  std::string provider;
  std::string appointmentId;
  bool wanted = true;        ///< false: the entry has to go
  std::int64_t revision = 0; ///< of the placement, what this attempt applies
  TimeMs decidedAt = 0;
  std::string eventId; ///< of the event that decided, for the log
  Entry entry;
  std::string contentHash;
  std::string providerEventId;
  std::string etag;
  std::string appliedHash;
  int attempts = 0; ///< failed ones since the last success
  TimeMs firstFailureAt = 0;
  int generation = 0;     ///< grows with every confirmed removal
  std::int64_t fence = 0; ///< lease token: outcomes with another one do not count
  bool takenOver = false; ///< another host had begun an attempt whose end nobody knows
};

/// How an attempt ended, ready to be stored.
struct DeliveryOutcome {
  enum class Kind { delivered, removed, retry, blocked, failed };
  std::int64_t placementId = 0;
  std::int64_t connectionId = 0;
  std::int64_t fence = 0;
  Kind kind = Kind::delivered;
  bool wanted = true;        ///< what was attempted, as in the task
  std::int64_t revision = 0; ///< the one attempted
  int generation = 0;        ///< as in the task
  std::string contentHash;
  std::string providerEventId;
  std::string etag;
  std::string rendering; ///< feed piece
  TimeMs at = 0;
  TimeMs retryAt = 0;    ///< kind retry
  TimeMs settledAt = 0;  ///< from then on no request of attempts that are under way now can act any more
  TimeMs pauseUntil = 0; ///< > 0: the whole connection rests until then (Retry-After)
  std::string errorCode;
  std::string errorMessage;
};

/// A delivery as people see it (receipts, operator's list, status).
struct DeliveryRecord {
  std::int64_t placementId = 0;
  std::int64_t connectionId = 0;
  std::string appointmentId;
  std::string personId;
  std::string provider;
  std::string state; ///< pending | delivered | removed | blocked | failed
  bool wanted = true;
  std::int64_t wantedRevision = 0;
  std::int64_t appliedRevision = 0;
  std::string providerEventId;
  int attempts = 0; ///< failed ones since the last success
  int tries = 0;    ///< made for what is wanted now, the successful one too
  TimeMs dueAt = 0;
  TimeMs deliveredAt = 0;
  std::string errorCode;
  std::string errorMessage;
};

/// One entry of one feed.
struct FeedPiece {
  std::string rendering;
  std::string timezone;
};

struct AppKeyRecord {
  std::int64_t id = 0;
  std::string name;
  std::string hash;
  TimeMs createdAt = 0;
  TimeMs revokedAt = 0;
};

struct SessionRecord {
  std::string tokenHash;
  std::string personId;
  TimeMs createdAt = 0;
  TimeMs expiresAt = 0;
};

/// A host among those that work on one database.
struct NodeRecord {
  std::string name;
  std::string policy; ///< what it decides by: a digest of its roles and routes; empty until it said so
  bool own = false;   ///< the asking one
};

/// One line of the audit log: who did what about whom. Holds ids only, no names, addresses or secrets, so that it can
/// outlive the person.
struct AuditRecord {
  std::int64_t seq = 0;
  TimeMs at = 0;
  std::string action;    ///< what happened: connection.created, person.erased, …
  std::string actor;     ///< who did it: person:ID, app:NAME, operator, host; empty: somebody unknown
  std::string personId;  ///< whom it is about; empty: nobody
  nlohmann::json detail; ///< an object: provider, connection, …
};

/// Which lines of the audit log.
struct AuditQuery {
  std::string personId;    ///< whom it is about or who did it; empty: all
  TimeMs since = 0;        ///< not earlier
  std::int64_t before = 0; ///< only those older than this line; 0: from the newest on
  std::size_t limit = 100;
};

/// A started OAuth flow, waiting for its callback.
struct OAuthState {
  std::string stateHash;
  std::string browserHash; ///< hash of the cookie that ties the flow to one browser
  std::string personId;
  std::string provider;
  std::string sealedVerifier;
  TimeMs createdAt = 0;
  TimeMs expiresAt = 0;
};

} // namespace calbridge::store
