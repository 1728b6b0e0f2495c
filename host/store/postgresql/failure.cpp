#include "store/postgresql/failure.hpp"
#include "store/postgresql/libpq.hpp"

#include <string_view>

namespace calbridge::store::postgresql {
namespace {

std::string firstLine(const char* text) {
  const std::string_view all(text == nullptr ? "" : text);
  return std::string(all.substr(0, all.find('\n')));
}

} // namespace

bool Failure::retryable() const noexcept {
  return state_ == "40001" || state_ == "40P01" || state_ == "55P03";
}

Error Failure::toError() const {
  const std::string detail = "PostgreSQL " + (state_.empty() ? std::string("connection") : state_) + ": " + what();
  const std::string kind = state_.substr(0, 2);
  if (kind == "22" || kind == "23")
    return {"store_refused", "The database refused a row that breaks one of its rules.", detail};
  if (state_ == "53100")
    return {"store_unavailable", "The database cannot grow: its disk is full. Free some space; nothing was stored.",
            detail};
  if (state_ == "25006")
    return {"store_unavailable", "The database cannot be written: the server is read-only (a standby?).", detail};
  if (lost_)
    return {"store_unavailable", "The database cannot be reached; nothing was stored. The log has the reason.", detail};
  return {"store_unavailable", "The database failed; nothing was stored. The log has the reason.", detail};
}

void throwFailure(PGconn* connection, const PGresult* result, const std::string& name) {
  const char* field = result != nullptr ? libpq().resultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  const std::string state = field != nullptr ? field : "";
  // 57P0x: the server is going down or ended this session. The status says whether the connection itself still stands.
  const bool lost = libpq().status(connection) != CONNECTION_OK || state.starts_with("57P0") || state.starts_with("08");
  if (state.empty())
    throw Failure(state, name + ": " + firstLine(libpq().errorMessage(connection)), true);
  // Data exceptions quote the value; their code says enough.
  const bool quotes = state.starts_with("22");
  std::string text =
      name + ": " +
      (quotes ? "a value was refused" : firstLine(libpq().resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
  throw Failure(state, text, lost);
}

} // namespace calbridge::store::postgresql
