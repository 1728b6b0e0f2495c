#pragma once
#include "store/delivery_rules.hpp"
#include "store/postgresql/due_book.hpp"
#include "store/postgresql/journal.hpp"
#include "store/postgresql/node.hpp"
#include "store/postgresql/sessions.hpp"
#include "store/store.hpp"

#include <mutex>

namespace calbridge::store::postgresql {

class DeliveryChanges;

/// The store in a PostgreSQL database that several nodes share. Each call is one transaction of its own on a session of
/// a small pool; batches are one statement per table. Functions are described at Store.
class PostgresqlStore final : public Store {
 public:
  /// Opens or creates the tables behind `url`; see openStore.
  PostgresqlStore(const std::string& url, const OpenOptions& options);
  ~PostgresqlStore() override;

  bool putPerson(const Person& person, const std::optional<std::string>& passwordHash) override;
  bool setPassword(const std::string& personId, const std::string& passwordHash) override;
  std::optional<Person> person(const std::string& id) override;
  std::vector<Login> loginsByEmail(const std::string& email) override;
  std::vector<Person> people() override;
  bool erasePerson(const std::string& id) override;
  std::int64_t directoryVersion() override;

  std::int64_t addAppKey(const std::string& name, const std::string& hash, TimeMs now) override;
  std::vector<AppKeyRecord> appKeys() override;
  bool revokeAppKey(const std::string& name, TimeMs now) override;
  void addSession(const SessionRecord& session) override;
  std::optional<SessionRecord> session(const std::string& tokenHash) override;
  void dropSession(const std::string& tokenHash) override;

  std::vector<Acceptance> acceptEvents(std::span<const NewEvent> events, TimeMs now) override;
  std::vector<EventRecord> unroutedEvents(std::int64_t after, std::size_t limit) override;
  std::optional<EventRecord> event(const std::string& source, const std::string& id) override;

  std::vector<AppointmentState> appointmentStates(std::span<const std::string> ids) override;
  bool applyRouting(const RoutingWrite& write, TimeMs now) override;
  std::vector<std::string> openAppointments(TimeMs now, const std::string& after, std::size_t limit) override;
  PlacementRecord putCustomEntry(const PlacementRecord& placement, TimeMs now) override;
  std::vector<PlacementRecord> placementsOf(const std::string& personId, TimeMs since, std::size_t limit) override;
  std::optional<PlacementRecord> placement(const std::string& kind, const std::string& appointmentId,
                                           const std::string& personId) override;

  ConnectionRecord connect(const ConnectionRecord& fresh, const Seal& seal, TimeMs now) override;
  bool storeCredentials(std::int64_t connectionId, std::int64_t expectedVersion, const std::string& sealed) override;
  std::optional<ConnectionRecord> connection(std::int64_t id) override;
  std::vector<ConnectionRecord> connectionsOf(const std::string& personId) override;
  std::vector<ConnectionRecord> connectionsIn(const std::string& state) override;
  std::optional<ConnectionRecord> connectionByFeedSecret(const std::string& secretHash) override;
  std::int64_t connectionsUsing(const std::string& provider, const std::string& accountId,
                                std::int64_t except) override;
  ConnectionCounts counts(std::int64_t connectionId) override;
  std::vector<DeadGrant> deadGrants(const DeadGrantPlace& after, std::size_t limit) override;
  std::vector<ConnectionTally> connectionTallies() override;
  bool needReconnection(std::int64_t connectionId, std::int64_t credentialsVersion, const std::string& reason,
                        TimeMs now) override;
  void beginClosing(std::int64_t connectionId, bool removeEntries, TimeMs now, TimeMs deadline) override;
  std::int64_t removalsLeft(std::int64_t connectionId) override;
  void endConnection(std::int64_t connectionId) override;
  std::optional<std::string> connectionValue(std::int64_t connectionId, const std::string& key) override;
  void setConnectionValue(std::int64_t connectionId, const std::string& key, const std::string& value) override;
  void addOAuthState(const OAuthState& state) override;
  std::optional<OAuthState> takeOAuthState(const std::string& stateHash) override;
  std::vector<ConnectionRecord> sealedConnections(std::int64_t after, std::size_t limit) override;
  std::vector<OAuthState> oauthStates() override;
  std::size_t reseal(std::span<const ConnectionRecord> connections, std::span<const OAuthState> states) override;
  void forgetReplaced() override;

