#include "store/postgresql/postgresql_store.hpp"

#include "store/postgresql/delivery_changes.hpp"
#include "store/postgresql/schema.hpp"

namespace calbridge::store::postgresql {
namespace {

const std::string& opened(const std::string& url) {
  openSchema(url);
  return url;
}

} // namespace

PostgresqlStore::PostgresqlStore(const std::string& url, const OpenOptions& options)
    : options_(options), sessions_(opened(url)), journal_(sessions_, [this] { return run(); }) {
  if (options_.node.empty())
    return;
  node_ = std::make_unique<Node>(url, options_.node, options_.nodeLifetime);
  lookAround();
  node_->start({.everySecond = [this] { lookAround(); }, .newRun = [] {}});
}

PostgresqlStore::~PostgresqlStore() {
  if (node_ != nullptr)
    node_->stop();
}

/// What other nodes left to do, every second: deliveries that they made due, events of those that are gone.
void PostgresqlStore::lookAround() {
  std::vector<Due> heads;
  bool orphaned = false;
  std::size_t alive = 0, inUse = 0;
  bool wanted = false;
  sessions_.read([&](Session& s) {
    heads.clear();
    alive = inUse = 0;
    wanted = false;
    s.each("deliveries_heads", [&](Row& row) {
      const std::int64_t connectionId = row.integer();
      const TimeMs at = row.integer();
      heads.push_back({connectionId, at, row.text()});
    });
    s.one(
        "events_orphaned", [&](Row& row) { orphaned = row.flag(); }, run());
    s.each("nodes_alive", [&](Row& row) {
      const bool own = row.integer() == run();
      row.text(); // name
      row.text(); // policy
      ++alive;
      wanted = (row.flag() && !own) || wanted;
    });
    if (alive > 1)
      s.one("mailboxes_in_use", [&](Row& row) { inUse = static_cast<std::size_t>(row.integer()); });
  });
  alive_ = alive;
  inUse_ = inUse;
  workWanted_ = wanted;
  const TimeMs now = SystemClock().now();
  bool due = false;
  for (const auto& head : heads) {
    if (held_.on(head.connectionId) > 0)
      continue; // its first rows are this node's own claims, and their ends are told
    due = book_.lower(head.connectionId, head.at, head.provider) || head.at <= now || due;
  }
  if (due)
    signalDue();
  if (orphaned) {
    const std::lock_guard lock(signalsMutex_);
    if (eventsWaiting_)
      eventsWaiting_();
  }
  shareDue_ = true;
  if (const std::unique_lock lock(claimMutex_, std::try_to_lock); lock)
    shareMailboxes();
}

void PostgresqlStore::change(Durability durability, const std::function<void(Session&, Dues&)>& work) {
  Dues dues;
  sessions_.write(durability, [&](Session& session) {
    dues.clear();
    work(session, dues);
  });
  for (const auto& due : dues)
    book_.lower(due.connectionId, due.at, due.provider);
  if (!dues.empty())
    signalDue();
}

void PostgresqlStore::signalDue() {
  const std::lock_guard lock(signalsMutex_);
  if (signals_.deliveriesDue)
    signals_.deliveriesDue();
}

void PostgresqlStore::onCommit(Signals signals) {
  const std::lock_guard lock(signalsMutex_);
  signals_ = std::move(signals);
}

void PostgresqlStore::onEventsWaiting(std::function<void()> there) {
  const std::lock_guard lock(signalsMutex_);
  eventsWaiting_ = std::move(there);
}

void PostgresqlStore::announcePolicy(const std::string& policy) {
  if (node_ != nullptr)
    node_->announce(policy);
}

std::vector<NodeRecord> PostgresqlStore::nodes() {
  std::vector<NodeRecord> nodes;
  const std::int64_t own = run();
  sessions_.read([&](Session& s) {
    nodes.clear();
    s.each("nodes_alive", [&](Row& row) {
      NodeRecord node;
      node.own = row.integer() == own;
      node.name = row.text();
      node.policy = row.text();
      nodes.push_back(std::move(node));
    });
  });
  return nodes;
}

std::optional<std::string> PostgresqlStore::meta(const std::string& key) {
  std::optional<std::string> value;
  sessions_.read([&](Session& s) {
    s.one(
        "meta_one", [&](Row& row) { value = row.text(); }, key);
  });
  return value;
}

void PostgresqlStore::setMeta(const std::string& key, const std::string& value) {
  sessions_.write(Durability::durable, [&](Session& s) { s.run("meta_put", key, value); });
}

std::string PostgresqlStore::metaOnce(const std::string& key, const std::string& value) {
  std::string stored;
  sessions_.write(Durability::durable, [&](Session& s) {
    s.run("meta_put_once", key, value);
    s.one(
        "meta_one", [&](Row& row) { stored = row.text(); }, key);
  });
  return stored;
}

void PostgresqlStore::ping() {
  sessions_.write(Durability::durable, [](Session& s) { s.run("meta_put", "ping", "1"); });
  meta("ping");
}

std::int64_t PostgresqlStore::prune(TimeMs eventsBefore, TimeMs appointmentsEndedBefore, TimeMs now) {
  constexpr std::size_t kChunk = 500; // rows per transaction, so that nobody waits long behind it
  std::int64_t deleted = 0;
  const auto inChunks = [&](const char* find, const char* drop, auto after, TimeMs before, bool dropBefore) {
    using Id = decltype(after);
    while (true) {
      std::vector<Id> ids;
      sessions_.read([&](Session& s) {
        ids.clear();
        s.each(
            find,
            [&](Row& row) {
              if constexpr (std::is_same_v<Id, std::string>)
                ids.push_back(row.text());
              else
                ids.push_back(row.integer());
            },
            before, after, kChunk);
      });
      if (ids.empty())
        return;
      Array dropped = std::is_same_v<Id, std::string> ? Array::texts() : Array::integers();
      for (const Id& id : ids)
        dropped.add(id);
      std::int64_t rows = 0;
      sessions_.write(Durability::relaxed,
                      [&](Session& s) { rows = dropBefore ? s.run(drop, dropped, before) : s.run(drop, dropped); });
      deleted += rows;
      after = ids.back();
    }
  };
  inChunks("prune_events_find", "prune_events_drop", std::int64_t{0}, eventsBefore, false);
  inChunks("prune_placements_find", "prune_placements_drop", std::int64_t{0}, appointmentsEndedBefore, true);
  inChunks("prune_appointments_find", "prune_appointments_drop", std::string(), appointmentsEndedBefore, true);
  std::int64_t expired = 0;
  sessions_.write(Durability::relaxed, [&](Session& s) {
    expired = s.run("prune_sessions", now);
    expired += s.run("prune_oauth_states", now);
  });
  return deleted + expired;
}

} // namespace calbridge::store::postgresql
