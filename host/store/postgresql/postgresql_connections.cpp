#include "store/postgresql/delivery_changes.hpp"
#include "store/postgresql/postgresql_store.hpp"

namespace calbridge::store::postgresql {
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
std::vector<ConnectionRecord> readConnections(Sessions& sessions, const char* operation, const Values&... values) {
  std::vector<ConnectionRecord> found;
  sessions.read([&](Session& s) {
    found.clear();
    s.each(
        operation, [&](Row& row) { found.push_back(readConnection(row)); }, values...);
  });
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

std::optional<ConnectionRecord> first(std::vector<ConnectionRecord> found) {
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

/// Keeps routing for the connection's person away until the transaction has ended.
void holdPersonOf(Session& session, std::int64_t connectionId) {
  session.one(
      "people_hold_of_connection", [](Row&) {}, connectionId);
}

} // namespace

ConnectionRecord PostgresqlStore::connect(const ConnectionRecord& fresh, const Seal& seal, TimeMs now) {
  ConnectionRecord stored;
  const std::string accountId = fresh.accountId.empty() ? kFeedAccount : fresh.accountId;
  change(Durability::durable, [&](Session& s, Dues& dues) {
    s.one(
        "people_hold", [](Row&) {}, fresh.personId);
    std::vector<std::int64_t> replaced;
    s.each(
        "connections_live_of_provider", [&](Row& row) { replaced.push_back(row.integer()); }, fresh.personId,
        fresh.provider, accountId);
    for (const auto other : replaced) {
      s.run("connections_close", other, now + kReplacedDeadlineMs);
      closeRows(s, dues, other, true, now);
    }
    std::int64_t id = 0;
    Reach before = Reach::none;
    const bool known = s.one(
        "connections_of_account",
        [&](Row& row) {
          id = row.integer();
          before = reachOf(row.text());
        },
        fresh.personId, fresh.provider, accountId);
    if (!known)
      s.one(
          "connections_add", [&](Row& row) { id = row.integer(); }, fresh.personId, fresh.provider, accountId,
          fresh.account, fresh.feedSecretHash, now);
    const std::string sealed = seal ? seal(id) : std::string();
    s.run("connections_reconnect", id, fresh.account, Blob{sealed}, fresh.feedSecretHash);
    const bool forgotten = before == Reach::none || before == Reach::closing;
    changeRowsOf(s, dues, id, [&](DeliveryRow& row, const WantedContent& content) {
      reconnect(row, content, forgotten, touched(row), now);
    });
    backFill(s, dues, id, fresh.personId, now);
    s.one(
        "connections_one", [&](Row& row) { stored = readConnection(row); }, id);
  });
  return stored;
}

bool PostgresqlStore::storeCredentials(std::int64_t connectionId, std::int64_t expectedVersion,
                                       const std::string& sealed) {
  bool stored = false;
  sessions_.write(Durability::durable, [&](Session& s) {
    stored = s.run("connections_store_credentials", connectionId, expectedVersion, Blob{sealed}) > 0;
  });
  return stored;
}

std::optional<ConnectionRecord> PostgresqlStore::connection(std::int64_t id) {
  return first(readConnections(sessions_, "connections_one", id));
}

std::vector<ConnectionRecord> PostgresqlStore::connectionsOf(const std::string& personId) {
  return readConnections(sessions_, "connections_of_person", personId);
}

std::vector<ConnectionRecord> PostgresqlStore::connectionsIn(const std::string& state) {
  return readConnections(sessions_, "connections_in_state", state);
}

std::optional<ConnectionRecord> PostgresqlStore::connectionByFeedSecret(const std::string& secretHash) {
  return first(readConnections(sessions_, "connections_by_feed", secretHash));
}

std::int64_t PostgresqlStore::connectionsUsing(const std::string& provider, const std::string& accountId,
                                               std::int64_t except) {
  std::int64_t count = 0;
  sessions_.read([&](Session& s) {
    s.one(
        "connections_using", [&](Row& row) { count = row.integer(); }, provider, accountId, except);
  });
  return count;
}

ConnectionCounts PostgresqlStore::counts(std::int64_t connectionId) {
  ConnectionCounts counts;
  sessions_.read([&](Session& s) {
    counts = {};
    s.each(
        "deliveries_counts",
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

std::vector<DeadGrant> PostgresqlStore::deadGrants(const DeadGrantPlace& after, std::size_t limit) {
  std::vector<DeadGrant> found;
  sessions_.read([&](Session& s) {
    found.clear();
    s.each(
        "connections_dead",
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

std::vector<ConnectionTally> PostgresqlStore::connectionTallies() {
  std::vector<ConnectionTally> found;
  sessions_.read([&](Session& s) {
    found.clear();
    s.each("connections_tallies", [&](Row& row) {
      auto& tally = found.emplace_back();
      tally.provider = row.text();
      tally.live = row.integer();
      tally.failing = row.integer();
      tally.needsReconnection = row.integer();
    });
  });
  return found;
}

bool PostgresqlStore::needReconnection(std::int64_t connectionId, std::int64_t credentialsVersion,
                                       const std::string& reason, TimeMs now) {
  bool needed = false;
  change(Durability::durable, [&](Session& s, Dues& dues) {
    holdPersonOf(s, connectionId);
    needed = s.run("connections_need_reconnection", connectionId, credentialsVersion, reason, now) > 0;
    if (needed) {
      changeRowsOf(s, dues, connectionId, [](DeliveryRow& row, const WantedContent&) { block(row); });
      return;
    }
    s.one(
        "connections_one", [&](Row& row) { needed = readConnection(row).state == "needs_reconnection"; }, connectionId);
  });
  return needed;
}

void PostgresqlStore::closeRows(Session& session, Dues& dues, std::int64_t connectionId, bool removeEntries,
                                TimeMs now) {
  changeRowsOf(session, dues, connectionId, [&](DeliveryRow& row, const WantedContent& content) {
    close(row, content, removeEntries, touched(row), now);
  });
}

void PostgresqlStore::beginClosing(std::int64_t connectionId, bool removeEntries, TimeMs now, TimeMs deadline) {
  change(Durability::durable, [&](Session& s, Dues& dues) {
    holdPersonOf(s, connectionId);
    if (s.run("connections_close", connectionId, deadline) > 0)
      closeRows(s, dues, connectionId, removeEntries, now);
  });
}

std::int64_t PostgresqlStore::removalsLeft(std::int64_t connectionId) {
  std::int64_t left = 0;
  sessions_.read([&](Session& s) {
    s.one(
        "deliveries_pending_count", [&](Row& row) { left = row.integer(); }, connectionId);
  });
  return left;
}

void PostgresqlStore::endConnection(std::int64_t connectionId) {
  change(Durability::durable, [&](Session& s, Dues& dues) {
    holdPersonOf(s, connectionId);
    if (s.run("connections_end", connectionId) == 0)
      return;
    Array worthless = Array::integers();
    DeliveryChanges changes;
    s.each(
        "deliveries_of_connection",
        [&](Row& row) {
          const Key key{row.integer(), connectionId};
          for (int skipped = 0; skipped < 4; ++skipped)
            row.view();
          const DeliveryRow before = readDeliveryRow(row);
          DeliveryRow after = before;
          if (!end(after, touched(after)))
            worthless.add(key.placementId);
          else if (after != before)
            changes.change(key, "", after);
        },
        connectionId);
    flush(s, dues, changes);
    if (worthless.size() > 0)
      s.run("deliveries_drop", worthless, connectionId);
  });
}

std::optional<std::string> PostgresqlStore::connectionValue(std::int64_t connectionId, const std::string& key) {
  std::optional<std::string> value;
  sessions_.read([&](Session& s) {
    s.one(
        "values_one", [&](Row& row) { value = row.text(); }, connectionId, key);
  });
  return value;
}

void PostgresqlStore::setConnectionValue(std::int64_t connectionId, const std::string& key, const std::string& value) {
  sessions_.write(Durability::durable, [&](Session& s) {
    if (value.empty())
      s.run("values_drop", connectionId, key);
    else
      s.run("values_put", connectionId, key, value);
  });
}

void PostgresqlStore::addOAuthState(const OAuthState& state) {
  sessions_.write(Durability::relaxed, [&](Session& s) {
    s.run("oauth_states_add", state.stateHash, state.browserHash, state.personId, state.provider,
          Blob{state.sealedVerifier}, state.createdAt, state.expiresAt);
    s.run("oauth_states_bound");
  });
}

std::optional<OAuthState> PostgresqlStore::takeOAuthState(const std::string& stateHash) {
  std::optional<OAuthState> taken;
  // Relaxed would let a crash of the server bring it back. When the commit was not heard of, the second look finds
  // nothing, and the flow has to begin anew: a state must not work twice.
  sessions_.write(Durability::durable, [&](Session& s) {
    taken.reset();
    s.one(
        "oauth_states_take", [&](Row& row) { taken = readOAuthState(row); }, stateHash);
  });
  return taken;
}

std::vector<ConnectionRecord> PostgresqlStore::sealedConnections(std::int64_t after, std::size_t limit) {
  return readConnections(sessions_, "connections_sealed", after, limit);
}

std::vector<OAuthState> PostgresqlStore::oauthStates() {
  std::vector<OAuthState> found;
  sessions_.read([&](Session& s) {
    found.clear();
    s.each("oauth_states_all", [&](Row& row) { found.push_back(readOAuthState(row)); });
  });
  return found;
}

std::size_t PostgresqlStore::reseal(std::span<const ConnectionRecord> connections, std::span<const OAuthState> states) {
  std::int64_t rows = 0;
  sessions_.write(Durability::durable, [&](Session& s) {
    rows = 0;
    for (const auto& record : connections)
      rows += s.run("connections_reseal", record.id, record.credentialsVersion, Blob{record.sealed});
    for (const auto& state : states)
      rows += s.run("oauth_states_reseal", state.stateHash, Blob{state.sealedVerifier});
  });
  return static_cast<std::size_t>(rows);
}

void PostgresqlStore::forgetReplaced() {} // dead rows go with the server's next vacuum

} // namespace calbridge::store::postgresql
