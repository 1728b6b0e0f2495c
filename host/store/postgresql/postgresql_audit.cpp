#include "store/postgresql/postgresql_store.hpp"

namespace calbridge::store::postgresql {

void PostgresqlStore::addAudit(const AuditRecord& record) {
  // Done again after a commit that was not heard of, it stands there twice: better than not at all.
  sessions_.write(Durability::durable, [&](Session& s) {
    s.run("audit_add", record.at, record.action, record.actor, record.personId, record.detail.dump());
  });
}

std::vector<AuditRecord> PostgresqlStore::audit(const AuditQuery& query) {
  std::vector<AuditRecord> found;
  sessions_.read([&](Session& s) {
    found.clear();
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
      s.each("audit_all", read, query.since, query.before, query.limit);
    else
      s.each("audit_of_person", read, query.since, query.before, query.limit, query.personId,
             "person:" + query.personId);
  });
  return found;
}

std::int64_t PostgresqlStore::pruneAudit(TimeMs before) {
  std::int64_t deleted = 0;
  sessions_.write(Durability::relaxed, [&](Session& s) { deleted = s.run("audit_prune", before); });
  return deleted;
}

} // namespace calbridge::store::postgresql
