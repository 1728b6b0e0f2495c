#include "store/sqlite/sqlite_store.hpp"

namespace calbridge::store::sqlite {
namespace {

/// How long the connection to another account, replaced by a new one, may take to remove its entries.
constexpr TimeMs kReplacedDeadlineMs = 120'000;
/// The account of providers that have none (subscription feeds).
constexpr const char* kFeedAccount = "feed";

ConnectionRecord readConnection(Row& row) {
  ConnectionRecord c;
  c.id = row.integer();
  c.personId = row.text();
  c.provider = row.text();
  c.state = row.text();
  c.accountId = row.text();
  c.account = row.text();
  c.sealed = row.text();
  c.credentialsVersion = row.integer();
  c.feedSecretHash = row.text();
  c.feedRevision = row.integer();
  c.createdAt = row.integer();
  c.lastSyncAt = row.integer();
  c.lastError = row.text();
  c.lastErrorAt = row.integer();
  c.pausedUntil = row.integer();
  c.closingDeadline = row.integer();
  return c;
}

template <typename... Values>
std::vector<ConnectionRecord> readConnections(Readers& readers, const char* operation, const Values&... values) {
  std::vector<ConnectionRecord> found;
  readers.read(
      [&](Session& s) { s[operation].each([&](Row& row) { found.push_back(readConnection(row)); }, values...); });
  return found;
}

OAuthState readOAuthState(Row& row) {
  OAuthState state;
  state.stateHash = row.text();
  state.browserHash = row.text();
  state.personId = row.text();
  state.provider = row.text();
  state.sealedVerifier = row.text();
  state.createdAt = row.integer();
  state.expiresAt = row.integer();
  return state;
}

} // namespace

ConnectionRecord SqliteStore::connect(const ConnectionRecord& fresh, const Seal& seal, TimeMs now) {
  ConnectionRecord stored;
  const std::string accountId = fresh.accountId.empty() ? kFeedAccount : fresh.accountId;
  writer_->durable([&](Session& s) {
    std::vector<std::int64_t> replaced;
    s["connections_live_of_provider"].each([&](Row& row) { replaced.push_back(row.integer()); }, fresh.personId,
                                           fresh.provider, accountId);
    for (const auto other : replaced) {
      s["connections_close"].run(other, now + kReplacedDeadlineMs);
      closeRows(s, other, true, now);
    }
    std::int64_t id = 0;
    Reach before = Reach::none;
    const bool known = s["connections_of_account"].one(
        [&](Row& row) {
          id = row.integer();
          before = reachOf(row.text());
        },
        fresh.personId, fresh.provider, accountId);
    if (!known) {
      s["connections_add"].run(fresh.personId, fresh.provider, accountId, fresh.account, fresh.feedSecretHash, now);
      id = s.lastInsertId();
      connectionIds_.erase(fresh.personId);
    }
    const std::string sealed = seal ? seal(id) : std::string();
    s["connections_reconnect"].run(id, fresh.account, Blob{sealed}, fresh.feedSecretHash);
    forgetGist(id);
    const bool forgotten = before == Reach::none || before == Reach::closing;
    changeRowsOf(s, id, [&](const DeliveryKey& key, DeliveryRow& row, const WantedContent& content) {
      reconnect(row, content, forgotten, touched(key, row), now);
    });
    backFill(s, id, fresh.personId, now);
    s["connections_one"].one([&](Row& row) { stored = readConnection(row); }, id);
  });
  return stored;
}

bool SqliteStore::storeCredentials(std::int64_t connectionId, std::int64_t expectedVersion, const std::string& sealed) {
  bool stored = false;
  writer_->durable([&](Session& s) {
    stored = s["connections_store_credentials"].run(connectionId, expectedVersion, Blob{sealed}) > 0;
  });
  return stored;
}

std::optional<ConnectionRecord> SqliteStore::connection(std::int64_t id) {
  auto found = readConnections(readers_, "connections_one", id);
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

std::vector<ConnectionRecord> SqliteStore::connectionsOf(const std::string& personId) {
  return readConnections(readers_, "connections_of_person", personId);
}

std::vector<ConnectionRecord> SqliteStore::connectionsIn(const std::string& state) {
  return readConnections(readers_, "connections_in_state", state);
}

std::optional<ConnectionRecord> SqliteStore::connectionByFeedSecret(const std::string& secretHash) {
  auto found = readConnections(readers_, "connections_by_feed", secretHash);
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

std::int64_t SqliteStore::connectionsUsing(const std::string& provider, const std::string& accountId,
                                           std::int64_t except) {
  std::int64_t count = 0;
  readers_.read([&](Session& s) {
    s["connections_using"].one([&](Row& row) { count = row.integer(); }, provider, accountId, except);
  });
  return count;
}

ConnectionCounts SqliteStore::counts(std::int64_t connectionId) {
  ConnectionCounts counts;
  readers_.read([&](Session& s) {
    s["deliveries_counts"].each(
        [&](Row& row) {
          const auto state = row.text();
          const auto rows = row.integer();
          if (state == "pending" || state == "blocked")
            counts.pending += rows;
          if (state == "delivered")
            counts.delivered += rows;
          if (state == "failed")
            counts.failed += rows;
        },
        connectionId);
  });
  return counts;
}

std::vector<DeadGrant> SqliteStore::deadGrants(const DeadGrantPlace& after, std::size_t limit) {
  std::vector<DeadGrant> found;
  readers_.read([&](Session& s) {
    s["connections_dead"].each(
        [&](Row& row) {
          auto& grant = found.emplace_back();
          grant.connectionId = row.integer();
          grant.personId = row.text();
          grant.personName = row.text();
          grant.email = row.text();
          grant.role = row.text();
          grant.provider = row.text();
          grant.accountId = row.text();
          grant.account = row.text();
          grant.reason = row.text();
          grant.since = row.integer();
          grant.pending = row.integer();
        },
        after.since, after.connectionId, limit);
  });
  return found;
}

std::vector<ConnectionTally> SqliteStore::connectionTallies() {
  std::vector<ConnectionTally> found;
  readers_.read([&](Session& s) {
    s["connections_tallies"].each([&](Row& row) {
      auto& tally = found.emplace_back();
      tally.provider = row.text();
      tally.live = row.integer();
      tally.failing = row.integer();
      tally.needsReconnection = row.integer();
    });
  });
  return found;
}

bool SqliteStore::needReconnection(std::int64_t connectionId, std::int64_t credentialsVersion,
                                   const std::string& reason, TimeMs now) {
  bool needed = false;
  writer_->durable([&](Session& s) {
    if (s["connections_need_reconnection"].run(connectionId, credentialsVersion, reason, now) > 0) {
      needed = true;
      forgetGist(connectionId);
      changeRowsOf(s, connectionId, [](const DeliveryKey&, DeliveryRow& row, const WantedContent&) { block(row); });
      return;
    }
    const Gist* known = gist(s, connectionId);
    needed = known != nullptr && known->reach == Reach::waiting;
  });
  return needed;
}

void SqliteStore::closeRows(Session& session, std::int64_t connectionId, bool removeEntries, TimeMs now) {
  forgetGist(connectionId);
  changeRowsOf(session, connectionId, [&](const DeliveryKey& key, DeliveryRow& row, const WantedContent& content) {
    close(row, content, removeEntries, touched(key, row), now);
  });
}

void SqliteStore::beginClosing(std::int64_t connectionId, bool removeEntries, TimeMs now, TimeMs deadline) {
  writer_->durable([&](Session& s) {
    if (s["connections_close"].run(connectionId, deadline) > 0)
      closeRows(s, connectionId, removeEntries, now);
  });
}

std::int64_t SqliteStore::removalsLeft(std::int64_t connectionId) {
  std::int64_t left = 0;
  readers_.read(
      [&](Session& s) { s["deliveries_pending_count"].one([&](Row& row) { left = row.integer(); }, connectionId); });
  return left;
}

void SqliteStore::endConnection(std::int64_t connectionId) {
  writer_->durable([&](Session& s) {
    s["connections_end"].run(connectionId);
    forgetGist(connectionId);
    std::vector<DeliveryKey> worthless;
    changeRowsOf(s, connectionId, [&](const DeliveryKey& key, DeliveryRow& row, const WantedContent&) {
      if (!end(row, touched(key, row)))
        worthless.push_back(key);
    });
    for (const auto& key : worthless)
      s["deliveries_drop"].run(key.placementId, key.connectionId);
  });
}

std::optional<std::string> SqliteStore::connectionValue(std::int64_t connectionId, const std::string& key) {
  std::optional<std::string> value;
  readers_.read([&](Session& s) { s["values_one"].one([&](Row& row) { value = row.text(); }, connectionId, key); });
  return value;
}

void SqliteStore::setConnectionValue(std::int64_t connectionId, const std::string& key, const std::string& value) {
  writer_->durable([&](Session& s) {
    if (value.empty()) {
      s["values_drop"].run(connectionId, key);
    } else {
      s["values_put"].run(connectionId, key, value);
    }
  });
}

void SqliteStore::addOAuthState(const OAuthState& state) {
  writer_->relaxed([&](Session& s) {
    s["oauth_states_add"].run(state.stateHash, state.browserHash, state.personId, state.provider,
                              Blob{state.sealedVerifier}, state.createdAt, state.expiresAt);
    s["oauth_states_bound"].run();
  });
}

std::optional<OAuthState> SqliteStore::takeOAuthState(const std::string& stateHash) {
  std::optional<OAuthState> taken;
  writer_->relaxed(
      [&](Session& s) { s["oauth_states_take"].one([&](Row& row) { taken = readOAuthState(row); }, stateHash); });
  return taken;
}

std::vector<ConnectionRecord> SqliteStore::sealedConnections(std::int64_t after, std::size_t limit) {
  return readConnections(readers_, "connections_sealed", after, limit);
}

std::vector<OAuthState> SqliteStore::oauthStates() {
  std::vector<OAuthState> found;
  readers_.read(
      [&](Session& s) { s["oauth_states_all"].each([&](Row& row) { found.push_back(readOAuthState(row)); }); });
  return found;
}

std::size_t SqliteStore::reseal(std::span<const ConnectionRecord> connections, std::span<const OAuthState> states) {
  std::int64_t rows = 0;
  writer_->durable([&](Session& s) {
    for (const auto& record : connections)
      rows += s["connections_reseal"].run(record.id, record.credentialsVersion, Blob{record.sealed});
    for (const auto& state : states)
      rows += s["oauth_states_reseal"].run(state.stateHash, Blob{state.sealedVerifier});
  });
  return static_cast<std::size_t>(rows);
}

void SqliteStore::forgetReplaced() {
  // SQLite overwrites freed parts of pages (secure_delete); former versions of whole pages are in the log.
  writer_->inspect([&](Session& s) {
    const Readers::Pause pause(readers_);
    s.number("PRAGMA wal_checkpoint(TRUNCATE)");
  });
}

} // namespace calbridge::store::sqlite
