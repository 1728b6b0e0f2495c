#include "store/postgresql/session.hpp"
#include "store/postgresql/libpq.hpp"

#include "store/sql/embedded.hpp"

#include <charconv>
#include <unordered_map>

namespace calbridge::store::postgresql {
namespace {

std::unordered_map<std::string_view, std::string> parseOperations(std::string_view text) {
  constexpr std::string_view kHead = "-- name: ";
  std::unordered_map<std::string_view, std::string> found;
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

const std::unordered_map<std::string_view, std::string>& operations() {
  static const auto kOperations = parseOperations(sql::postgresqlOperations());
  return kOperations;
}

/// What the URL does not say itself: how soon a dead server is noticed, and our name in pg_stat_activity.
std::string completed(std::string url) {
  constexpr std::pair<std::string_view, std::string_view> kDefaults[] = {
      {"connect_timeout", "5"},     {"tcp_user_timeout", "15000"}, {"keepalives_idle", "10"},
      {"keepalives_interval", "5"}, {"keepalives_count", "3"},     {"application_name", "calbridge"},
  };
  for (const auto& [key, value] : kDefaults) {
    if (url.find("?" + std::string(key) + "=") != std::string::npos ||
        url.find("&" + std::string(key) + "=") != std::string::npos)
      continue;
    url += url.find('?') == std::string::npos ? '?' : '&';
    url.append(key).append("=").append(value);
  }
  return url;
}

/// A paused process must not hold its locks for long. Plans must not depend on how full the tables were when they were
/// made: every operation goes by an index. A server that does not wait for its disk is asked to do so for us.
constexpr const char* kSettings = R"(
SET client_encoding = 'UTF8'; SET timezone = 'UTC'; SET client_min_messages = error;
SET statement_timeout = '30s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '5s';
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
SELECT set_config('synchronous_commit',
  CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)
)";

} // namespace

std::int64_t Row::integer() {
  const auto bytes = view();
  if (bytes.empty())
    return 0;
  std::uint64_t value = (bytes[0] & 0x80) != 0 && bytes.size() > 1 ? ~std::uint64_t{0} : 0;
  for (const char c : bytes)
    value = value << 8 | static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(value);
}

std::optional<std::int64_t> Row::maybeInteger() {
  if (libpq().getisnull(result_, row_, column_) != 0) {
    ++column_;
    return std::nullopt;
  }
  return integer();
}

std::string_view Row::view() {
  const auto size = static_cast<std::size_t>(libpq().getlength(result_, row_, column_));
  return {libpq().getvalue(result_, row_, column_++), size};
}

void Session::Clear::operator()(PGresult* result) const {
  libpq().clear(result);
}

void Session::Finish::operator()(PGconn* connection) const {
  libpq().finish(connection);
}

Session::Session(const std::string& url) : connection_(libpq().connectdb(completed(url).c_str())) {
  if (libpq().status(connection_.get()) != CONNECTION_OK) {
    std::string reason = libpq().errorMessage(connection_.get());
    while (!reason.empty() && (reason.back() == '\n' || reason.back() == ' '))
      reason.pop_back();
    throw Failure("", reason, true);
  }
  // Notices go nowhere: they may carry values.
  libpq().setNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  script(kSettings);
}

Session::~Session() = default;

Session::Result Session::execute(std::string_view operation, const Parameters& parameters) {
  PGconn* connection = connection_.get();
  const auto known = operations().find(operation);
  if (known == operations().end())
    throw std::logic_error("no SQL operation " + std::string(operation));
  const std::string name(operation);
  if (!prepared_.contains(known->first)) {
    const Result prepared(libpq().prepare(connection, name.c_str(), known->second.c_str(), 0, nullptr));
    if (libpq().resultStatus(prepared.get()) != PGRES_COMMAND_OK)
      throwFailure(connection, prepared.get(), name);
    prepared_.insert(known->first);
  }
  Result result(libpq().execPrepared(connection, name.c_str(), parameters.size(), parameters.values(),
                                     parameters.lengths(), parameters.formats(), 1));
  const auto status = libpq().resultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    throwFailure(connection, result.get(), name);
  return result;
}

Session::Result Session::query(const std::string& sql) {
  Result result(libpq().exec(connection_.get(), sql.c_str()));
  const auto status = libpq().resultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    throwFailure(connection_.get(), result.get(), "script");
  return result;
}

void Session::script(const std::string& sql) {
  query(sql);
}

std::string Session::value(const std::string& sql) {
  const auto result = query(sql);
  return libpq().ntuples(result.get()) > 0 ? libpq().getvalue(result.get(), 0, 0) : "";
}

void Session::beginCopy(const std::string& statement) {
  const Result result(libpq().exec(connection_.get(), statement.c_str()));
  if (libpq().resultStatus(result.get()) != PGRES_COPY_IN)
    throwFailure(connection_.get(), result.get(), "copy");
}

void Session::copyData(std::string_view data) {
  if (libpq().putCopyData(connection_.get(), data.data(), static_cast<int>(data.size())) != 1)
    throwFailure(connection_.get(), nullptr, "copy");
}

void Session::endCopy() {
  if (libpq().putCopyEnd(connection_.get(), nullptr) != 1)
    throwFailure(connection_.get(), nullptr, "copy");
  const Result result(libpq().getResult(connection_.get()));
  while (const Result rest{libpq().getResult(connection_.get())}) { // up to the null that ends the command
  }
  if (libpq().resultStatus(result.get()) != PGRES_COMMAND_OK)
    throwFailure(connection_.get(), result.get(), "copy");
}

void Session::begin(bool durable) {
  query(durable ? "BEGIN" : "BEGIN; SET LOCAL synchronous_commit = off");
}

void Session::commit() {
  const auto result = query("COMMIT");
  if (std::string_view(libpq().cmdStatus(result.get())) != "COMMIT")
    throw Failure("25P02", "the transaction was rolled back instead of committed", false);
}

void Session::rollback() {
  query("ROLLBACK");
}

int Session::count(const PGresult& result) {
  return libpq().ntuples(&result);
}

std::int64_t Session::changed(PGresult& result) {
  const std::string_view text = libpq().cmdTuples(&result);
  std::int64_t rows = 0;
  std::from_chars(text.data(), text.data() + text.size(), rows);
  return rows;
}

} // namespace calbridge::store::postgresql
