#include "store/postgresql/delivery_changes.hpp"

namespace calbridge::store::postgresql {

DeliveryRow readDeliveryRow(Row& row) {
  DeliveryRow d;
  d.state = row.text();
  d.wanted = row.flag();
  d.wantedRevision = row.integer();
  d.appliedRevision = row.integer();
  d.appliedHash = row.text();
  d.providerEventId = row.text();
  d.etag = row.text();
  d.attempts = row.small();
  d.firstFailureAt = row.integer();
  d.dueAt = row.maybeInteger();
  d.deliveredAt = row.integer();
  d.generation = row.small();
  d.untriedIn = row.flag() ? 1 : 0;
  d.errorCode = row.text();
  d.errorMessage = row.text();
  d.tries = row.small();
  return d;
}

void DeliveryChanges::add(const Key& key, const std::string& provider, std::int64_t revision, Reach reach, TimeMs now) {
  const std::optional<TimeMs> dueAt = reach == Reach::open ? std::optional(now) : std::nullopt;
  added_.push_back({key, revision, dueAt});
  if (dueAt)
    dues_.push_back({key.connectionId, *dueAt, provider});
}

void DeliveryChanges::change(const Key& key, const std::string& provider, const DeliveryRow& row) {
  changed_.emplace_back(key, row);
  if (row.dueAt)
    dues_.push_back({key.connectionId, *row.dueAt, provider});
}

void DeliveryChanges::store(Session& session, bool settled) const {
  if (!added_.empty()) {
    Array placements = Array::integers(), connections = Array::integers(), states = Array::texts(),
          revisions = Array::integers(), dueAts = Array::integers();
    for (const auto& row : added_) {
      placements.add(row.key.placementId);
      connections.add(row.key.connectionId);
      states.add(row.dueAt ? "pending" : "blocked");
      revisions.add(row.revision);
      dueAts.add(row.dueAt);
    }
    session.run("deliveries_add", placements, connections, states, revisions, dueAts);
  }
  if (changed_.empty())
    return;
  Array placements = Array::integers(), connections = Array::integers(), states = Array::texts(),
        wanted = Array::flags(), wantedRevisions = Array::integers(), appliedRevisions = Array::integers(),
        hashes = Array::texts(), eventIds = Array::texts(), etags = Array::texts(), attempts = Array::integers(),
        firstFailures = Array::integers(), dueAts = Array::integers(), deliveredAts = Array::integers(),
        generations = Array::integers(), untried = Array::flags(), codes = Array::texts(), messages = Array::texts(),
        tries = Array::integers();
  for (const auto& [key, row] : changed_) {
    placements.add(key.placementId);
    connections.add(key.connectionId);
    states.add(row.state);
    wanted.add(row.wanted);
    wantedRevisions.add(row.wantedRevision);
    appliedRevisions.add(row.appliedRevision);
    hashes.add(row.appliedHash);
    eventIds.add(row.providerEventId);
    etags.add(row.etag);
    attempts.add(row.attempts);
    firstFailures.add(row.firstFailureAt);
    dueAts.add(row.dueAt);
    deliveredAts.add(row.deliveredAt);
    generations.add(row.generation);
    untried.add(row.untriedIn != 0);
    codes.add(row.errorCode);
    messages.add(row.errorMessage);
    tries.add(row.tries);
  }
  session.run(settled ? "deliveries_settle" : "deliveries_change", placements, connections, states, wanted,
              wantedRevisions, appliedRevisions, hashes, eventIds, etags, attempts, firstFailures, dueAts, deliveredAts,
              generations, untried, codes, messages, tries);
}

} // namespace calbridge::store::postgresql
