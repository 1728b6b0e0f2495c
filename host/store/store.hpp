#pragma once
#include "store/records.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <span>

namespace calbridge::store {

/// Everything that must outlive the process. One implementation per database; the conformance suite in
/// tests/conformance holds all of them to this text.
///
/// Threads: every function may be called from any thread and blocks until its transaction has ended.
/// Failure: Error("store_unavailable") when the database failed; nothing of the call is stored then.
/// Durability: functions marked [durable] return after the data is on disk (fsync). The others are atomic and survive
/// the end of the process; a power failure may undo the latest of them, and then the journal or the next comparison
/// of wanted with applied brings them back (see delivery/STATES.md).
class Store {
 public:
  virtual ~Store() = default;

  // -- people -----------------------------------------------------------------------------------------------------
  /// [durable] Creates or replaces; an absent `passwordHash` keeps the stored one. True when created.
  virtual bool putPerson(const Person& person, const std::optional<std::string>& passwordHash) = 0;
  /// [durable] False when there is no such person.
  virtual bool setPassword(const std::string& personId, const std::string& passwordHash) = 0;
  virtual std::optional<Person> person(const std::string& id) = 0;
  struct Login {
    Person person;
    std::string passwordHash; ///< empty: no password set
  };
  /// Case-insensitive on the address; the people who have it, usually one.
  virtual std::vector<Login> loginsByEmail(const std::string& email) = 0;
  virtual std::vector<Person> people() = 0;
  /// [durable] Erases the person with connections, tokens, placements, deliveries and sessions. False when unknown.
  virtual bool erasePerson(const std::string& id) = 0;
  /// Grows with every change of a person; lets a cached directory notice.
  virtual std::int64_t directoryVersion() = 0;

  // -- keys and sessions ------------------------------------------------------------------------------------------
  virtual std::int64_t addAppKey(const std::string& name, const std::string& hash, TimeMs now) = 0; ///< [durable]
  virtual std::vector<AppKeyRecord> appKeys() = 0;
  virtual bool revokeAppKey(const std::string& name, TimeMs now) = 0; ///< [durable] all live keys of that name
  virtual void addSession(const SessionRecord& session) = 0;
  virtual std::optional<SessionRecord> session(const std::string& tokenHash) = 0;
  virtual void dropSession(const std::string& tokenHash) = 0;

  // -- the journal ------------------------------------------------------------------------------------------------
  /// [durable] All or none: when any event conflicts, nothing is stored and the conflicting ones say so.
  virtual std::vector<Acceptance> acceptEvents(std::span<const NewEvent> events, TimeMs now) = 0;
  /// Accepted but not yet routed, in journal order, after position `after`.
  virtual std::vector<EventRecord> unroutedEvents(std::int64_t after, std::size_t limit) = 0;
  /// Empty source: the newest of that id.
  virtual std::optional<EventRecord> event(const std::string& source, const std::string& id) = 0;

  // -- appointments and placements --------------------------------------------------------------------------------
  /// What is stored about these appointments; unknown ids come back with rowVersion 0.
  virtual std::vector<AppointmentState> appointmentStates(std::span<const std::string> ids) = 0;
  /// Stores a batch of routing and, for every changed placement, makes its deliveries due on the person's connections.
  /// False, with nothing stored, when an appointment has changed since it was loaded: load and route again.
  virtual bool applyRouting(const RoutingWrite& write, TimeMs now) = 0;
  /// Ids of appointments that end after `now`, in order, after `after`.
  virtual std::vector<std::string> openAppointments(TimeMs now, const std::string& after, std::size_t limit) = 0;
  /// [durable] Adds or changes a person's own entry (kind custom); returns it as stored.
  virtual PlacementRecord putCustomEntry(const PlacementRecord& placement, TimeMs now) = 0;
  /// One person's placements that are present, ordered by start, those that end after `since`.
  virtual std::vector<PlacementRecord> placementsOf(const std::string& personId, TimeMs since, std::size_t limit) = 0;
  virtual std::optional<PlacementRecord> placement(const std::string& kind, const std::string& appointmentId,
                                                   const std::string& personId) = 0;

