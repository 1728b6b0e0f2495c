#include "routing/router.hpp"
#include "routing/audience.hpp"

#include <algorithm>
#include <map>

namespace calbridge::routing {
namespace {

using Kind = AudienceConfig::Kind;
using RouteAction = RouteConfig::Action;

/// Types that no route names are remembered too, for the day when a route does; but not without end.
constexpr std::size_t kMaxUnroutedTypes = 64;

/// Why somebody should have the appointment.
struct Grant {
  const Person* person = nullptr;
  const RouteConfig* route = nullptr;
  std::string why;
};

/// Who should have the appointment; ordered, so that equal inputs give equal results.
using Grants = std::map<std::string, Grant, std::less<>>;

bool matches(const RouteConfig& route, std::string_view type) {
  return std::any_of(route.events.begin(), route.events.end(),
                     [&](const std::string& pattern) { return matchesEvent(pattern, type); });
}

/// The newest thing that happened to one audience.
struct LastWord {
  const RouteConfig* route = nullptr;
  const RoutingState::Seen* seen = nullptr;
};

/// When everyone lost it last, by a remove route or by a cancelled snapshot.
std::optional<SnapshotOrder> lastCleared(const RoutingPolicy& policy, const RoutingState& state) {
  std::optional<SnapshotOrder> cleared = state.cancelled;
  for (const auto& [type, seen] : state.events)
    for (const auto& route : policy.routes())
      if (route.action == RouteAction::remove && route.audience.kind == Kind::everyone && !seen.late &&
          matches(route, type) && (!cleared || olderThan(*cleared, seen.order)))
        cleared = seen.order;
  return cleared;
}

LastWord lastWordOn(const AudienceConfig& audience, const RoutingPolicy& policy, const RoutingState& state) {
  LastWord last;
  for (const auto& [type, seen] : state.events)
    for (const auto& route : policy.routes()) {
      const bool decides = route.action == RouteAction::add || (route.action == RouteAction::remove && !seen.late);
      if (!decides || !(route.audience == audience) || !matches(route, type))
        continue;
      // Of several routes for one event type the later one has the last word.
      if (last.seen == nullptr || last.seen == &seen || olderThan(last.seen->order, seen.order))
        last = {&route, &seen};
    }
  return last;
}

std::vector<std::string> anchorsOf(const AudienceConfig& audience, const RoutingState::Seen& seen,
                                   const nlohmann::json& newest) {
  if (audience.path.empty())
    return {};
  const auto it = seen.people.find(audience.path);
  return it != seen.people.end() ? it->second : idsAt(newest, audience.path); // a path that a newer policy asks for
}

/// Everybody who should have it, each with the first route of the file that grants it.
Grants grantsOf(const RoutingPolicy& policy, const Directory& directory, const Appointment& newest,
                const RoutingState& state, std::vector<UnknownPerson>& unknown) {
  Grants grants;
  if (newest.cancelled)
    return grants;
  const auto cleared = lastCleared(policy, state);
  std::vector<const AudienceConfig*> done;
  for (const auto& route : policy.routes()) {
    const auto& audience = route.audience;
    const bool repeated = std::any_of(done.begin(), done.end(), [&](const auto* other) { return *other == audience; });
    if (route.action != RouteAction::add || repeated)
      continue;
    done.push_back(&audience);
    const LastWord last = lastWordOn(audience, policy, state);
    if (last.route == nullptr || last.route->action != RouteAction::add)
      continue;
    if (cleared && !olderThan(*cleared, last.seen->order))
      continue;
    const auto anchors = anchorsOf(audience, *last.seen, newest.data);
    for (auto& member : membersOf(audience, anchors, directory, unknown))
      grants.try_emplace(member.person->id, Grant{member.person, last.route, std::move(member.why)});
  }
  return grants;
}

RoutingState::Seen remember(const RoutingPolicy& policy, const RoutingInput& input) {
  RoutingState::Seen seen;
  seen.order = input.order;
  for (const auto& path : policy.peoplePaths())
    seen.people[path] = idsAt(input.appointment.data, path);
  return seen;
}

/// An event older than the newest snapshot: it counts for those whom the newest snapshot names as well. Where its type
/// is known already, it counts only if the newest snapshot agrees with all of it.
void rememberLate(RoutingState& state, const RoutingPolicy& policy, const RoutingInput& input) {
  const std::string type(input.eventType);
  const auto known = state.events.find(type);
  if (known != state.events.end() && !olderThan(known->second.order, input.order))
    return;
  RoutingState::Seen seen = remember(policy, input);
  seen.late = true;
  bool agrees = true;
  for (auto& [path, ids] : seen.people) {
    const auto named = idsAt(input.newest->data, path);
    const auto gone = std::remove_if(ids.begin(), ids.end(), [&](const std::string& id) {
      return std::find(named.begin(), named.end(), id) == named.end();
    });
    agrees = agrees && gone == ids.end();
    ids.erase(gone, ids.end());
  }
  if (known == state.events.end() || agrees)
    state.events[type] = std::move(seen);
}

/// Renders every role once.
class Renderings {
 public:
  Renderings(const RoutingPolicy& policy, const Appointment& appointment)
      : policy_(policy), appointment_(appointment) {}

