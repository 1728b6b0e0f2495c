#pragma once
#include "core/appointment.hpp"
#include "routing/directory.hpp"
#include "routing/routing_policy.hpp"
#include "routing/routing_state.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::routing {

/// What is stored about one person's placement of the appointment.
struct CurrentPlacement {
  std::string personId;
  bool present = false;  ///< the entry should be in the calendar; false: it was removed
  std::string entryHash; ///< of the entry as wanted now
};

enum class Action { none, add, update, remove };
const char* toString(Action action);

/// What becomes of one person's placement. Every person who should have the appointment or has it now gets one.
struct Decision {
  std::string personId;
  std::string role; ///< of the person today; empty when the directory no longer knows the person
  Action action = Action::none;
  std::string route;  ///< the first route that grants the entry; for a removal the route that caused it; may be empty
  std::string reason; ///< a sentence for the receipt
  std::shared_ptr<const RenderedEntry> entry; ///< what the calendar should say; null on removal
};

/// A route whose events include this one.
struct MatchedRoute {
  std::string name;
  std::string action;              ///< add | update | remove
  std::string audience;            ///< as in routing.json, in one line
  std::vector<std::string> people; ///< ids of those whom the route reaches today
};

/// The snapshot names somebody whom the directory does not know: no entry.
struct UnknownPerson {
  std::string personId;
  std::string path; ///< "staff.id"
};

struct RoutingResult {
  bool stale = false;         ///< older than the newest snapshot: entries keep their content
  bool snapshotTaken = false; ///< store the event's snapshot as the appointment's newest
  RoutingState state;         ///< store it with the appointment
  std::vector<MatchedRoute> routes;
  std::vector<UnknownPerson> unknown;
  std::vector<Decision> decisions; ///< sorted by person id
};

/// One appointment of one event, and what is known about that appointment so far.
struct RoutingInput {
  std::string_view eventType;
  const Appointment& appointment;      ///< as the event carries it
  SnapshotOrder order;                 ///< of this event
  const Appointment* newest = nullptr; ///< the stored snapshot; null when there is none yet
  const RoutingState& state;           ///< as stored; default-constructed when there is none yet
  const std::vector<CurrentPlacement>& current;
};

/// Decides what an event changes. Pure: equal arguments give equal results; nothing is read or written elsewhere.
/// - No route names the event type: nothing changes (no decisions, no snapshot), the type is remembered in the state.
/// - An `add` route makes its audience anew: who is in it gets the entry, who is in it no more loses it, unless another
///   audience still grants it. Whoever has the entry gets the content of the newest snapshot.
/// - A `remove` route empties its audience; a snapshot whose status is cancelled removes for everyone and never adds.
/// - An event older than the newest snapshot changes no content and removes nobody; if nothing newer has decided about
///   its audience, it still lets those in whom the newest snapshot names too.
RoutingResult route(const RoutingPolicy& policy, const Directory& directory, const RoutingInput& input);

/// The same question without an event: what should be, by the policy and the directory of today. For policy changes,
/// directory changes and resync. `newest` is the stored snapshot, `state` the stored state; the result's state and
/// snapshotTaken (false) need not be stored.
RoutingResult reevaluate(const RoutingPolicy& policy, const Directory& directory, const Appointment& newest,
                         const RoutingState& state, const std::vector<CurrentPlacement>& current);

} // namespace calbridge::routing
