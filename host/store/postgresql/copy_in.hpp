#pragma once
#include "store/postgresql/session.hpp"

#include <optional>

namespace calbridge::store::postgresql {

/// Many rows into one table, as a COPY … FROM STDIN in its text form. The session does nothing else meanwhile.
class CopyIn {
 public:
  /// Throws Failure, as every other function.
  CopyIn(Session& session, const std::string& statement);

  // The values of a row from left to right, then endRow().
  void text(std::string_view value);
  void bytes(std::string_view value);
  void integer(std::optional<std::int64_t> value);
  void flag(bool value);
  void endRow();
  /// After the last row.
  void finish();

 private:
  void next();
  void send();

  Session& session_;
  std::string buffer_;
  bool first_ = true;
};

} // namespace calbridge::store::postgresql
