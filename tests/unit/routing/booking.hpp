#pragma once
#include "config/configuration.hpp"
#include "core/error.hpp"
#include "core/event.hpp"
#include "routing/explain.hpp"
#include "routing/router.hpp"

#include <catch2/catch.hpp>
#include <fstream>

/// What the tests of routing share: the shipped policy, some people, and one appointment whose placements follow what
/// routing decides, as the store would.
namespace booking {

using namespace calbridge;
using namespace calbridge::routing;

inline nlohmann::json readJson(const std::string& path) {
  std::ifstream in(std::string(CALBRIDGE_SOURCE_DIR) + "/" + path);
  INFO(path);
  REQUIRE(in);
  return nlohmann::json::parse(in, nullptr, true, true);
}

inline Policies policiesFrom(const std::string& directory) {
  auto loaded = loadPolicies(directory, {"google", "outlook", "ics", "caldav"});
  for (const auto& problem : loaded.problems)
    FAIL(problem.text());
  return std::move(*loaded.policies);
}

inline const Policies& shippedPolicies() {
  static const Policies policies = policiesFrom(std::string(CALBRIDGE_SOURCE_DIR) + "/config");
  return policies;
}

inline const RoutingPolicy& shipped() {
  static const RoutingPolicy policy(shippedPolicies().roles, shippedPolicies().routing);
  return policy;
}

inline std::vector<Person> people() {
  return {{"john", "John Smith", "john@example.com", "customer", "Europe/London", {}},
          {"mary", "Mary Major", "mary@example.com", "customer", "Europe/London", {}},
          {"sarah", "Sarah Jones", "sarah@example.com", "staff", "Europe/London", {"north"}},
          {"tom", "Tom Baker", "tom@example.com", "staff", "Europe/London", {"south"}},
          {"una", "Una Both", "una@example.com", "staff", "Europe/London", {"north", "south"}},
          {"mike", "Mike North", "mike@example.com", "manager", "Europe/London", {"north"}},
          {"sue", "Sue South", "sue@example.com", "manager", "Europe/London", {"south"}},
          {"lone", "Lone Manager", "lone@example.com", "manager", "Europe/London", {}},
          {"ada", "Ada Admin", "ada@example.com", "admin", "UTC", {}}};
}

inline nlohmann::json sampleAppointment() {
  return readJson("tests/testdata/events/order_confirmed.json").at("data").at("appointment");
}

/// One appointment over time.
class Story {
 public:
  explicit Story(std::vector<Person> directory = people())
      : directory_(std::make_unique<DirectorySnapshot>(directory)) {}

  /// Sends an event whose snapshot is the sample changed by `patch` (RFC 7386); `version` is set in it.
  RoutingResult send(const std::string& type, std::int64_t version, const nlohmann::json& patch = {}) {
    nlohmann::json snapshot = sampleAppointment();
    snapshot["version"] = version;
    if (!patch.is_null())
      snapshot.merge_patch(patch);
    return send(type, parseAppointment(snapshot, ""));
  }

  RoutingResult send(const std::string& type, const Appointment& appointment) {
    const SnapshotOrder order{appointment.version, std::nullopt, ++arrivals_};
    RoutingResult result = route(policy(), *directory_, {type, appointment, order, newest(), state_, current()});
    // What is stored comes back from JSON, as it would from the database.
    state_ = routingStateFromJson(nlohmann::json::parse(toJsonText(result.state)));
    if (result.snapshotTaken)
      newest_ = appointment;
    apply(result);
    return result;
  }

  RoutingResult reevaluateNow() {
    RoutingResult result = reevaluate(policy(), *directory_, *newest_, state_, current());
    apply(result);
    return result;
  }

  void setDirectory(std::vector<Person> directory) { directory_ = std::make_unique<DirectorySnapshot>(directory); }
  void setPolicy(const RoutingPolicy& policy) { policy_ = &policy; }
  const RoutingPolicy& policy() const { return policy_ ? *policy_ : shipped(); }
  const Directory& directory() const { return *directory_; }
  const RoutingState& state() const { return state_; }
  const Appointment* newest() const { return newest_ ? &*newest_ : nullptr; }
  const std::vector<CurrentPlacement>& current() const {
    current_.clear();
    for (const auto& [id, placement] : placements_)
      current_.push_back(placement);
    return current_;
  }

  /// The ids of those who have it, in one line.
  std::string holders() const {
    std::string all;
    for (const auto& [id, placement] : placements_)
      if (placement.present)
        all += (all.empty() ? "" : " ") + id;
    return all;
  }
  std::string hashOf(const std::string& id) const { return placements_.at(id).entryHash; }
  const Entry& entryOf(const std::string& id) const { return entries_.at(id)->entry; }

 private:
  void apply(const RoutingResult& result) {
    for (const auto& decision : result.decisions) {
      if (decision.action == Action::none)
        continue;
      CurrentPlacement& placement = placements_[decision.personId];
      placement.personId = decision.personId;
      placement.present = decision.action != Action::remove;
      if (decision.entry) {
        placement.entryHash = decision.entry->hash;
        entries_[decision.personId] = decision.entry;
      }
    }
  }

  std::unique_ptr<DirectorySnapshot> directory_;
  const RoutingPolicy* policy_ = nullptr;
  RoutingState state_;
  std::optional<Appointment> newest_;
  std::map<std::string, CurrentPlacement> placements_;
  std::map<std::string, std::shared_ptr<const RenderedEntry>> entries_;
  mutable std::vector<CurrentPlacement> current_;
  std::int64_t arrivals_ = 0;
};

inline const Decision& decisionFor(const RoutingResult& result, const std::string& id) {
  for (const auto& decision : result.decisions)
    if (decision.personId == id)
      return decision;
  FAIL("no decision about " + id);
  throw std::logic_error("unreachable");
}

/// "john add, sarah none"
inline std::string actions(const RoutingResult& result) {
  std::string all;
  for (const auto& decision : result.decisions)
    all += (all.empty() ? "" : ", ") + decision.personId + " " + toString(decision.action);
  return all;
}

inline nlohmann::json staff(std::initializer_list<std::pair<const char*, const char*>> members) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [id, name] : members)
    list.push_back({{"id", id}, {"name", name}});
  return {{"staff", list}};
}

} // namespace booking
