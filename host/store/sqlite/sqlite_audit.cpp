#include "store/sqlite/sqlite_store.hpp"

namespace calbridge::store::sqlite {

void SqliteStore::addAudit(const AuditRecord& record) {
  writer_->durable([&](Session& s) {
    s["audit_add"].run(record.at, record.action, record.actor, record.personId, record.detail.dump());
  });
}

std::vector<AuditRecord> SqliteStore::audit(const AuditQuery& query) {
  std::vector<AuditRecord> found;
  readers_.read([&](Session& s) {
    const auto read = [&](Row& row) {
      auto& record = found.emplace_back();
      record.seq = row.integer();
      record.at = row.integer();
      record.action = row.text();
      record.actor = row.text();
      record.personId = row.text();
      record.detail = nlohmann::json::parse(row.view());
    };
    if (query.personId.empty())
      s["audit_all"].each(read, query.since, query.before, query.limit);
    else
      s["audit_of_person"].each(read, query.since, query.before, query.limit, query.personId,
                                "person:" + query.personId);
  });
  return found;
}

std::int64_t SqliteStore::pruneAudit(TimeMs before) {
  constexpr std::int64_t kChunk = 500; // rows per transaction, so that nobody waits long behind it
  std::int64_t deleted = 0, rows = kChunk;
  while (rows == kChunk) {
    writer_->relaxed([&](Session& s) { rows = s["audit_prune"].run(before, kChunk); });
    deleted += rows;
  }
  return deleted;
}

} // namespace calbridge::store::sqlite
