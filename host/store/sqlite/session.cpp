#include "store/sqlite/session.hpp"

#include "store/sql/embedded.hpp"

#include <Poco/Data/DataException.h>
#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/SQLite/Utility.h>
#include <Poco/Data/Statement.h>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <sys/stat.h>

namespace calbridge::store::sqlite {
namespace {

constexpr std::size_t kOpenTimeoutSeconds = 5;

Poco::Data::Session open(const std::string& path) {
  static std::once_flag once;
  std::call_once(once, [] {
    // Allocation statistics cost a process-wide mutex per allocation, serialised connections one per call, and here a
    // connection belongs to one thread at a time. Both are refused (and harmless) if SQLite already runs.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    Poco::Data::SQLite::Connector::registerConnector();
  });
  try {
    return Poco::Data::Session(Poco::Data::SQLite::Connector::KEY, path, kOpenTimeoutSeconds);
  } catch (const Poco::Exception& e) {
    throw Failure(SQLITE_CANTOPEN, "cannot open " + path + ": " + e.displayText());
  }
}

std::unordered_map<std::string_view, std::string_view> parseOperations(std::string_view text) {
  constexpr std::string_view kHead = "-- name: ";
  std::unordered_map<std::string_view, std::string_view> found;
  for (std::size_t at = text.find(kHead); at != std::string_view::npos;) {
    const std::size_t nameAt = at + kHead.size();
    const std::size_t lineEnd = text.find('\n', nameAt);
    const std::size_t next = text.find(kHead, lineEnd);
    found.emplace(text.substr(nameAt, lineEnd - nameAt),
                  text.substr(lineEnd, next == std::string_view::npos ? next : next - lineEnd));
    at = next;
  }
  return found;
}

} // namespace

const std::unordered_map<std::string_view, std::string_view>& operations() {
  static const auto kOperations = parseOperations(sql::sqliteOperations());
  return kOperations;
}

FileIdentity identify(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    throw Failure(SQLITE_CANTOPEN, path + ": " + std::strerror(errno));
  return {info.st_dev, info.st_ino};
}

Session::Session(const std::string& path, Role role)
    : session_(open(path)), db_(Poco::Data::SQLite::Utility::dbHandle(session_)) {
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, 5000);
  execute("PRAGMA temp_store = MEMORY");
  if (role == Role::writer) {
    execute("PRAGMA cache_size = -6144");
    execute("PRAGMA foreign_keys = ON");
    execute("PRAGMA secure_delete = ON"); // what was sealed with a former key must not linger in the file
    execute("PRAGMA journal_size_limit = 33554432");
  } else {
    // Readers never write and never checkpoint.
    execute("PRAGMA cache_size = -1024");
    execute("PRAGMA query_only = ON");
  }
  // By itself SQLite would checkpoint inside of a commit, for which somebody waits, and keep its failure to itself.
  sqlite3_wal_hook(
      db_,
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<int*>(pages) = count;
        return SQLITE_OK;
      },
      &logPages_);
}

Statement& Session::operator[](std::string_view name) {
  auto found = statements_.find(name);
  if (found == statements_.end()) {
    const auto operation = operations().find(name);
    if (operation == operations().end())
      throw std::logic_error("no SQL operation " + std::string(name));
    found = statements_.emplace(operation->first, std::make_unique<Statement>(db_, operation->second)).first;
  }
  return *found->second;
}

void Session::execute(const std::string& sql) {
  try {
    session_ << sql, Poco::Data::Keywords::now;
  } catch (const Poco::Exception& e) {
    const int code = sqlite3_extended_errcode(db_);
    throw Failure(code == SQLITE_OK ? SQLITE_ERROR : code, e.displayText());
  }
}

void Session::script(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK)
    throwFailure(db_, code);
}

void Session::checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code != SQLITE_OK && code != SQLITE_BUSY)
    throwFailure(db_, code);
  logPages_ = 0;
}

std::int64_t Session::number(const std::string& sql) {
  std::int64_t value = 0;
  Statement(db_, sql).one([&](Row& row) { value = row.integer(); });
  return value;
}

} // namespace calbridge::store::sqlite
