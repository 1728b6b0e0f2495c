#include "store/move_store.hpp"

#include "core/error.hpp"
#include "store/postgresql/copy_in.hpp"
#include "store/postgresql/schema.hpp"
#include "store/sqlite/database_file.hpp"

#include <filesystem>

namespace calbridge::store {
namespace {

constexpr std::int64_t kProgressEvery = 20'000; ///< rows

enum class Kind { text, integer, maybeInteger, flag, bytes };

struct Column {
  const char* name;
  Kind kind = Kind::text;
  const char* expression = nullptr; ///< in SQLite, when it is not the column itself
};

struct Table {
  const char* name;
  std::vector<Column> columns;
  const char* only = "";     ///< which rows
  const char* identity = ""; ///< the column that the database numbers
};

/// In the order of their references.
const std::vector<Table>& tables() {
  constexpr auto kInteger = Kind::integer;
  constexpr auto kFlag = Kind::flag;
  static const std::vector<Table> kTables{
      // The counters of an SQLite database's own life mean nothing elsewhere.
      {"meta", {{"key"}, {"value"}}, " WHERE key NOT IN ('run', 'ping')"},
      {"people", {{"id"}, {"name"}, {"email"}, {"email_lookup"}, {"role"}, {"timezone"}, {"teams"}, {"password_hash"}}},
      {"app_keys",
       {{"id", kInteger}, {"name"}, {"hash"}, {"created_at", kInteger}, {"revoked_at", kInteger}},
       "",
       "id"},
      {"sessions", {{"token_hash"}, {"person_id"}, {"created_at", kInteger}, {"expires_at", kInteger}}},
      {"events",
       {{"seq", kInteger},
        {"source"},
        {"event_id"},
        {"type"},
        {"time", kInteger},
        {"received_at", kInteger},
        {"content_hash"},
        {"routed", kFlag},
        {"result"},
        {"body"}},
       "",
       "seq"},
      {"appointments",
       {{"id"},
        {"row_version", kInteger},
        {"version", Kind::maybeInteger},
        {"order_time", kInteger},
        {"seq", kInteger},
        {"end_utc", kInteger},
        {"snapshot"},
        {"memory"}}},
      {"placements",
       {{"id", kInteger},
        {"kind"},
        {"appointment_id"},
        {"person_id"},
        {"present", kFlag},
        {"route"},
        {"revision", kInteger},
        {"decided_at", kInteger},
        {"content_hash"},
        {"title"},
        {"description"},
        {"location"},
        {"all_day", kFlag},
        {"starts"},
        {"ends"},
        {"timezone"},
        {"start_utc", kInteger},
        {"end_utc", kInteger},
        {"reminders"},
        {"show_as"},
        {"visibility"},
        {"status"},
        {"url"},
        {"event_id"}},
       "",
       "id"},
      {"connections",
       {{"id", kInteger},
        {"person_id"},
        {"provider"},
        {"account_id"},
        {"account"},
        {"state"},
        {"sealed", Kind::bytes},
        {"credentials_version", kInteger},
        {"feed_secret_hash"},
        {"feed_revision", kInteger},
        {"created_at", kInteger},
        {"last_sync_at", kInteger},
        {"last_error"},
        {"last_error_at", kInteger},
        {"paused_until", kInteger},
        {"closing_deadline", kInteger}},
       "",
       "id"},
      {"connection_values", {{"connection_id", kInteger}, {"key"}, {"value"}}},
      {"oauth_states",
       {{"seq", kInteger},
        {"state_hash"},
        {"browser_hash"},
        {"person_id"},
        {"provider"},
        {"sealed_verifier", Kind::bytes},
        {"created_at", kInteger},
        {"expires_at", kInteger}},
       "",
       "seq"},
      {"audit", {{"seq", kInteger}, {"at", kInteger}, {"action"}, {"actor"}, {"person_id"}, {"detail"}}, "", "seq"},
      // Whoever made a row may have attempted it: nobody can say any more that it is untried.
      {"deliveries",
       {{"placement_id", kInteger},
        {"connection_id", kInteger},
        {"state"},
        {"wanted", kFlag},
        {"wanted_revision", kInteger},
        {"applied_revision", kInteger},
        {"applied_hash"},
        {"provider_event_id"},
        {"etag"},
        {"attempts", kInteger},
        {"tries", kInteger},
        {"first_failure_at", kInteger},
        {"due_at", Kind::maybeInteger},
        {"delivered_at", kInteger},
        {"generation", kInteger},
        {"untried", kFlag, "0"},
        {"error_code"},
        {"error_message"}}},
      {"feed_pieces",
       {{"connection_id", kInteger},
        {"placement_id", kInteger},
        {"start_utc", kInteger},
        {"end_utc", kInteger},
        {"timezone"},
        {"removed_at", kInteger},
        {"rendering"}}},
  };
  return kTables;
}

/// The database file, open for reading.
class Source {
 public:
  explicit Source(const std::string& path) {
    if (sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) {
      const std::string reason = sqlite3_errmsg(db_);
      sqlite3_close(db_);
      throw Error("store_unavailable", "Cannot open the database " + path + ": " + reason);
    }
  }
  ~Source() { sqlite3_close(db_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  std::int64_t number(const std::string& sql) {
    std::int64_t value = 0;
    sqlite::Statement(db_, sql).one([&](sqlite::Row& row) { value = row.integer(); });
    return value;
  }
  template <typename Visit>
  void each(const std::string& sql, const Visit& visit) {
    sqlite::Statement(db_, sql).each(visit);
  }

 private:
  sqlite3* db_ = nullptr;
};

std::string nameList(const Table& table, bool expressions) {
  std::string list;
  for (const auto& column : table.columns) {
    if (!list.empty())
      list += ", ";
    list += expressions && column.expression != nullptr ? column.expression : column.name;
  }
  return list;
}

std::int64_t copyTable(Source& source, postgresql::Session& to, const Table& table, const MoveProgress& progress) {
  const std::string from = std::string(" FROM ") + table.name + table.only;
  const std::int64_t total = source.number("SELECT count(*)" + from);
  std::int64_t done = 0;
  progress(table.name, 0, total);
  postgresql::CopyIn copy(to, std::string("COPY ") + table.name + " (" + nameList(table, false) + ") FROM STDIN");
  source.each("SELECT " + nameList(table, true) + from, [&](sqlite::Row& row) {
    for (const auto& column : table.columns) {
      switch (column.kind) {
      case Kind::text:
        copy.text(row.view());
        break;
      case Kind::integer:
        copy.integer(row.integer());
        break;
      case Kind::maybeInteger:
        copy.integer(row.maybeInteger());
        break;
      case Kind::flag:
        copy.flag(row.flag());
        break;
      case Kind::bytes:
        copy.bytes(row.view());
        break;
      }
    }
    copy.endRow();
    if (++done % kProgressEvery == 0)
      progress(table.name, done, total);
  });
  copy.finish();
  progress(table.name, done, total);

  if (*table.identity != '\0') {
    // Numbers that were ever given are never given again: uids and sealed bytes are bound to them.
    std::int64_t last = source.number(std::string("SELECT ifnull(max(") + table.identity + "), 0) FROM " + table.name);
    last = std::max(last, source.number(std::string("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = '") +
                                        table.name + "'"));
    if (last > 0)
      to.value(std::string("SELECT setval(pg_get_serial_sequence('") + table.name + "', '" + table.identity + "'), " +
               std::to_string(last) + ")");
  }
  const auto stored = std::stoll(to.value(std::string("SELECT count(*) FROM ") + table.name));
  if (stored != total || done != total)
    throw Error("store_move", std::string("the table ") + table.name + " has " + std::to_string(total) + " rows, but " +
                                  std::to_string(stored) + " arrived; nothing was moved");
  return total;
}

void requireEmpty(postgresql::Session& session, const std::string& url) {
  const auto refuse = [&](const std::string& what) {
    throw Error("store_not_empty", "The database " + postgresql::placeOf(url) + " " + what +
                                       ". Name one that is empty; it is filled as a whole or not at all.");
  };
  if (session.value("SELECT EXISTS (SELECT 1 FROM nodes WHERE alive_until > clock_timestamp())") == "t")
    refuse("is used by a running host");
  for (const auto& table : tables())
    if (session.value(std::string("SELECT EXISTS (SELECT 1 FROM ") + table.name + ")") == "t")
      refuse(std::string("has rows in the table ") + table.name);
}

} // namespace

std::vector<MovedTable> moveStore(const std::string& from, const std::string& to, const MoveProgress& progress) {
  if (!from.starts_with("sqlite:") || !(to.starts_with("postgresql://") || to.starts_with("postgres://")))
    throw Error("store_move", "an installation moves from SQLite to PostgreSQL: FROM is sqlite:PATH, TO is "
                              "postgresql://user@host/db");
  const std::string path = std::filesystem::absolute(from.substr(from.find(':') + 1));
  if (!std::filesystem::exists(path))
    throw Error("store_unavailable", "There is no database " + path + ".");
  const sqlite::LockFile lock(path);
  sqlite::openDatabase(path); // of an older version: brings it to this one's tables
  Source source(path);

  postgresql::openSchema(to);
  std::vector<MovedTable> moved;
  try {
    postgresql::Session session(to);
    session.script("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET enable_seqscan = on");
    session.begin(true);
    requireEmpty(session, to);
    for (const auto& table : tables())
      moved.push_back({table.name, copyTable(source, session, table, progress)});
    session.commit();
    session.script("ANALYZE");
  } catch (const postgresql::Failure& failure) {
    throw failure.toError();
  } catch (const sqlite::Failure& failure) {
    throw failure.toError();
  }
  return moved;
}

} // namespace calbridge::store