  Claim claimDeliveries(TimeMs now, std::size_t limit, TimeMs leaseMs, const Room& room) override;
  void recordOutcomes(std::span<const DeliveryOutcome> outcomes) override;
  void releaseClaims(std::span<const DeliveryTask> tasks) override;
  void clockWentBack(TimeMs now, TimeMs step) override;
  std::vector<DeliveryRecord> deliveriesOfPlacement(std::int64_t placementId) override;
  std::vector<DeliveryRecord> deliveries(const std::string& state, std::size_t limit) override;
  std::int64_t retryDeliveries(const std::string& personId, TimeMs now) override;
  std::int64_t resyncPerson(const std::string& personId, TimeMs now) override;
  Backlog backlog(TimeMs now) override;
  std::vector<FeedPiece> feedPieces(std::int64_t connectionId, TimeMs endedSince, TimeMs cancelledSince) override;

  void addAudit(const AuditRecord& record) override;
  std::vector<AuditRecord> audit(const AuditQuery& query) override;
  std::int64_t pruneAudit(TimeMs before) override;

  std::optional<std::string> meta(const std::string& key) override;
  void setMeta(const std::string& key, const std::string& value) override;
  std::string metaOnce(const std::string& key, const std::string& value) override;
  std::int64_t prune(TimeMs eventsBefore, TimeMs appointmentsEndedBefore, TimeMs now) override;
  void ping() override;
  void onCommit(Signals signals) override;
  void onEventsWaiting(std::function<void()> there) override;
  bool claimsHold() const override { return node_ == nullptr || node_->surelyAlive(); }
  std::int64_t refusedOutcomes() override { return refusedOutcomes_.load(); }
  void announcePolicy(const std::string& policy) override;
  std::vector<NodeRecord> nodes() override;

 private:
  /// A row that a transaction made due, to be told once it is committed.
  struct Due {
    std::int64_t connectionId = 0;
    TimeMs at = 0;
    std::string provider;
  };
  using Dues = std::vector<Due>;
  struct Planned {
    std::int64_t placementId = 0;
    bool fresh = false; ///< no delivery of it can exist yet
    const PlacementRecord* placement = nullptr;
  };
  using ChangeRow = std::function<void(DeliveryRow&, const WantedContent&)>;
  using Key = HeldClaims::Key;
  struct Candidate {
    Key key;
    TimeMs dueAt = 0;
    std::string provider;
  };
  class Choice;
  struct Summary; // of one connection in one batch of outcomes

  std::int64_t run() const { return node_ != nullptr ? node_->run() : 0; }
  void change(Durability durability, const std::function<void(Session&, Dues&)>& work);
  void signalDue();
  std::vector<Planned> storePlacements(Session& session, std::vector<const PlacementRecord*> placements);
  void planDeliveries(Session& session, Dues& dues, const std::vector<Planned>& planned, TimeMs now);
  void backFill(Session& session, Dues& dues, std::int64_t connectionId, const std::string& personId, TimeMs now);
  void changeRowsOf(Session& session, Dues& dues, std::int64_t connectionId, const ChangeRow& change);
  void flush(Session& session, Dues& dues, const DeliveryChanges& changes);
  void closeRows(Session& session, Dues& dues, std::int64_t connectionId, bool removeEntries, TimeMs now);
  std::vector<DeliveryTask> lease(const std::vector<Candidate>& chosen, TimeMs now, TimeMs leaseMs);
  /// The time by which leases run, if it is not the server's own.
  std::optional<TimeMs> leaseTime(TimeMs now) const;
  void lookAround();
  void shareMailboxes();
  void offerSurplus();

  const OpenOptions options_;
  Sessions sessions_;
  std::unique_ptr<Node> node_; ///< null for a command
  Journal journal_;
  DueBook book_;
  HeldClaims held_;

  std::mutex claimMutex_;                              ///< one claim at a time
  std::unordered_map<std::int64_t, TimeMs> mailboxes_; ///< ours, with the time of the last claim (monotonic ms)
  std::int64_t mailboxRun_ = 0;                        ///< the run that has them
  std::unordered_map<std::int64_t, TimeMs> offered_;   ///< left to other nodes until then (monotonic ms)
  bool busy_ = false;                                  ///< due work was left behind since the last look around
  std::vector<Key> doubtful_;                          ///< claims whose commit was not heard of
  std::atomic<std::size_t> alive_{1};                  ///< nodes
  std::atomic<std::size_t> inUse_{0};                  ///< mailboxes of all nodes; counted while there are several
  std::atomic<bool> workWanted_{false};                ///< another node has room and sees work in mailboxes of others
  std::atomic<bool> shareDue_{false};                  ///< whoever holds claimMutex_ next looks what to leave to others
  std::atomic<std::int64_t> refusedOutcomes_{0};

  std::mutex signalsMutex_;
  Signals signals_;
  std::function<void()> eventsWaiting_;
};

} // namespace calbridge::store::postgresql
