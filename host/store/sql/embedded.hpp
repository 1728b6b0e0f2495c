#pragma once
#include <span>
#include <string_view>

/// The SQL files of this folder, embedded at build time (embed.cmake).
namespace calbridge::store::sql {

struct Migration {
  int version;           ///< 1, 2, 3 … without gaps; a database at version n has had 1…n
  std::string_view name; ///< file name
  std::string_view text;
};

/// sqlite/operations.sql: statements, each headed by a line "-- name: operation_name".
std::string_view sqliteOperations();
/// sqlite/migrations/NNN_*.sql in order.
std::span<const Migration> sqliteMigrations();
/// The same of postgresql/.
std::string_view postgresqlOperations();
std::span<const Migration> postgresqlMigrations();

} // namespace calbridge::store::sql
