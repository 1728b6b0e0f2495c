#include "store/sqlite/sqlite_store.hpp"

#include <filesystem>

namespace calbridge::store::sqlite {
namespace {

/// Forgotten connections of long-running hosts must not fill the memory.
constexpr std::size_t kMostGists = 50000;

} // namespace

SqliteStore::SqliteStore(const std::string& path)
    : path_(std::filesystem::absolute(path)), lock_(path_), readers_(path_) {
  auto session = openDatabase(path_);
  try {
    Session& s = *session;
    s["begin_immediate"].run();
    s["meta_one"].one([&](Row& row) { run_ = std::stoll(row.text()); }, "run");
    s["meta_put"].run("run", std::to_string(++run_));
    s["events_last"].one([&](Row& row) { journaledBefore_ = row.integer(); });
    s["commit"].run();
    s["deliveries_schedule"].each([&](Row& row) {
      const std::int64_t connectionId = row.integer();
      schedule_.lower(connectionId, row.integer());
    });
  } catch (const Failure& failure) {
    throw failure.toError();
  }
  writer_ = std::make_unique<Writer>(path_, std::move(session), readers_,
                                     Writer::Hooks{[this] { afterCommit(); }, [this] { afterRollback(); }});
}

SqliteStore::~SqliteStore() {
  readers_.close(); // first: the last session to close checkpoints, and that must be the writer's
  writer_.reset();
}

void SqliteStore::onCommit(Signals signals) {
  const std::lock_guard lock(signalsMutex_);
  signals_ = std::move(signals);
}

void SqliteStore::afterCommit() {
  if (gists_.size() > kMostGists)
    gists_.clear();
  if (connectionIds_.size() > kMostGists)
    connectionIds_.clear();
  if (!dueTouched_)
    return;
  dueTouched_ = false;
  const std::lock_guard lock(signalsMutex_);
  if (signals_.deliveriesDue)
    signals_.deliveriesDue();
}

void SqliteStore::afterRollback() {
  gists_.clear();
  connectionIds_.clear();
}

const SqliteStore::Gist* SqliteStore::gist(Session& session, std::int64_t connectionId) {
  const auto found = gists_.find(connectionId);
  if (found != gists_.end())
    return &found->second;
  Gist gist;
  const bool exists = session["connections_gist"].one(
      [&](Row& row) {
        gist.personId = row.text();
        gist.provider = row.text();
        gist.reach = reachOf(row.text());
        gist.pausedUntil = row.integer();
        gist.lastSyncAt = row.integer();
        gist.wentWrong = row.flag();
      },
      connectionId);
  return exists ? &gists_.emplace(connectionId, std::move(gist)).first->second : nullptr;
}

const std::vector<std::int64_t>& SqliteStore::connectionIdsOf(Session& session, const std::string& personId) {
  const auto [found, fresh] = connectionIds_.try_emplace(personId);
  if (fresh) {
    try {
      session["connections_ids"].each([&](Row& row) { found->second.push_back(row.integer()); }, personId);
    } catch (...) {
      connectionIds_.erase(found);
      throw;
    }
  }
  return found->second;
}

void SqliteStore::noteDue(std::int64_t connectionId, const std::optional<TimeMs>& dueAt) {
  if (!dueAt)
    return;
  schedule_.lower(connectionId, *dueAt);
  dueTouched_ = true;
}

Touched SqliteStore::touched(const DeliveryKey& key, const DeliveryRow& row) const {
  return row.untriedIn == run_ && !leases_.touched(key) ? Touched::no : Touched::maybe;
}

std::optional<std::string> SqliteStore::meta(const std::string& key) {
  std::optional<std::string> value;
  readers_.read([&](Session& s) { s["meta_one"].one([&](Row& row) { value = row.text(); }, key); });
  return value;
}

void SqliteStore::setMeta(const std::string& key, const std::string& value) {
  writer_->durable([&](Session& s) { s["meta_put"].run(key, value); });
}

void SqliteStore::ping() {
  // The value must change, or SQLite would have nothing to write, and be no smaller than an event: where that does not
  // fit any more, a word might.
  constexpr std::size_t kEvent = 8192;
  writer_->durable([&](Session& s) {
    std::string last;
    s["meta_one"].one([&](Row& row) { last = row.text(); }, "ping");
    s["meta_put"].run("ping", std::string(kEvent, last.starts_with('1') ? '2' : '1'));
  });
  meta("ping");
}

std::int64_t SqliteStore::prune(TimeMs eventsBefore, TimeMs appointmentsEndedBefore, TimeMs now) {
  constexpr std::size_t kChunk = 500; // rows per transaction, so that nobody waits long behind it
  std::int64_t deleted = 0;
  const auto inChunks = [&](const char* find, const char* drop, auto after, TimeMs before, bool dropBefore) {
    using Id = decltype(after);
    while (true) {
      std::vector<Id> ids;
      readers_.read([&](Session& s) {
        s[find].each(
            [&](Row& row) {
              if constexpr (std::is_same_v<Id, std::string>) {
                ids.push_back(row.text());
              } else {
                ids.push_back(row.integer());
              }
            },
            before, after, kChunk);
      });
      if (ids.empty())
        return;
      writer_->relaxed([&](Session& s) {
        for (const Id& id : ids)
          deleted += dropBefore ? s[drop].run(id, before) : s[drop].run(id);
      });
      after = ids.back();
    }
  };
  inChunks("prune_events_find", "prune_events_drop", std::int64_t{0}, eventsBefore, false);
  inChunks("prune_placements_find", "prune_placements_drop", std::int64_t{0}, appointmentsEndedBefore, true);
  inChunks("prune_appointments_find", "prune_appointments_drop", std::string(), appointmentsEndedBefore, true);
  writer_->relaxed([&](Session& s) {
    deleted += s["prune_sessions"].run(now);
    deleted += s["prune_oauth_states"].run(now);
  });
  return deleted;
}

} // namespace calbridge::store::sqlite