  // -- connections ------------------------------------------------------------------------------------------------
  /// [durable] Stores fresh credentials of (person, provider, account): re-uses the row of an earlier connection to the
  /// same account, makes everything that waited due, and back-fills placements that end after `now`. A live connection
  /// of the person to another account of that provider is put into `closing`. Returns the connection as stored. `seal`
  /// is called inside the transaction with the row's id, because sealed bytes are bound to it.
  using Seal = std::function<std::string(std::int64_t connectionId)>;
  virtual ConnectionRecord connect(const ConnectionRecord& fresh, const Seal& seal, TimeMs now) = 0;
  /// [durable] Replaces sealed credentials if their version is still `expectedVersion`; false otherwise.
  virtual bool storeCredentials(std::int64_t connectionId, std::int64_t expectedVersion, const std::string& sealed) = 0;
  virtual std::optional<ConnectionRecord> connection(std::int64_t id) = 0;
  /// Connections of one person in any state, the newest first.
  virtual std::vector<ConnectionRecord> connectionsOf(const std::string& personId) = 0;
  virtual std::vector<ConnectionRecord> connectionsIn(const std::string& state) = 0;
  virtual std::optional<ConnectionRecord> connectionByFeedSecret(const std::string& secretHash) = 0;
  /// Live connections (not disconnected) to that account, `except` not counted: revoking would cut them off too.
  virtual std::int64_t connectionsUsing(const std::string& provider, const std::string& accountId,
                                        std::int64_t except) = 0;
  virtual ConnectionCounts counts(std::int64_t connectionId) = 0;
  /// Connections in needs_reconnection of all people, the longest dead first, at most `limit` of those behind `after`.
  virtual std::vector<DeadGrant> deadGrants(const DeadGrantPlace& after, std::size_t limit) = 0;
  /// One item for each provider that has live connections, ordered by the provider's id.
  virtual std::vector<ConnectionTally> connectionTallies() = 0;
  /// [durable] The grant is dead: stops attempts, keeps the work. Reason and time stay until the reconnection, whatever
  /// the attempts that were under way come back with. Only if the credentials are still of that version and
  /// the connection is connected. True when it needs reconnection now; false when newer credentials have come meanwhile
  /// (or it is not connected any more): the attempt is then worth another try.
  virtual bool needReconnection(std::int64_t connectionId, std::int64_t credentialsVersion, const std::string& reason,
                                TimeMs now) = 0;
  /// [durable] Begins a disconnect. With `removeEntries` every delivered future entry becomes due for removal.
  virtual void beginClosing(std::int64_t connectionId, bool removeEntries, TimeMs now, TimeMs deadline) = 0;
  /// Entries still to be removed before a closing connection can end.
  virtual std::int64_t removalsLeft(std::int64_t connectionId) = 0;
  /// [durable] Ends it: credentials and feed secret destroyed, no delivery due any more.
  virtual void endConnection(std::int64_t connectionId) = 0;
  virtual std::optional<std::string> connectionValue(std::int64_t connectionId, const std::string& key) = 0;
  /// [durable] Empty value erases.
  virtual void setConnectionValue(std::int64_t connectionId, const std::string& key, const std::string& value) = 0;
  virtual void addOAuthState(const OAuthState& state) = 0;
  /// Takes it out: a state works once.
  virtual std::optional<OAuthState> takeOAuthState(const std::string& stateHash) = 0;
  /// Connections that have sealed credentials, in any state, ordered by id: at most `limit` of those behind `after`.
  virtual std::vector<ConnectionRecord> sealedConnections(std::int64_t after, std::size_t limit) = 0;
  /// All flows that wait for their callback; their number is bounded.
  virtual std::vector<OAuthState> oauthStates() = 0;
  /// [durable] Puts the sealed bytes of these records into their rows, all in one transaction: of a connection only if
  /// its credentials are still of that version, which stays as it is, since the credentials do. Returns how many rows
  /// took them.
  virtual std::size_t reseal(std::span<const ConnectionRecord> connections, std::span<const OAuthState> states) = 0;
  /// What was replaced or deleted so far is gone from the files too, as far as that is in the store's hands.
  virtual void forgetReplaced() = 0;

