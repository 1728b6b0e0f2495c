#include "store/postgresql/delivery_changes.hpp"
#include "store/postgresql/postgresql_store.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace calbridge::store::postgresql {
namespace {

DeliveryRecord readRecord(Row& row) {
  DeliveryRecord d;
  d.placementId = row.integer();
  d.connectionId = row.integer();
  d.appointmentId = row.text();
  d.personId = row.text();
  d.provider = row.text();
  d.state = row.text();
  d.wanted = row.flag();
  d.wantedRevision = row.integer();
  d.appliedRevision = row.integer();
  d.providerEventId = row.text();
  d.attempts = row.small();
  d.dueAt = row.integer();
  d.deliveredAt = row.integer();
  d.errorCode = row.text();
  d.errorMessage = row.text();
  d.tries = row.small();
  return d;
}

} // namespace

/// What one batch of outcomes says about one connection.
struct PostgresqlStore::Summary {
  TimeMs lastSyncAt = 0;
  std::optional<std::string> lastError; ///< empty text: all is well again
  TimeMs lastErrorAt = 0;
  TimeMs pausedUntil = 0;
  bool feedChanged = false;

  void note(const DeliveryOutcome& outcome) {
    using Kind = DeliveryOutcome::Kind;
    pausedUntil = std::max(pausedUntil, outcome.pauseUntil);
    if (outcome.kind == Kind::delivered || outcome.kind == Kind::removed) {
      lastSyncAt = std::max(lastSyncAt, outcome.at);
      if (outcome.at >= lastErrorAt)
        lastError = "";
    } else {
      lastError = outcome.errorMessage;
      lastErrorAt = outcome.at;
    }
    feedChanged = feedChanged || !outcome.rendering.empty();
  }
};

void PostgresqlStore::flush(Session& session, Dues& dues, const DeliveryChanges& changes) {
  changes.store(session, false);
  for (const auto& due : changes.dues())
    dues.push_back({due.connectionId, due.at, due.provider});
}

void PostgresqlStore::changeRowsOf(Session& session, Dues& dues, std::int64_t connectionId, const ChangeRow& change) {
  DeliveryChanges changes;
  session.each(
      "deliveries_of_connection",
      [&](Row& row) {
        const Key key{row.integer(), connectionId};
        WantedContent content;
        content.present = row.flag();
        content.revision = row.integer();
        content.contentHash = row.text();
        content.endUtc = row.integer();
        const DeliveryRow before = readDeliveryRow(row);
        DeliveryRow after = before;
        change(after, content);
        if (after != before)
          changes.change(key, "", after);
      },
      connectionId);
  flush(session, dues, changes);
}

void PostgresqlStore::backFill(Session& session, Dues& dues, std::int64_t connectionId, const std::string& personId,
                               TimeMs now) {
  DeliveryChanges changes;
  session.each(
      "deliveries_missing",
      [&](Row& row) {
        const Key key{row.integer(), connectionId};
        changes.add(key, "", row.integer(), Reach::open, now);
      },
      personId, now, connectionId);
  flush(session, dues, changes);
}

