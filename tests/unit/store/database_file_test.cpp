#include "core/error.hpp"
#include "store/sql/embedded.hpp"
#include "store/store.hpp"

#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/Session.h>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace calbridge;
using namespace calbridge::store;
namespace fs = std::filesystem;

namespace {

/// A folder that goes when it goes.
struct Folder {
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "calbridge-file-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
      throw std::runtime_error("no temporary directory");
    path = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

std::string url(const fs::path& path) {
  return "sqlite:" + path.string();
}

Error failureOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no Error was thrown");
  return {"", ""};
}

void execute(const fs::path& path, const std::string& sql) {
  Poco::Data::SQLite::Connector::registerConnector();
  Poco::Data::Session session("SQLite", path.string());
  session << sql, Poco::Data::Keywords::now;
}

/// Several statements, as the sqlite3 program runs them.
void script(const fs::path& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  char* problem = nullptr;
  sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &problem);
  const std::string said = problem == nullptr ? "" : problem;
  sqlite3_free(problem);
  sqlite3_close(db);
  REQUIRE(said == "");
}

/// The only column of a query's only row.
std::string text(const fs::path& path, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  std::string found = "nothing";
  sqlite3_exec(
      db, sql.c_str(),
      [](void* into, int, char** columns, char**) {
        *static_cast<std::string*>(into) = columns[0] == nullptr ? "" : columns[0];
        return 0;
      },
      &found, nullptr);
  sqlite3_close(db);
  return found;
}

mode_t modeOf(const fs::path& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

void accept(Store& store, const std::string& id, const std::string& body = "{}") {
  const NewEvent event{"app", id, "order.confirmed", 1, "hash", body};
  store.acceptEvents({&event, 1}, 1);
}

/// A small file system of its own, for running out of space.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& at) : at_(at) {
    fs::create_directories(at);
    mounted_ = ::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=2m") == 0;
  }
  ~SmallDisk() {
    if (mounted_)
      ::umount2(at_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }

 private:
  fs::path at_;
  bool mounted_ = false;
};

} // namespace

TEST_CASE("Missing directories and the file are made for their owner alone") {
  const Folder folder;
  const auto path = folder.path / "var" / "deep" / "test.db";
  const auto store = openStore(url(path));
  store->ping();
  CHECK(modeOf(folder.path / "var") == 0700);
  CHECK(modeOf(folder.path / "var" / "deep") == 0700);
  CHECK(modeOf(path) == 0600);
  CHECK(modeOf(path.string() + "-wal") == 0600);
  CHECK(modeOf(path.string() + ".lock") == 0600);
}

TEST_CASE("A database in use is refused with its owner's process id") {
  const Folder folder;
  const auto path = folder.path / "test.db";
  auto store = openStore(url(path));
  const auto error = failureOf([&] { openStore(url(path)); });
  CHECK(error.code() == "store_locked");
  CHECK(error.message().find("in use by another calbridge (pid " + std::to_string(::getpid()) + ")") !=
        std::string::npos);
  store.reset();
  CHECK_NOTHROW(openStore(url(path)));
}

TEST_CASE("A database from a newer version is refused and stays as it is") {
  const Folder folder;
  const auto path = folder.path / "test.db";
  openStore(url(path))->setMeta("key", "value");
  execute(path, "PRAGMA user_version = 7");
  const auto error = failureOf([&] { openStore(url(path)); });
  CHECK(error.code() == "store_newer");
  CHECK(error.message().find("schema 7, this program knows 4") != std::string::npos);
  execute(path, "PRAGMA user_version = 4");
  CHECK(openStore(url(path))->meta("key") == "value");
}

TEST_CASE("A database without an audit log gets one and keeps what it has") {
  const Folder folder;
  const auto path = folder.path / "test.db";
  openStore(url(path))->setMeta("key", "value");
  execute(path, "DROP TABLE audit; PRAGMA user_version = 1");
  const auto store = openStore(url(path));
  CHECK(store->meta("key") == "value");
  store->addAudit({0, 1, "person.erased", "app:shop", "john", nlohmann::json::object()});
  REQUIRE(store->audit({}).size() == 1);
}

