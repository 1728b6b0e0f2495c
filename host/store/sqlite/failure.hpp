#pragma once
#include "core/error.hpp"

#include <stdexcept>
#include <string>

struct sqlite3;

namespace calbridge::store::sqlite {

/// What SQLite answered when it did not do what it was asked. Stays inside this folder.
class Failure : public std::runtime_error {
 public:
  /// `code` is SQLite's (extended) result code. SQLite's own texts carry names of tables and columns, never values.
  Failure(int code, const std::string& text) : std::runtime_error(text), code_(code) {}

  int code() const noexcept { return code_; }
  /// True when only this statement was refused (a constraint, a value too large): the session is still sound.
  bool statementOnly() const noexcept;
  /// What callers of the store get to see.
  Error toError() const;

 private:
  int code_;
};

/// Throws what the session's last call left as its error.
[[noreturn]] void throwFailure(sqlite3* db, int code);

} // namespace calbridge::store::sqlite
