#include "store/postgresql/postgresql_store.hpp"
#include "store/postgresql/schema.hpp"
#include "store/sqlite/sqlite_store.hpp"

#include <filesystem>

namespace calbridge::store {
namespace {

bool isPostgresql(const std::string& url) {
  return url.starts_with("postgresql://") || url.starts_with("postgres://");
}

/// The file of sqlite:PATH.
std::string sqlitePath(const std::string& url) {
  constexpr std::string_view kScheme = "sqlite:";
  if (!url.starts_with(kScheme) || url.size() == kScheme.size() || url == "sqlite::memory:")
    throw Error("store_unavailable",
                "storage.url names no database that this program can open: it takes sqlite:PATH, a file, for example "
                "sqlite:var/calbridge.db, or postgresql://user@host/db");
  return url.substr(kScheme.size());
}

} // namespace

std::unique_ptr<Store> openStore(const std::string& url, const OpenOptions& options) {
  if (isPostgresql(url))
    return std::make_unique<postgresql::PostgresqlStore>(url, options);
  return std::make_unique<sqlite::SqliteStore>(sqlitePath(url));
}

bool hasStore(const std::string& url) {
  if (isPostgresql(url))
    return postgresql::hasSchema(url);
  std::error_code ignored;
  return std::filesystem::exists(sqlitePath(url), ignored);
}

} // namespace calbridge::store
