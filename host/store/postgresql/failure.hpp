#pragma once
#include "core/error.hpp"

#include <stdexcept>
#include <string>

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;

namespace calbridge::store::postgresql {

/// What the server (or the way to it) answered when it did not do what it was asked. Stays inside this folder.
class Failure : public std::runtime_error {
 public:
  /// `state` is the SQLSTATE, empty when the connection is gone. `text` must carry no values.
  Failure(std::string state, const std::string& text, bool lost)
      : std::runtime_error(text), state_(std::move(state)), lost_(lost) {}

  const std::string& state() const noexcept { return state_; }
  /// The session is of no use any more; what it was doing is undone, save a COMMIT that was under way.
  bool lost() const noexcept { return lost_; }
  /// The same work may well succeed when it is done again: serialization failure, deadlock, lock timeout.
  bool retryable() const noexcept;
  /// What callers of the store get to see.
  Error toError() const;

 private:
  std::string state_;
  bool lost_;
};

/// Throws what `result` (may be null) says about the statement `name`.
[[noreturn]] void throwFailure(PGconn* connection, const PGresult* result, const std::string& name);

} // namespace calbridge::store::postgresql
