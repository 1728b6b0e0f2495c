#pragma once
#include "store/sqlite/statement.hpp"

#include <Poco/Data/Session.h>
#include <memory>
#include <string>
#include <unordered_map>

namespace calbridge::store::sqlite {

/// Which file a path meant when it was opened, so that a file put in its place or removed is noticed.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};
/// Throws Failure when the file cannot be looked at.
FileIdentity identify(const std::string& path);

/// One connection to the database file with its prepared statements. Used by one thread at a time; owned outright and
/// never pooled by Poco, because a pool hands open transactions to the next borrower.
class Session {
 public:
  enum class Role { writer, reader };
  /// Throws Failure.
  Session(const std::string& path, Role role);

  /// The operation of that name from sql/sqlite/operations.sql, prepared at its first use.
  Statement& operator[](std::string_view name);
  /// One statement without parameters and without rows (PRAGMA, DDL).
  void execute(const std::string& sql);
  /// Any number of statements.
  void script(const std::string& sql);
  /// The first value of the first row.
  std::int64_t number(const std::string& sql);
  std::int64_t lastInsertId() const { return sqlite3_last_insert_rowid(db_); }
  /// How many pages the log held after this session's last commit, checkpointed or not. Of a writer only.
  int logPages() const { return logPages_; }
  /// Brings what is in the log into the database file, as far as readers allow, and waits for nobody. A writer's alone:
  /// nothing checkpoints by itself. Throws Failure.
  void checkpoint();

 private:
  Poco::Data::Session session_;
  sqlite3* db_;
  int logPages_ = 0;
  std::unordered_map<std::string_view, std::unique_ptr<Statement>> statements_; ///< keys live in operations()
};

/// Every operation by its name.
const std::unordered_map<std::string_view, std::string_view>& operations();

} // namespace calbridge::store::sqlite