  /// Null when the role is not defined.
  std::shared_ptr<const RenderedEntry> of(const std::string& role) {
    auto it = rendered_.find(role);
    if (it == rendered_.end()) {
      const RolePolicy* policy = policy_.role(role);
      it = rendered_.emplace(role, policy ? std::make_shared<RenderedEntry>(policy->render(appointment_)) : nullptr)
               .first;
    }
    return it->second;
  }

 private:
  const RoutingPolicy& policy_;
  const Appointment& appointment_;
  std::map<std::string, std::shared_ptr<const RenderedEntry>, std::less<>> rendered_;
};

std::string undefinedRole(const Person& person) {
  return "role " + person.role + " is not defined in roles.json";
}

/// What an event said about removals, for the receipt's wording.
struct Cause {
  const std::vector<const RouteConfig*>* matched = nullptr; ///< null without an event
  bool cancelled = false;
};

Decision removal(const CurrentPlacement& placement, const Person* person, const Cause& cause) {
  Decision decision;
  decision.personId = placement.personId;
  decision.action = Action::remove;
  decision.role = person ? person->role : "";
  if (person == nullptr) {
    decision.reason = "the directory does not know this person any more";
    return decision;
  }
  if (cause.matched != nullptr)
    for (const RouteConfig* route : *cause.matched)
      if (route->action == RouteAction::remove) {
        decision.route = route->name;
        decision.reason = "route " + route->name + " takes it from " + route->audience.name();
        return decision;
      }
  if (cause.cancelled) {
    decision.reason = "the appointment is cancelled";
    return decision;
  }
  std::string whys;
  if (cause.matched != nullptr)
    for (const RouteConfig* route : *cause.matched)
      if (route->action == RouteAction::add) {
        if (decision.route.empty())
          decision.route = route->name;
        whys += (whys.empty() ? "" : "; ") + whyNot(route->audience, *person);
      }
  decision.reason = "no route grants it any more" + (whys.empty() ? "" : ": " + whys);
  return decision;
}

Decision placing(const Grant& grant, const CurrentPlacement* placement, std::shared_ptr<const RenderedEntry> entry) {
  Decision decision;
  decision.personId = grant.person->id;
  decision.role = grant.person->role;
  decision.route = grant.route->name;
  decision.reason = "route " + grant.route->name + ": " + grant.why;
  if (placement == nullptr || !placement->present)
    decision.action = Action::add;
  else
    decision.action = placement->entryHash == entry->hash ? Action::none : Action::update;
  decision.entry = std::move(entry);
  return decision;
}

std::vector<Decision> decide(const RoutingPolicy& policy, const Appointment& newest, const Directory& directory,
                             const Grants& grants, const std::vector<CurrentPlacement>& current, const Cause& cause) {
  Renderings renderings(policy, newest);
  std::map<std::string, const CurrentPlacement*, std::less<>> placements;
  for (const auto& placement : current)
    placements.emplace(placement.personId, &placement);
  std::vector<Decision> decisions;
  for (const auto& [id, grant] : grants) {
    const auto it = placements.find(id);
    const CurrentPlacement* placement = it == placements.end() ? nullptr : it->second;
    if (auto entry = renderings.of(grant.person->role)) {
      decisions.push_back(placing(grant, placement, std::move(entry)));
      continue;
    }
    Decision decision;
    decision.personId = id;
    decision.role = grant.person->role;
    decision.action = placement != nullptr && placement->present ? Action::remove : Action::none;
    decision.reason = undefinedRole(*grant.person);
    decisions.push_back(std::move(decision));
  }
  for (const auto& [id, placement] : placements)
    if (placement->present && !grants.contains(id))
      decisions.push_back(removal(*placement, directory.person(id), cause));
  std::sort(decisions.begin(), decisions.end(),
            [](const Decision& a, const Decision& b) { return a.personId < b.personId; });
  return decisions;
}

std::vector<MatchedRoute> describe(const std::vector<const RouteConfig*>& matched, const Directory& directory,
                                   const RoutingInput& input, bool counts, std::vector<UnknownPerson>& unknown) {
  std::vector<MatchedRoute> described;
  for (const RouteConfig* route : matched) {
    MatchedRoute match{route->name, toString(route->action), route->audience.name(), {}};
    if (counts && route->audience.kind == Kind::everyone) {
      for (const auto& placement : input.current)
        if (placement.present)
          match.people.push_back(placement.personId);
    } else if (counts && !(route->action == RouteAction::add && input.appointment.cancelled)) {
      const auto anchors = route->audience.path.empty() ? std::vector<std::string>()
                                                        : idsAt(input.appointment.data, route->audience.path);
      for (const auto& member : membersOf(route->audience, anchors, directory, unknown))
        match.people.push_back(member.person->id);
    }
    std::sort(match.people.begin(), match.people.end());
    described.push_back(std::move(match));
  }
  return described;
}

} // namespace

const char* toString(Action action) {
  switch (action) {
  case Action::none:
    return "none";
  case Action::add:
    return "add";
  case Action::update:
    return "update";
  case Action::remove:
    break;
  }
  return "remove";
}

RoutingResult route(const RoutingPolicy& policy, const Directory& directory, const RoutingInput& input) {
  RoutingResult result;
  result.state = input.state;
  std::vector<const RouteConfig*> matched;
  for (const auto& route : policy.routes())
    if (matches(route, input.eventType))
      matched.push_back(&route);
  const bool first = input.newest == nullptr || !input.state.newest;
  result.stale = !first && isStale(input.order, *input.state.newest);
  const std::string type(input.eventType);
  if (result.stale) {
    rememberLate(result.state, policy, input);
  } else if (!matched.empty() || result.state.events.contains(type) || result.state.events.size() < kMaxUnroutedTypes) {
    result.state.events[type] = remember(policy, input);
  }
  if (matched.empty())
    return result;
  if (!result.stale) {
    result.snapshotTaken = true;
    result.state.newest = input.order;
    if (input.appointment.cancelled)
      result.state.cancelled = input.order;
  }
  const Appointment& newest = result.stale ? *input.newest : input.appointment;
  result.routes = describe(matched, directory, input, !result.stale, result.unknown);
  std::vector<UnknownPerson> unknownBefore; // named by earlier events: their receipts say so
  const Grants grants = grantsOf(policy, directory, newest, result.state, unknownBefore);
  result.decisions = decide(policy, newest, directory, grants, input.current, Cause{&matched, newest.cancelled});
  return result;
}

RoutingResult reevaluate(const RoutingPolicy& policy, const Directory& directory, const Appointment& newest,
                         const RoutingState& state, const std::vector<CurrentPlacement>& current) {
  RoutingResult result;
  result.state = state;
  const Grants grants = grantsOf(policy, directory, newest, state, result.unknown);
  result.decisions = decide(policy, newest, directory, grants, current, Cause{nullptr, newest.cancelled});
  return result;
}

} // namespace calbridge::routing