  // -- deliveries -------------------------------------------------------------------------------------------------
  struct Claim {
    std::vector<DeliveryTask> tasks;
    /// When it is worth asking again: now when due work was left behind for `limit`, the next due time or end of a
    /// pause, or when a lease may run out. Work passed over for want of room does not count. None: nothing waits.
    std::optional<TimeMs> nextDue;
  };
  /// Leases up to `limit` due deliveries, the oldest first. `room(connectionId, provider)` says whether that connection
  /// can take one more now; it is called once per candidate and counts as taken when it answers true: what it was taken
  /// for and is not among the tasks is the caller's to take back. The lease ends with recordOutcomes, releaseClaims, or
  /// after `leaseMs`.
  using Room = std::function<bool(std::int64_t connectionId, const std::string& provider)>;
  virtual Claim claimDeliveries(TimeMs now, std::size_t limit, TimeMs leaseMs, const Room& room) = 0;
  /// Stores a batch of outcomes. Those whose fence is stale do not count, but since somebody else may have written the
  /// entry before or after, the row becomes due again when neither can act any more (DeliveryOutcome::settledAt), and
  /// whoever has it now has it no longer. A delivery whose wanted revision moved on
  /// meanwhile stays due. A `blocked` outcome of a connection that is still connected (newer credentials came
  /// meanwhile) is tried again shortly; a `retry` of one that is not waits for the reconnection. A connection's
  /// last sync is stored to the second.
  virtual void recordOutcomes(std::span<const DeliveryOutcome> outcomes) = 0;
  /// Gives up leases without an outcome (stop): the rows stay due.
  virtual void releaseClaims(std::span<const DeliveryTask> tasks) = 0;
  /// The clock went back by `step` ms, to `now`: what waits for a time after that waits as much less, due times and the
  /// pauses of connections alike. Where several hosts share the database, each with a clock of its own, nothing
  /// changes.
  virtual void clockWentBack(TimeMs now, TimeMs step) = 0;
  virtual std::vector<DeliveryRecord> deliveriesOfPlacement(std::int64_t placementId) = 0;
  /// Filter by state ("" = all), the oldest due first.
  virtual std::vector<DeliveryRecord> deliveries(const std::string& state, std::size_t limit) = 0;
  /// Makes failed (and waiting) deliveries due now; all persons when `personId` is empty. Returns how many.
  virtual std::int64_t retryDeliveries(const std::string& personId, TimeMs now) = 0;
  /// Re-checks all of one person's open placements on all live connections: every row becomes due. Returns how many.
  virtual std::int64_t resyncPerson(const std::string& personId, TimeMs now) = 0;
  struct Backlog {
    std::int64_t due = 0;
    std::int64_t blocked = 0;
    std::int64_t failed = 0;
    TimeMs oldestDue = 0;
  };
  virtual Backlog backlog(TimeMs now) = 0;
  /// The pieces of a feed connection, ordered by start. Cancelled ones are kept until `cancelledSince`.
  virtual std::vector<FeedPiece> feedPieces(std::int64_t connectionId, TimeMs endedSince, TimeMs cancelledSince) = 0;

  // -- the audit log: written once, never changed; only its oldest lines go, by pruneAudit
  // -----------------------------
  virtual void addAudit(const AuditRecord& record) = 0; ///< [durable]
  /// The newest first.
  virtual std::vector<AuditRecord> audit(const AuditQuery& query) = 0;
  /// Deletes lines older than `before`; returns how many.
  virtual std::int64_t pruneAudit(TimeMs before) = 0;

  // -- upkeep -----------------------------------------------------------------------------------------------------
  virtual std::optional<std::string> meta(const std::string& key) = 0;
  virtual void setMeta(const std::string& key, const std::string& value) = 0; ///< [durable]
  /// [durable] Stores `value` unless there is one already; returns what is stored. Of several hosts the first decides.
  virtual std::string metaOnce(const std::string& key, const std::string& value) {
    if (const auto known = meta(key))
      return *known;
    setMeta(key, value);
    return value;
  }
  /// Deletes what its retention has passed: journal, ended appointments, sessions, OAuth states. Returns rows deleted.
  virtual std::int64_t prune(TimeMs eventsBefore, TimeMs appointmentsEndedBefore, TimeMs now) = 0;
  /// Throws Error("store_unavailable") unless a read and an fsync'ed write work now.
  virtual void ping() = 0;
  /// Called after commits, from the store's own thread: must only signal.
  struct Signals {
    std::function<void()> deliveriesDue;
  };
  virtual void onCommit(Signals signals) = 0;

  // -- several hosts on one database; a store that has one owner leaves these as they are ----------------------------
  /// Called when events wait that a host accepted which is gone: unroutedEvents has them now. Must only signal.
  virtual void onEventsWaiting(std::function<void()> there) { static_cast<void>(there); }
  /// Tells the other hosts which policies this one decides by.
  virtual void announcePolicy(const std::string& policy) { static_cast<void>(policy); }
  /// False when this host may have been taken for dead, so that its claims may be others': nothing more is to be begun
  /// under them. Cheap.
  virtual bool claimsHold() const { return true; }
  /// The hosts that are alive.
  virtual std::vector<NodeRecord> nodes() { return {}; }
  /// Outcomes that did not count so far because their claim had been taken over.
  virtual std::int64_t refusedOutcomes() { return 0; }
};

struct OpenOptions {
  /// Name of this host among those that share a PostgreSQL database; empty for a command, which neither claims
  /// deliveries nor accepts events. SQLite has one owner and needs no name.
  std::string node;
  /// PostgreSQL: a host that has said nothing for so long (by the server's clock) loses what it holds.
  std::chrono::seconds nodeLifetime{15};
  /// PostgreSQL: leases run by the `now` of whoever claims, and not by the server's clock. For tests that move time.
  bool callersClock = false;
};

/// Opens `url` (sqlite:PATH, postgresql://user@host/db), creates or migrates its tables. Throws Error: store_locked
/// (another process owns it, or has the node's name), store_newer (made by a newer version), store_unavailable.
std::unique_ptr<Store> openStore(const std::string& url, const OpenOptions& options = {});

/// Is there a database of ours behind `url`? Changes nothing. Throws Error("store_unavailable") when that cannot be
/// known.
bool hasStore(const std::string& url);

} // namespace calbridge::store