TEST_CASE(
    "Deliveries of a database from before their table was made anew are kept as they are, and go with the person") {
  const Folder folder;
  const auto path = folder.path / "test.db";
  for (const auto& migration : sql::sqliteMigrations())
    if (migration.version <= 3)
      script(path, std::string(migration.text));
  script(path, R"(
    INSERT INTO people (id, name, email, email_lookup, role, timezone, teams)
      VALUES ('john', 'John', 'j@x', 'j@x', 'customer', 'UTC', '[]'), ('mary', 'Mary', 'm@x', 'm@x', 'customer', 'UTC', '[]');
    INSERT INTO connections (id, person_id, provider, account_id, account, state, sealed, credentials_version,
        feed_secret_hash, created_at)
      VALUES (7, 'john', 'google', 'j', 'j', 'connected', x'00', 1, '', 1), (8, 'mary', 'google', 'm', 'm', 'connected', x'00', 1, '', 1);
    INSERT INTO placements (id, kind, appointment_id, person_id, present, route, revision, decided_at, content_hash,
        title, description, location, all_day, starts, ends, timezone, start_utc, end_utc, reminders, show_as,
        visibility, status, url, event_id)
      SELECT id, 'appointment', 'A-' || id, person, 1, 'r', 3, 5, 'hash', 't', 'd', 'l', 0, 's', 'e', 'UTC', 1, 9, '', 'busy',
        'default', 'confirmed', '', 'evt'
      FROM (SELECT 1 AS id, 'john' AS person UNION ALL SELECT 2, 'john' UNION ALL SELECT 3, 'john' UNION ALL SELECT 4, 'mary');
    INSERT INTO deliveries VALUES
      (1, 7, 'delivered', 1, 3, 3, 'hash', 'id-1', 'etag-1', 0, 2, 0, NULL, 11, 4, 0, '', ''),
      (2, 7, 'pending', 1, 3, 1, 'old', 'id-2', '', 5, 6, 12, 13, 14, 0, 2, 'busy', 'try later'),
      (3, 7, 'failed', 1, 3, 0, '', '', '', 1, 1, 15, NULL, 0, 0, 2, 'rejected', 'no'),
      (4, 8, 'removed', 0, 2, 2, '', '', '', 0, 1, 0, NULL, 16, 1, 0, '', '');
    PRAGMA application_id = 1128352834;
    PRAGMA user_version = 3;
  )");
  const std::string everything =
      "SELECT group_concat(placement_id || '|' || connection_id || '|' || state || '|' || "
      "wanted || '|' || wanted_revision || '|' || applied_revision || '|' || applied_hash || "
      "'|' || provider_event_id || '|' || etag || '|' || attempts || '|' || tries || '|' || "
      "first_failure_at || '|' || ifnull(due_at, '-') || '|' || delivered_at || '|' || "
      "generation || '|' || untried_in || '|' || error_code || '|' || error_message, '\n') "
      "FROM (SELECT * FROM deliveries ORDER BY placement_id)";
  const std::string before = text(path, everything);
  CHECK(before.find("2|7|pending|1|3|1|old|id-2||5|6|12|13|14|0|2|busy|try later") != std::string::npos);
  {
    const auto store = openStore(url(path));
    CHECK(text(path, everything) == before);
    CHECK(store->deliveries("", 10).size() == 4);
    const auto claim = store->claimDeliveries(20, 10, 1000, [](auto, const auto&) { return true; });
    REQUIRE(claim.tasks.size() == 1);
    CHECK(claim.tasks.front().placementId == 2);
    CHECK(store->erasePerson("john"));
    const auto left = store->deliveries("", 10);
    REQUIRE(left.size() == 1);
    CHECK(left.front().connectionId == 8);
  }
  CHECK(text(path, "PRAGMA integrity_check") == "ok");
  CHECK(text(path, "SELECT count(*) FROM pragma_foreign_key_check") == "0");
}

TEST_CASE("No line of the audit log can be changed, and none goes while an older one stands") {
  const Folder folder;
  const auto path = folder.path / "test.db";
  {
    const auto store = openStore(url(path));
    for (const auto* id : {"john", "sarah"})
      store->addAudit({0, 1, "person.erased", "app:shop", id, nlohmann::json::object()});
  }
  for (const auto* sql : {"UPDATE audit SET person_id = 'somebody' WHERE person_id = 'john'",
                          "DELETE FROM audit WHERE person_id = 'sarah'"})
    CHECK_THROWS(execute(path, sql));
  CHECK(openStore(url(path))->audit({}).size() == 2);
}

