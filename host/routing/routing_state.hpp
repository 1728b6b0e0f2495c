#pragma once
#include "core/time.hpp"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace calbridge::routing {

/// Where one event stands among the events of its appointment.
struct SnapshotOrder {
  std::optional<std::int64_t> version; ///< of the appointment snapshot
  std::optional<TimeMs> time;          ///< of the event
  std::int64_t arrival = 0;            ///< grows with every event that this installation stores

  bool operator==(const SnapshotOrder&) const = default;
};

/// True when `a` is older than `b`: by version when both have one; else by time when both have one; else, and between
/// equals, by arrival only if `a` arrived first. Equal versions are not older in the sense of isStale().
bool olderThan(const SnapshotOrder& a, const SnapshotOrder& b);

/// True when an arriving snapshot must not replace the newest one: its version (or, lacking one, its time) is smaller.
bool isStale(const SnapshotOrder& arriving, const SnapshotOrder& newest);

/// What routing remembers about one appointment beside its newest snapshot: of every event type the newest occurrence,
/// and whom it named. Who should have the appointment is computed from this, from the policy and from the directory of
/// today, so that neither the order of arrival nor a later change of policy or teams leaves anything behind.
/// The caller stores it with the appointment, as the JSON below, and treats it as opaque.
struct RoutingState {
  struct Seen {
    SnapshotOrder order;
    bool late = false; ///< it arrived after a newer snapshot: it may let people in but removes nobody
    std::map<std::string, std::vector<std::string>> people; ///< path in the snapshot ("staff.id") → ids named there
    bool operator==(const Seen&) const = default;
  };
  std::map<std::string, Seen> events;     ///< by event type
  std::optional<SnapshotOrder> newest;    ///< of the snapshot that was taken last
  std::optional<SnapshotOrder> cancelled; ///< when everyone lost it last: what was granted before counts no more

  bool operator==(const RoutingState&) const = default;
};

/// Written as text and not by way of a document: it is done for every event.
std::string toJsonText(const RoutingState& state);
/// Throws nlohmann::json::exception on a document that toJsonText did not make. An empty object is the state of an
/// appointment never seen.
RoutingState routingStateFromJson(const nlohmann::json& json);

} // namespace calbridge::routing
