#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace calbridge::store {

/// One table of a move, as it was counted on both sides.
struct MovedTable {
  std::string name;
  std::int64_t rows = 0;
};
/// Called now and then: rows of `table` copied so far, and how many there are.
using MoveProgress = std::function<void(const std::string& table, std::int64_t done, std::int64_t total)>;

/// Copies a whole installation from SQLite (`from`, sqlite:PATH) to PostgreSQL (`to`), ids and sealed tokens unchanged,
/// in one transaction: at any failure `to` is as empty as before. `from` keeps everything; it only gets the newest
/// schema. Counts every table on both sides before it commits. Throws Error: store_locked (a host has `from` open),
/// store_not_empty (`to` holds data, or a host runs on it), store_move (the wrong kinds of database, or the counts
/// differ), store_unavailable.
std::vector<MovedTable> moveStore(const std::string& from, const std::string& to, const MoveProgress& progress);

} // namespace calbridge::store