void PostgresqlStore::recordOutcomes(std::span<const DeliveryOutcome> outcomes) {
  if (outcomes.empty())
    return;
  std::map<Key, const DeliveryOutcome*> byKey; // of two for one row the one that came too late
  std::set<std::int64_t> connectionIds;
  for (const auto& outcome : outcomes) {
    const DeliveryOutcome*& known = byKey[{outcome.placementId, outcome.connectionId}];
    if (known == nullptr || outcome.fence < known->fence)
      known = &outcome;
    connectionIds.insert(outcome.connectionId);
  }
  Array connections = Array::integers(), placements = Array::integers(), rowConnections = Array::integers(),
        fences = Array::integers();
  for (const auto id : connectionIds)
    connections.add(id);
  for (const auto& [key, outcome] : byKey) {
    placements.add(key.placementId);
    rowConnections.add(key.connectionId);
    fences.add(outcome->fence);
  }

  std::size_t current = 0;
  std::set<Key> counted; // by an earlier try
  change(Durability::durable, [&](Session& s, Dues& dues) {
    struct Connection {
      std::string provider;
      Reach reach = Reach::none;
    };
    std::unordered_map<std::int64_t, Connection> known;
    s.each(
        "connections_hold",
        [&](Row& row) {
          auto& connection = known[row.integer()];
          connection.provider = row.text();
          connection.reach = reachOf(row.text());
        },
        connections);
    DeliveryChanges changes;
    std::map<std::int64_t, Summary> summaries;
    Array piecePlacements = Array::integers(), pieceConnections = Array::integers(), removedAts = Array::integers(),
          renderings = Array::texts();
    std::set<Key> found;
    s.each(
        "deliveries_attempted",
        [&](Row& row) {
          const std::int64_t placementId = row.integer();
          const Key key{placementId, row.integer()};
          const bool holds = row.flag();
          DeliveryRow d = readDeliveryRow(row);
          const DeliveryOutcome& outcome = *byKey.at(key);
          const Connection& connection = known.at(key.connectionId);
          if (!holds) {
            // After a commit that was not heard of, a second try finds its fences gone.
            if (!counted.contains(key) && applyLateOutcome(d, outcome, connection.reach))
              changes.change(key, connection.provider, d);
            return;
          }
          applyOutcome(d, outcome, connection.reach);
          changes.change(key, connection.provider, d);
          summaries[key.connectionId].note(outcome);
          found.insert(key);
          if (outcome.rendering.empty())
            return;
          piecePlacements.add(key.placementId);
          pieceConnections.add(key.connectionId);
          removedAts.add(outcome.kind == DeliveryOutcome::Kind::removed ? outcome.at : TimeMs{0});
          renderings.add(outcome.rendering);
        },
        placements, rowConnections, fences);
    counted.insert(found.begin(), found.end());
    current = counted.size();
    changes.store(s, true);
    for (const auto& due : changes.dues())
      dues.push_back({due.connectionId, due.at, due.provider});
    if (found.empty())
      return;
    Array ids = Array::integers(), syncs = Array::integers(), errors = Array::texts(), errorAts = Array::integers(),
          pauses = Array::integers(), feeds = Array::integers();
    for (const auto& [id, summary] : summaries) {
      ids.add(id);
      syncs.add(summary.lastSyncAt);
      errors.add(summary.lastError);
      errorAts.add(summary.lastErrorAt);
      pauses.add(summary.pausedUntil);
      feeds.add(summary.feedChanged ? 1 : 0);
    }
    s.run("connections_summary", ids, syncs, errors, errorAts, pauses, feeds);
    if (renderings.size() > 0)
      s.run("feed_pieces_put", piecePlacements, pieceConnections, removedAts, renderings);
  });
  refusedOutcomes_ += static_cast<std::int64_t>(outcomes.size() - current);
  for (const auto& outcome : outcomes)
    held_.end({outcome.placementId, outcome.connectionId}, outcome.fence);
}

void PostgresqlStore::releaseClaims(std::span<const DeliveryTask> tasks) {
  if (tasks.empty())
    return;
  Array placements = Array::integers(), connections = Array::integers(), fences = Array::integers();
  for (const auto& task : tasks) {
    placements.add(task.placementId);
    connections.add(task.connectionId);
    fences.add(task.fence);
  }
  change(Durability::durable, [&](Session& s, Dues& dues) {
    s.each(
        "deliveries_unlease",
        [&](Row& row) {
          const std::int64_t connectionId = row.integer();
          if (const auto dueAt = row.maybeInteger())
            dues.push_back({connectionId, *dueAt, ""});
        },
        placements, connections, fences);
  });
  for (const auto& task : tasks)
    held_.end({task.placementId, task.connectionId}, task.fence);
}

void PostgresqlStore::clockWentBack(TimeMs now, TimeMs step) {
  if (alive_ > 1)
    return; // whose clock is wrong?
  change(Durability::durable, [&](Session& s, Dues& dues) {
    const auto sooner = [&](Row& row) { dues.push_back({row.integer(), now, ""}); };
    s.each("deliveries_sooner", sooner, now, step);
    s.each("connections_sooner", sooner, now, step);
  });
}

