#pragma once
#include "store/delivery_rules.hpp"
#include "store/sqlite/database_file.hpp"
#include "store/sqlite/lease_book.hpp"
#include "store/sqlite/readers.hpp"
#include "store/sqlite/writer.hpp"
#include "store/store.hpp"

#include <atomic>
#include <mutex>

namespace calbridge::store::sqlite {

/// The store in one SQLite file that this process owns. All changes go through the writer (group commit), reads through
/// a few sessions of their own. Functions are described at Store.
class SqliteStore final : public Store {
 public:
  /// Opens or creates `path`; see openStore.
  explicit SqliteStore(const std::string& path);
  ~SqliteStore() override;

  bool putPerson(const Person& person, const std::optional<std::string>& passwordHash) override;
  bool setPassword(const std::string& personId, const std::string& passwordHash) override;
  std::optional<Person> person(const std::string& id) override;
  std::vector<Login> loginsByEmail(const std::string& email) override;
  std::vector<Person> people() override;
  bool erasePerson(const std::string& id) override;
  std::int64_t directoryVersion() override { return directoryVersion_.load(); }

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
  std::int64_t prune(TimeMs eventsBefore, TimeMs appointmentsEndedBefore, TimeMs now) override;
  void ping() override;
  void onCommit(Signals signals) override;

 private:
  /// What deciding about a connection's deliveries needs.
  struct Gist {
    std::string personId;
    std::string provider;
    Reach reach = Reach::none;
    TimeMs pausedUntil = 0;
    TimeMs lastSyncAt = 0;  ///< as it is stored
    bool wentWrong = false; ///< an error is stored
  };
  struct Candidate {
    DeliveryKey key;
    std::int64_t fence = 0;
    std::string personId;
    std::string provider;
  };
  struct Summary; // of one connection in one batch of outcomes

  struct StoredPlacement {
    std::int64_t id = 0; ///< 0: its person (or the placement itself) has been erased meanwhile
    bool fresh = false;  ///< there was none before
  };

  // All of these run in a turn of the writer, one at a time.
  /// `again`: an earlier run may have decided this before, and pushed it, and then lost the decision with the power.
  void planDeliveries(Session& session, const StoredPlacement& stored, const PlacementRecord& placement, TimeMs now,
                      bool again = false);
  StoredPlacement storePlacement(Session& session, const PlacementRecord& placement);
  void backFill(Session& session, std::int64_t connectionId, const std::string& personId, TimeMs now);
  void addDelivery(Session& session, const DeliveryKey& key, std::int64_t revision, Reach reach, TimeMs now,
                   bool again = false);
  std::optional<DeliveryRow> deliveryRow(Session& session, const DeliveryKey& key);
  void storeDelivery(Session& session, const DeliveryKey& key, const DeliveryRow& row);
  using ChangeRow = std::function<void(const DeliveryKey&, DeliveryRow&, const WantedContent&)>;
  void changeRowsOf(Session& session, std::int64_t connectionId, const ChangeRow& change);
  void closeRows(Session& session, std::int64_t connectionId, bool removeEntries, TimeMs now);
  Touched touched(const DeliveryKey& key, const DeliveryRow& row) const;
  void noteDue(std::int64_t connectionId, const std::optional<TimeMs>& dueAt);
  /// Valid until another gist is asked for or forgotten.
  const Gist* gist(Session& session, std::int64_t connectionId);
  const std::vector<std::int64_t>& connectionIdsOf(Session& session, const std::string& personId);
  void writeSummary(Session& session, std::int64_t connectionId, const Summary& summary);
  void forgetGist(std::int64_t connectionId) { gists_.erase(connectionId); }
  bool storeDelivered(Session& session, const DeliveryOutcome& outcome);
  void recordOutcome(Session& session, const DeliveryOutcome& outcome, Summary& summary);
  void takeBack(Session& session);
  void expectAgain(Session& session, const DeliveryKey& key);
  void chooseDue(Session& session, TimeMs now, std::size_t limit, TimeMs leaseMs, const Room& room, Claim& claim,
                 std::vector<Candidate>& chosen);
  void afterCommit();
  void afterRollback();

  const std::string path_;
  LockFile lock_;
  Readers readers_;

  // Only in a turn of the writer; see LeaseBook and DueSchedule.
  std::int64_t journaledBefore_ = 0; ///< the last event of earlier runs
  std::int64_t run_ = 0;             ///< which start of the program on this database this is
  LeaseBook leases_;
  DueSchedule schedule_;
  std::unordered_map<std::int64_t, Gist> gists_;
  std::unordered_map<std::string, std::vector<std::int64_t>> connectionIds_; ///< by person, in whatever state
  bool dueTouched_ = false;

  std::atomic<std::int64_t> directoryVersion_{1};
  std::mutex signalsMutex_;
  Signals signals_;

  struct GivenBack {
    DeliveryKey key;
    std::int64_t fence = 0;
  };
  std::mutex givenBackMutex_;
  std::vector<GivenBack> givenBack_; ///< leases that the next claim ends before it looks
  std::unique_ptr<Writer> writer_;   ///< last: stops before anything that its thread uses is gone
};

} // namespace calbridge::store::sqlite
