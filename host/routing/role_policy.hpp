#pragma once
#include "config/roles_config.hpp"
#include "core/appointment.hpp"
#include "core/entry.hpp"

#include <memory>
#include <string>

namespace calbridge::routing {

/// An entry together with contentHash() of it. Shared by everybody who has the same role.
struct RenderedEntry {
  Entry entry;
  std::string hash;
};

/// One role of roles.json with its templates compiled. Immutable; render() may be called from any number of threads.
class RolePolicy {
 public:
  /// Throws Error("invalid_template") for a template that checkRoles() (config) would have refused.
  explicit RolePolicy(const RoleConfig& config);
  ~RolePolicy();
  RolePolicy(RolePolicy&&) noexcept;
  RolePolicy& operator=(RolePolicy&&) noexcept;

  const std::string& name() const noexcept;
  const RoleConfig& config() const noexcept;
  /// May calendars of this provider show this role's entries?
  bool allowsProvider(const std::string& providerId) const;

  /// What the calendar of a person with this role says about the appointment. Templates are given the allowed fields
  /// and nothing else; whatever the fields contain stays text. Missing fields are empty, and lines that thereby become
  /// empty vanish. Control characters are dropped; title and location are one line of at most 1024 bytes, the
  /// description has at most 8192 bytes, cut between characters. Never throws for what an appointment contains.
  RenderedEntry render(const Appointment& appointment) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

} // namespace calbridge::routing
