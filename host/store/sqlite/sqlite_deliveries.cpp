#include "store/sqlite/sqlite_store.hpp"

namespace calbridge::store::sqlite {
namespace {

/// "Last sync" is for people's eyes: it is stored to the second.
constexpr TimeMs kSyncPrecisionMs = 1000;

DeliveryRow readRow(Row& row) {
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
  d.untriedIn = row.integer();
  d.errorCode = row.text();
  d.errorMessage = row.text();
  d.tries = row.small();
  return d;
}

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
struct SqliteStore::Summary {
  TimeMs lastSyncAt = 0;
  std::optional<std::string> lastError; ///< empty text: all is well again
  TimeMs lastErrorAt = 0;
  TimeMs pausedUntil = 0;
  bool feedChanged = false;
};

std::optional<DeliveryRow> SqliteStore::deliveryRow(Session& session, const DeliveryKey& key) {
  std::optional<DeliveryRow> found;
  session["deliveries_one"].one([&](Row& row) { found = readRow(row); }, key.placementId, key.connectionId);
  return found;
}

void SqliteStore::addDelivery(Session& session, const DeliveryKey& key, std::int64_t revision, Reach reach, TimeMs now,
                              bool again) {
  const bool open = reach == Reach::open;
  const std::optional<TimeMs> dueAt = open ? std::optional(now) : std::nullopt;
  session["deliveries_add"].run(key.placementId, key.connectionId, open ? "pending" : "blocked", revision, dueAt,
                                again ? 0 : run_);
  noteDue(key.connectionId, dueAt);
}

void SqliteStore::storeDelivery(Session& session, const DeliveryKey& key, const DeliveryRow& row) {
  session["deliveries_change"].run(key.placementId, key.connectionId, row.state, row.wanted, row.wantedRevision,
                                   row.appliedRevision, row.appliedHash, row.providerEventId, row.etag, row.attempts,
                                   row.firstFailureAt, row.dueAt, row.deliveredAt, row.generation, row.errorCode,
                                   row.errorMessage, row.untriedIn, row.tries);
  noteDue(key.connectionId, row.dueAt);
}

void SqliteStore::changeRowsOf(Session& session, std::int64_t connectionId, const ChangeRow& change) {
  // Collected first: a row must not move in an index that is being walked.
  std::vector<std::pair<DeliveryKey, DeliveryRow>> changed;
  session["deliveries_of_connection"].each(
      [&](Row& row) {
        const DeliveryKey key{row.integer(), connectionId};
        WantedContent content;
        content.present = row.flag();
        content.revision = row.integer();
        content.contentHash = row.text();
        content.endUtc = row.integer();
        const DeliveryRow before = readRow(row);
        DeliveryRow after = before;
        change(key, after, content);
        if (after != before)
          changed.emplace_back(key, std::move(after));
      },
      connectionId);
  for (const auto& [key, row] : changed)
    storeDelivery(session, key, row);
}

void SqliteStore::backFill(Session& session, std::int64_t connectionId, const std::string& personId, TimeMs now) {
  std::vector<std::pair<std::int64_t, std::int64_t>> missing;
  session["deliveries_missing"].each(
      [&](Row& row) {
        const std::int64_t placementId = row.integer();
        missing.emplace_back(placementId, row.integer());
      },
      personId, now, connectionId);
  for (const auto& [placementId, revision] : missing) {
    addDelivery(session, {placementId, connectionId}, revision, Reach::open, now);
  }
}

void SqliteStore::recordOutcomes(std::span<const DeliveryOutcome> outcomes) {
  if (outcomes.empty())
    return;
  std::vector<DeliveryKey> settled, doubtful;
  writer_->relaxed(
      [&](Session& s) {
        std::unordered_map<std::int64_t, Summary> summaries;
        std::vector<const DeliveryOutcome*> late;
        for (const auto& outcome : outcomes) {
          const DeliveryKey key{outcome.placementId, outcome.connectionId};
          if (!leases_.current(key, outcome.fence)) {
            late.push_back(&outcome);
            continue;
          }
          settled.push_back(key);
          recordOutcome(s, outcome, summaries[outcome.connectionId]);
        }
        for (const auto* outcome : late) {
          const DeliveryKey key{outcome->placementId, outcome->connectionId};
          auto row = deliveryRow(s, key);
          const Gist* connection = row ? gist(s, key.connectionId) : nullptr;
          if (connection == nullptr || !applyLateOutcome(*row, *outcome, connection->reach))
            continue;
          storeDelivery(s, key, *row);
          doubtful.push_back(key);
        }
        for (const auto& [connectionId, summary] : summaries)
          writeSummary(s, connectionId, summary);
      },
      [&] {
        for (const auto& key : settled)
          leases_.settle(key);
        for (const auto& key : doubtful)
          leases_.annul(key);
      });
}

/// A connection's row is large, and each in another page: nothing is written that says nothing new.
void SqliteStore::writeSummary(Session& session, std::int64_t connectionId, const Summary& summary) {
  const Gist* known = gist(session, connectionId);
  if (known == nullptr)
    return;
  const bool errorChanges = summary.lastError && (known->wentWrong || !summary.lastError->empty());
  if (!errorChanges && summary.pausedUntil == 0 && !summary.feedChanged &&
      summary.lastSyncAt < known->lastSyncAt + kSyncPrecisionMs)
    return;
  session["connections_summary"].run(connectionId, summary.lastSyncAt, summary.lastError, summary.lastErrorAt,
                                     summary.pausedUntil, summary.feedChanged);
  forgetGist(connectionId);
}

/// The usual outcome, without reading the row: what is wanted now was delivered. The statement says of that case what
/// applyOutcome() says of all; false, and nothing is changed, in every other one.
bool SqliteStore::storeDelivered(Session& session, const DeliveryOutcome& outcome) {
  return outcome.kind == DeliveryOutcome::Kind::delivered &&
         session["deliveries_delivered"].run(outcome.placementId, outcome.connectionId, outcome.revision,
                                             outcome.contentHash, outcome.providerEventId, outcome.etag,
                                             outcome.at) > 0;
}

void SqliteStore::recordOutcome(Session& session, const DeliveryOutcome& outcome, Summary& summary) {
  using Kind = DeliveryOutcome::Kind;
  const DeliveryKey key{outcome.placementId, outcome.connectionId};
  if (!storeDelivered(session, outcome)) {
    auto row = deliveryRow(session, key);
    const Gist* connection = row ? gist(session, key.connectionId) : nullptr;
    if (connection == nullptr)
      return; // erased meanwhile
    applyOutcome(*row, outcome, connection->reach);
    storeDelivery(session, key, *row);
  }

  summary.pausedUntil = std::max(summary.pausedUntil, outcome.pauseUntil);
  if (outcome.kind == Kind::delivered || outcome.kind == Kind::removed) {
    summary.lastSyncAt = std::max(summary.lastSyncAt, outcome.at);
    if (outcome.at >= summary.lastErrorAt)
      summary.lastError = "";
  } else {
    summary.lastError = outcome.errorMessage;
    summary.lastErrorAt = outcome.at;
  }
  if (outcome.rendering.empty())
    return;
  const TimeMs removedAt = outcome.kind == Kind::removed ? outcome.at : 0;
  session["feed_pieces_put"].run(key.placementId, key.connectionId, removedAt, outcome.rendering);
  summary.feedChanged = true;
}

void SqliteStore::releaseClaims(std::span<const DeliveryTask> tasks) {
  {
    const std::lock_guard lock(givenBackMutex_);
    for (const auto& task : tasks)
      givenBack_.push_back({{task.placementId, task.connectionId}, task.fence});
  }
  const std::lock_guard lock(signalsMutex_);
  if (signals_.deliveriesDue && !tasks.empty())
    signals_.deliveriesDue();
}

void SqliteStore::clockWentBack(TimeMs now, TimeMs step) {
  writer_->relaxed([&](Session& s) {
    std::vector<std::int64_t> waiting;
    s["connections_that_wait"].each([&](Row& row) { waiting.push_back(row.integer()); }, now);
    s["deliveries_sooner"].run(now, step);
    s["connections_sooner"].run(now, step);
    gists_.clear();
    for (const auto connectionId : waiting)
      noteDue(connectionId, now);
  });
}

std::vector<DeliveryRecord> SqliteStore::deliveriesOfPlacement(std::int64_t placementId) {
  std::vector<DeliveryRecord> found;
  readers_.read([&](Session& s) {
    s["deliveries_of_placement"].each([&](Row& row) { found.push_back(readRecord(row)); }, placementId);
  });
  return found;
}

std::vector<DeliveryRecord> SqliteStore::deliveries(const std::string& state, std::size_t limit) {
  std::vector<DeliveryRecord> found;
  const auto read = [&](Row& row) { found.push_back(readRecord(row)); };
  readers_.read([&](Session& s) {
    if (state.empty()) {
      s["deliveries_all"].each(read, limit);
    } else {
      s["deliveries_in_state"].each(read, state, limit);
    }
  });
  return found;
}

std::int64_t SqliteStore::retryDeliveries(const std::string& personId, TimeMs now) {
  std::int64_t retried = 0;
  writer_->relaxed([&](Session& s) {
    std::vector<DeliveryKey> waiting;
    s["deliveries_waiting"].each(
        [&](Row& row) {
          const std::int64_t connectionId = row.integer();
          waiting.push_back({row.integer(), connectionId});
        },
        now);
    for (const auto& key : waiting) {
      const Gist* connection = gist(s, key.connectionId);
      if (connection == nullptr || (!personId.empty() && connection->personId != personId))
        continue;
      auto row = deliveryRow(s, key);
      if (!row || !retryNow(*row, connection->reach, now))
        continue;
      storeDelivery(s, key, *row);
      ++retried;
    }
  });
  return retried;
}

std::int64_t SqliteStore::resyncPerson(const std::string& personId, TimeMs now) {
  std::int64_t queued = 0;
  writer_->relaxed([&](Session& s) {
    for (const auto connectionId : connectionIdsOf(s, personId)) {
      const Gist* connection = gist(s, connectionId);
      if (connection == nullptr || connection->reach != Reach::open)
        continue;
      backFill(s, connectionId, personId, now);
      changeRowsOf(s, connectionId, [&](const DeliveryKey& key, DeliveryRow& row, const WantedContent& content) {
        if (content.endUtc <= now)
          return;
        recheck(row, content, Reach::open, touched(key, row), now);
        if (row.state == "pending")
          ++queued;
      });
    }
  });
  return queued;
}

Store::Backlog SqliteStore::backlog(TimeMs now) {
  Backlog backlog;
  readers_.read([&](Session& s) {
    s["backlog_due"].one(
        [&](Row& row) {
          backlog.due = row.integer();
          backlog.oldestDue = row.integer();
        },
        now);
    s["backlog_stuck"].each([&](Row& row) {
      const bool blocked = row.text() == "blocked";
      (blocked ? backlog.blocked : backlog.failed) = row.integer();
    });
  });
  return backlog;
}

std::vector<FeedPiece> SqliteStore::feedPieces(std::int64_t connectionId, TimeMs endedSince, TimeMs cancelledSince) {
  std::vector<std::pair<TimeMs, FeedPiece>> pieces;
  readers_.read([&](Session& s) {
    s["feed_pieces_of_connection"].each(
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

} // namespace calbridge::store::sqlite
