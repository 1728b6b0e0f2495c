#pragma once
#include "store/store.hpp"

/// Passes every call on to a real store. Tests derive from it to watch single calls or to let them fail.
namespace calbridge::store {

class ForwardingStore : public Store {
 public:
  explicit ForwardingStore(Store& inner) : inner_(inner) {}

  bool putPerson(const Person& person, const std::optional<std::string>& passwordHash) override {
    return inner_.putPerson(person, passwordHash);
  }
  bool setPassword(const std::string& personId, const std::string& passwordHash) override {
    return inner_.setPassword(personId, passwordHash);
  }
  std::optional<Person> person(const std::string& id) override { return inner_.person(id); }
  std::vector<Login> loginsByEmail(const std::string& email) override { return inner_.loginsByEmail(email); }
  std::vector<Person> people() override { return inner_.people(); }
  bool erasePerson(const std::string& id) override { return inner_.erasePerson(id); }
  std::int64_t directoryVersion() override { return inner_.directoryVersion(); }
  std::int64_t addAppKey(const std::string& name, const std::string& hash, TimeMs now) override {
    return inner_.addAppKey(name, hash, now);
  }
  std::vector<AppKeyRecord> appKeys() override { return inner_.appKeys(); }
  bool revokeAppKey(const std::string& name, TimeMs now) override { return inner_.revokeAppKey(name, now); }
  void addSession(const SessionRecord& session) override { return inner_.addSession(session); }
  std::optional<SessionRecord> session(const std::string& tokenHash) override { return inner_.session(tokenHash); }
  void dropSession(const std::string& tokenHash) override { return inner_.dropSession(tokenHash); }
  std::vector<Acceptance> acceptEvents(std::span<const NewEvent> events, TimeMs now) override {
    return inner_.acceptEvents(events, now);
  }
  std::vector<EventRecord> unroutedEvents(std::int64_t after, std::size_t limit) override {
    return inner_.unroutedEvents(after, limit);
  }
  std::optional<EventRecord> event(const std::string& source, const std::string& id) override {
    return inner_.event(source, id);
  }
  std::vector<AppointmentState> appointmentStates(std::span<const std::string> ids) override {
    return inner_.appointmentStates(ids);
  }
  bool applyRouting(const RoutingWrite& write, TimeMs now) override { return inner_.applyRouting(write, now); }
  std::vector<std::string> openAppointments(TimeMs now, const std::string& after, std::size_t limit) override {
    return inner_.openAppointments(now, after, limit);
  }
  PlacementRecord putCustomEntry(const PlacementRecord& placement, TimeMs now) override {
    return inner_.putCustomEntry(placement, now);
  }
  std::vector<PlacementRecord> placementsOf(const std::string& personId, TimeMs since, std::size_t limit) override {
    return inner_.placementsOf(personId, since, limit);
  }
  std::optional<PlacementRecord> placement(const std::string& kind, const std::string& appointmentId,
                                           const std::string& personId) override {
    return inner_.placement(kind, appointmentId, personId);
  }
  ConnectionRecord connect(const ConnectionRecord& fresh, const Seal& seal, TimeMs now) override {
    return inner_.connect(fresh, seal, now);
  }
  bool storeCredentials(std::int64_t connectionId, std::int64_t expectedVersion, const std::string& sealed) override {
    return inner_.storeCredentials(connectionId, expectedVersion, sealed);
  }
  std::optional<ConnectionRecord> connection(std::int64_t id) override { return inner_.connection(id); }
  std::vector<ConnectionRecord> connectionsOf(const std::string& personId) override {
    return inner_.connectionsOf(personId);
  }
  std::vector<ConnectionRecord> connectionsIn(const std::string& state) override { return inner_.connectionsIn(state); }
  std::optional<ConnectionRecord> connectionByFeedSecret(const std::string& secretHash) override {
    return inner_.connectionByFeedSecret(secretHash);
  }
  std::int64_t connectionsUsing(const std::string& provider, const std::string& accountId,
                                std::int64_t except) override {
    return inner_.connectionsUsing(provider, accountId, except);
  }
  std::vector<DeadGrant> deadGrants(const DeadGrantPlace& after, std::size_t limit) override {
    return inner_.deadGrants(after, limit);
  }
  std::vector<ConnectionTally> connectionTallies() override { return inner_.connectionTallies(); }
  ConnectionCounts counts(std::int64_t connectionId) override { return inner_.counts(connectionId); }
  bool needReconnection(std::int64_t connectionId, std::int64_t credentialsVersion, const std::string& reason,
                        TimeMs now) override {
    return inner_.needReconnection(connectionId, credentialsVersion, reason, now);
  }
  void beginClosing(std::int64_t connectionId, bool removeEntries, TimeMs now, TimeMs deadline) override {
    return inner_.beginClosing(connectionId, removeEntries, now, deadline);
  }
  std::int64_t removalsLeft(std::int64_t connectionId) override { return inner_.removalsLeft(connectionId); }
  void endConnection(std::int64_t connectionId) override { return inner_.endConnection(connectionId); }
  std::optional<std::string> connectionValue(std::int64_t connectionId, const std::string& key) override {
    return inner_.connectionValue(connectionId, key);
  }
  void setConnectionValue(std::int64_t connectionId, const std::string& key, const std::string& value) override {
    return inner_.setConnectionValue(connectionId, key, value);
  }
  void addOAuthState(const OAuthState& state) override { return inner_.addOAuthState(state); }
  std::optional<OAuthState> takeOAuthState(const std::string& stateHash) override {
    return inner_.takeOAuthState(stateHash);
  }
  std::vector<ConnectionRecord> sealedConnections(std::int64_t after, std::size_t limit) override {
    return inner_.sealedConnections(after, limit);
  }
  std::vector<OAuthState> oauthStates() override { return inner_.oauthStates(); }
  std::size_t reseal(std::span<const ConnectionRecord> connections, std::span<const OAuthState> states) override {
    return inner_.reseal(connections, states);
  }
  void forgetReplaced() override { inner_.forgetReplaced(); }
  Claim claimDeliveries(TimeMs now, std::size_t limit, TimeMs leaseMs, const Room& room) override {
    return inner_.claimDeliveries(now, limit, leaseMs, room);
  }
  void recordOutcomes(std::span<const DeliveryOutcome> outcomes) override { return inner_.recordOutcomes(outcomes); }
  void releaseClaims(std::span<const DeliveryTask> tasks) override { return inner_.releaseClaims(tasks); }
  void clockWentBack(TimeMs now, TimeMs step) override { inner_.clockWentBack(now, step); }
  bool claimsHold() const override { return inner_.claimsHold(); }
  std::vector<DeliveryRecord> deliveriesOfPlacement(std::int64_t placementId) override {
    return inner_.deliveriesOfPlacement(placementId);
  }
  std::vector<DeliveryRecord> deliveries(const std::string& state, std::size_t limit) override {
    return inner_.deliveries(state, limit);
  }
  std::int64_t retryDeliveries(const std::string& personId, TimeMs now) override {
    return inner_.retryDeliveries(personId, now);
  }
  std::int64_t resyncPerson(const std::string& personId, TimeMs now) override {
    return inner_.resyncPerson(personId, now);
  }
  Backlog backlog(TimeMs now) override { return inner_.backlog(now); }
  std::vector<FeedPiece> feedPieces(std::int64_t connectionId, TimeMs endedSince, TimeMs cancelledSince) override {
    return inner_.feedPieces(connectionId, endedSince, cancelledSince);
  }
  void addAudit(const AuditRecord& record) override { inner_.addAudit(record); }
  std::vector<AuditRecord> audit(const AuditQuery& query) override { return inner_.audit(query); }
  std::int64_t pruneAudit(TimeMs before) override { return inner_.pruneAudit(before); }
  std::optional<std::string> meta(const std::string& key) override { return inner_.meta(key); }
  void setMeta(const std::string& key, const std::string& value) override { return inner_.setMeta(key, value); }
  std::int64_t prune(TimeMs eventsBefore, TimeMs appointmentsEndedBefore, TimeMs now) override {
    return inner_.prune(eventsBefore, appointmentsEndedBefore, now);
  }
  void ping() override { return inner_.ping(); }
  void onCommit(Signals signals) override { return inner_.onCommit(signals); }

 protected:
  Store& inner_;
};

} // namespace calbridge::store
