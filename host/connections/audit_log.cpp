#include "connections/audit_log.hpp"
#include "core/error.hpp"

namespace calbridge::connections {

void AuditLog::note(const std::string& action, const std::string& actor, const std::string& personId,
                    nlohmann::json detail) const {
  store::AuditRecord record;
  record.at = clock_.now();
  record.action = action;
  record.actor = actor;
  record.personId = personId;
  record.detail = std::move(detail);
  try {
    store_.addAudit(record);
  } catch (const Error& error) {
    log_.error("a line of the audit log could not be stored", {{"action", action},
                                                               {"actor", actor},
                                                               {"person", personId},
                                                               {"audit_detail", record.detail.dump()},
                                                               {"reason", error.message()}});
  }
}

nlohmann::json toJson(const store::AuditRecord& record) {
  const auto orNull = [](const std::string& text) {
    return text.empty() ? nlohmann::json(nullptr) : nlohmann::json(text);
  };
  return {{"seq", record.seq},
          {"at", formatRfc3339(record.at)},
          {"action", record.action},
          {"actor", orNull(record.actor)},
          {"person", orNull(record.personId)},
          {"detail", record.detail}};
}

} // namespace calbridge::connections
