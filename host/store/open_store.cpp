#include "store/postgresql/postgresql_store.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace calbridge::store {

std::unique_ptr<Store> openStore(const std::string& url, const OpenOptions& options) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (url.starts_with("postgresql://") || url.starts_with("postgres://"))
    return std::make_unique<postgresql::PostgresqlStore>(url, options);
  if (!url.starts_with(kSqlite) || url.size() == kSqlite.size() || url == "sqlite::memory:")
    throw Error("store_unavailable",
                "storage.url names no database that this program can open: it takes sqlite:PATH, a file, for example "
                "sqlite:var/calbridge.db, or postgresql://user@host/db");
  return std::make_unique<sqlite::SqliteStore>(url.substr(kSqlite.size()));
}

} // namespace calbridge::store
