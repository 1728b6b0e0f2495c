#include "store/sqlite/failure.hpp"

#include <sqlite3.h>

namespace calbridge::store::sqlite {

bool Failure::statementOnly() const noexcept {
  const int primary = code_ & 0xff;
  return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG || primary == SQLITE_MISMATCH;
}

Error Failure::toError() const {
  const std::string detail = "SQLite " + std::to_string(code_) + ": " + what();
  switch (code_ & 0xff) {
  case SQLITE_FULL:
    return {"store_unavailable", "The database cannot grow: the disk is full. Free some space; nothing was stored.",
            detail};
  case SQLITE_READONLY:
    return {"store_unavailable", "The database cannot be written: its file or directory is read-only.", detail};
  case SQLITE_NOTADB:
  case SQLITE_CORRUPT:
    return {"store_unavailable", "The database file is damaged: restore a backup.", detail};
  case SQLITE_CONSTRAINT:
  case SQLITE_TOOBIG:
  case SQLITE_MISMATCH:
    return {"store_refused", "The database refused a row that breaks one of its rules.", detail};
  default:
    return {"store_unavailable", "The database failed; nothing was stored. The log has the reason.", detail};
  }
}

void throwFailure(sqlite3* db, int code) {
  const int extended = db != nullptr ? sqlite3_extended_errcode(db) : code;
  throw Failure((extended & 0xff) == (code & 0xff) ? extended : code,
                db != nullptr && (extended & 0xff) == (code & 0xff) ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

} // namespace calbridge::store::sqlite