std::vector<DeliveryRecord> PostgresqlStore::deliveriesOfPlacement(std::int64_t placementId) {
  std::vector<DeliveryRecord> found;
  sessions_.read([&](Session& s) {
    found.clear();
    s.each(
        "deliveries_of_placement", [&](Row& row) { found.push_back(readRecord(row)); }, placementId);
  });
  return found;
}

std::vector<DeliveryRecord> PostgresqlStore::deliveries(const std::string& state, std::size_t limit) {
  std::vector<DeliveryRecord> found;
  const auto read = [&](Row& row) { found.push_back(readRecord(row)); };
  sessions_.read([&](Session& s) {
    found.clear();
    if (state.empty())
      s.each("deliveries_all", read, limit);
    else
      s.each("deliveries_in_state", read, state, limit);
  });
  return found;
}

std::int64_t PostgresqlStore::retryDeliveries(const std::string& personId, TimeMs now) {
  std::int64_t retried = 0;
  change(Durability::durable, [&](Session& s, Dues& dues) {
    retried = 0;
    DeliveryChanges changes;
    s.each(
        "deliveries_waiting",
        [&](Row& row) {
          const std::int64_t placementId = row.integer();
          const Key key{placementId, row.integer()};
          const std::string provider = row.text();
          const Reach reach = reachOf(row.text());
          DeliveryRow delivery = readDeliveryRow(row);
          if (!retryNow(delivery, reach, now))
            return;
          changes.change(key, provider, delivery);
          ++retried;
        },
        personId, now);
    flush(s, dues, changes);
  });
  return retried;
}

std::int64_t PostgresqlStore::resyncPerson(const std::string& personId, TimeMs now) {
  std::int64_t queued = 0;
  change(Durability::durable, [&](Session& s, Dues& dues) {
    queued = 0;
    s.one(
        "people_hold", [](Row&) {}, personId);
    std::vector<std::int64_t> connected;
    s.each(
        "connections_planned",
        [&](Row& row) {
          const std::int64_t id = row.integer();
          if (reachOf(row.text()) == Reach::open)
            connected.push_back(id);
        },
        personId);
    for (const auto connectionId : connected) {
      backFill(s, dues, connectionId, personId, now);
      changeRowsOf(s, dues, connectionId, [&](DeliveryRow& row, const WantedContent& content) {
        if (content.endUtc <= now)
          return;
        recheck(row, content, Reach::open, touched(row), now);
        if (row.state == "pending")
          ++queued;
      });
    }
  });
  return queued;
}

Store::Backlog PostgresqlStore::backlog(TimeMs now) {
  Backlog backlog;
  sessions_.read([&](Session& s) {
    backlog = {};
    s.one(
        "backlog_due",
        [&](Row& row) {
          backlog.due = row.integer();
          backlog.oldestDue = row.integer();
        },
        now);
    s.each("backlog_stuck", [&](Row& row) {
      const bool blocked = row.text() == "blocked";
      (blocked ? backlog.blocked : backlog.failed) = row.integer();
    });
  });
  return backlog;
}

std::vector<FeedPiece> PostgresqlStore::feedPieces(std::int64_t connectionId, TimeMs endedSince,
                                                   TimeMs cancelledSince) {
  std::vector<std::pair<TimeMs, FeedPiece>> pieces;
  sessions_.read([&](Session& s) {
    pieces.clear();
    s.each(
        "feed_pieces_of_connection",
        [&](Row& row) {
          auto& [start, piece] = pieces.emplace_back();
          start = row.integer();
          piece.timezone = row.text();
          piece.rendering = row.text();
        },
        connectionId, endedSince, cancelledSince);
  });
  std::stable_sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<FeedPiece> ordered;
  ordered.reserve(pieces.size());
  for (auto& [start, piece] : pieces)
    ordered.push_back(std::move(piece));
  return ordered;
}

} // namespace calbridge::store::postgresql