TEST_CASE("What is no database, or somebody else's, is refused and stays as it is") {
  const Folder folder;
  const auto text = folder.path / "notes.txt";
  std::ofstream(text) << std::string(5000, 'n');
  const auto error = failureOf([&] { openStore(url(text)); });
  CHECK(error.code() == "store_unavailable");
  CHECK(error.message().find("not an SQLite database") != std::string::npos);
  CHECK(fs::file_size(text) == 5000);

  const auto foreign = folder.path / "foreign.db";
  execute(foreign, "CREATE TABLE theirs (a)");
  const auto other = failureOf([&] { openStore(url(foreign)); });
  CHECK(other.code() == "store_unavailable");
  CHECK(other.message().find("another program") != std::string::npos);

  CHECK(failureOf([&] { openStore(url(folder.path)); }).code() == "store_unavailable");
  CHECK(failureOf([&] { openStore(url(text / "below.db")); }).code() == "store_unavailable");
  CHECK(failureOf([&] { openStore("postgresql://host/db"); }).code() == "store_unavailable");
  CHECK(failureOf([&] { openStore("sqlite:"); }).code() == "store_unavailable");
}

TEST_CASE("A file removed or replaced while open takes no more writes until it is back") {
  const Folder folder;
  const auto path = folder.path / "test.db";
  const auto aside = folder.path / "aside.db";
  const auto store = openStore(url(path));
  accept(*store, "before");
  fs::rename(path, aside);
  CHECK(failureOf([&] { accept(*store, "lost"); }).code() == "store_unavailable");
  CHECK(failureOf([&] { store->ping(); }).code() == "store_unavailable");
  CHECK_FALSE(fs::exists(path));
  std::ofstream(path) << "something else";
  CHECK(failureOf([&] { store->ping(); }).code() == "store_unavailable");
  fs::rename(aside, path);
  CHECK_NOTHROW(store->ping());
  accept(*store, "after");
  CHECK(store->event("app", "before").has_value());
  CHECK_FALSE(store->event("app", "lost").has_value());
  CHECK(store->event("app", "after").has_value());
}

TEST_CASE("A full disk acknowledges nothing that is not stored, and all is well when there is space again") {
  const Folder folder;
  SmallDisk disk(folder.path / "disk");
  if (!disk.mounted()) {
    WARN("skipped: a small file system cannot be mounted here (needs root)");
    CHECK(::geteuid() != 0);
    return;
  }
  const auto path = folder.path / "disk" / "test.db";
  const auto filler = folder.path / "disk" / "filler";
  const auto store = openStore(url(path));
  std::ofstream(filler) << std::string(500'000, 'f');
  int accepted = 0;
  std::optional<Error> refused;
  while (!refused) {
    try {
      accept(*store, "evt-" + std::to_string(accepted), std::string(3000, 'b'));
      ++accepted;
    } catch (const Error& error) {
      refused = error;
    }
  }
  CHECK(refused->code() == "store_unavailable");
  CHECK(refused->message().find("disk is full") != std::string::npos);
  CHECK(accepted > 0);
  CHECK(store->unroutedEvents(0, 10'000).size() == static_cast<std::size_t>(accepted));
  fs::remove(filler);
  CHECK_NOTHROW(store->ping());
  accept(*store, "after");
  CHECK(store->unroutedEvents(0, 10'000).size() == static_cast<std::size_t>(accepted) + 1);
}

TEST_CASE("A row that breaks a rule is refused alone, without its values in the error") {
  const Folder folder;
  const auto store = openStore(url(folder.path / "test.db"));
  const auto error = failureOf([&] { store->addSession({"secret-token-hash", "nobody", 1, 2}); });
  CHECK(error.code() == "store_refused");
  CHECK(error.message().find("secret") == std::string::npos);
  CHECK(error.detail().find("secret") == std::string::npos);
  CHECK_NOTHROW(store->ping());
}
