#include "delivery/planner.hpp"
#include "core/json_text.hpp"

#include <unordered_map>

namespace calbridge::delivery {
namespace {

constexpr int kJournalDepth = 64; ///< deeper than what is accepted

/// None was taken while all events about it were of types that no route names.
bool hasSnapshot(const store::AppointmentRecord& appointment) {
  return !appointment.snapshot.empty() && appointment.snapshot != "null";
}

/// One appointment while a batch works on it: the stored state, and which of it has changed.
struct Working {
  store::AppointmentState state;
  routing::RoutingState memory;
  std::optional<Appointment> stored;
  const Appointment* newest = nullptr; ///< of the batch's events; null while what is stored is the newest
  bool touched = false;
  std::unordered_map<std::string, std::size_t> placementOf; ///< person → index in state.placements
  std::vector<bool> changed;
  std::vector<std::int64_t> storedRevision;

  explicit Working(store::AppointmentState loaded) : state(std::move(loaded)) {
    if (!state.appointment.memory.empty())
      memory = routing::routingStateFromJson(parseJson(state.appointment.memory));
    if (hasSnapshot(state.appointment))
      stored = parseAppointment(parseJson(state.appointment.snapshot, kJournalDepth), "");
    for (std::size_t i = 0; i < state.placements.size(); ++i) {
      placementOf.emplace(state.placements[i].personId, i);
      storedRevision.push_back(state.placements[i].revision);
    }
    changed.resize(state.placements.size());
  }

  /// Null: nothing is known yet.
  const Appointment* known() const { return newest == nullptr && stored ? &*stored : newest; }

  std::vector<routing::CurrentPlacement> current() const {
    std::vector<routing::CurrentPlacement> list;
    list.reserve(state.placements.size());
    for (const auto& placement : state.placements)
      list.push_back({placement.personId, placement.present, placement.contentHash});
    return list;
  }

  store::PlacementRecord& placement(const std::string& personId) {
    const auto [it, fresh] = placementOf.try_emplace(personId, state.placements.size());
    if (fresh) {
      store::PlacementRecord record;
      record.appointmentId = state.appointment.id;
      record.personId = personId;
      record.present = false;
      state.placements.push_back(std::move(record));
      changed.push_back(false);
      storedRevision.push_back(0);
    }
    return state.placements[it->second];
  }

  /// 0: there is none.
  std::int64_t revisionOf(const std::string& personId) const {
    const auto found = placementOf.find(personId);
    return found == placementOf.end() ? 0 : state.placements[found->second].revision;
  }

  /// Carries one decision out. A batch raises a placement's revision once, however many of its events change it.
  void apply(const routing::Decision& decision, const std::string& eventId, TimeMs now) {
    if (decision.action == routing::Action::none)
      return;
    auto& target = placement(decision.personId);
    const std::size_t index = placementOf.at(decision.personId);
    target.present = decision.action != routing::Action::remove;
    target.route = decision.route;
    target.eventId = eventId;
    target.decidedAt = now;
    target.revision = storedRevision[index] + 1;
    if (decision.entry) {
      target.entry = decision.entry->entry;
      target.contentHash = decision.entry->hash;
    }
    changed[index] = true;
    touched = true;
  }
};

/// Text for a receipt, written without making a document of it: every event has one, few are asked for.
class ResultText {
 public:
  explicit ResultText(std::string& out) : out_(out) {}

  void describe(const routing::RoutingResult& result, const std::string& appointmentId, const Working& working) {
    out_.append("{\"appointment\":");
    appendJsonString(out_, appointmentId);
    out_.append(result.stale ? ",\"stale\":true" : ",\"stale\":false");
    list("routes", result.routes, [&](const routing::MatchedRoute& route) {
      text("{\"name\":", route.name);
      text(",\"action\":", route.action);
      text(",\"audience\":", route.audience);
      list("people", route.people, [&](const std::string& person) { appendJsonString(out_, person); });
    });
    list("unknown", result.unknown, [&](const routing::UnknownPerson& person) {
      text("{\"person\":", person.personId);
      text(",\"path\":", person.path);
    });
    list("decisions", result.decisions, [&](const routing::Decision& decision) {
      text("{\"person\":", decision.personId);
      text(",\"role\":", decision.role);
      text(",\"action\":", routing::toString(decision.action));
      text(",\"route\":", decision.route);
      text(",\"reason\":", decision.reason);
      out_.append(",\"revision\":").append(std::to_string(working.revisionOf(decision.personId)));
    });
    out_.push_back('}');
  }

 private:
  void text(std::string_view name, std::string_view value) {
    out_.append(name);
    appendJsonString(out_, value);
  }

  /// Another member: a list of strings, or of objects that `write` begins and leaves open.
  template <typename Item, typename Write>
  void list(std::string_view name, const std::vector<Item>& items, Write write) {
    out_.append(",\"").append(name).append("\":[");
    for (const Item& item : items) {
      write(item);
      out_.append(std::is_same_v<Item, std::string> ? "," : "},");
    }
    if (!items.empty())
      out_.pop_back();
    out_.push_back(']');
  }

  std::string& out_;
};

void collect(store::RoutingWrite& write, std::vector<Working>& all) {
  for (auto& working : all) {
    if (!working.touched)
      continue;
    working.state.appointment.memory = routing::toJsonText(working.memory);
    if (working.newest != nullptr)
      working.state.appointment.snapshot = jsonText(working.newest->data);
    for (std::size_t i = 0; i < working.state.placements.size(); ++i)
      if (working.changed[i])
        write.placements.push_back(std::move(working.state.placements[i]));
    write.appointments.push_back(std::move(working.state.appointment));
  }
}

} // namespace

store::RoutingWrite Planner::plan(const std::vector<JournaledEvent>& events,
                                  std::vector<store::AppointmentState> states, TimeMs now) const {
  std::vector<Working> all;
  all.reserve(states.size());
  std::unordered_map<std::string, std::size_t> indexOf;
  for (auto& state : states) {
    indexOf.emplace(state.appointment.id, all.size());
    all.emplace_back(std::move(state));
  }

  store::RoutingWrite write;
  write.events.reserve(events.size());
  for (const auto& [seq, event] : events) {
    std::string results = "[";
    ResultText text(results);
    for (const auto& appointment : event.appointments) {
      Working& working = all[indexOf.at(appointment.id)];
      const auto current = working.current();
      routing::RoutingResult result =
          routing::route(*policy_, *directory_,
                         {.eventType = event.type,
                          .appointment = appointment,
                          .order = {.version = appointment.version, .time = event.time, .arrival = seq},
                          .newest = working.known(),
                          .state = working.memory,
                          .current = current});
      working.touched = true;
      working.memory = std::move(result.state);
      if (result.snapshotTaken) {
        working.newest = &appointment;
        auto& record = working.state.appointment;
        record.version = appointment.version;
        record.orderTime = event.time.value_or(0);
        record.seq = seq;
        record.endUtc = appointment.time.endUtc;
      }
      for (const auto& decision : result.decisions)
        working.apply(decision, event.id, now);
      if (results.size() > 1)
        results.push_back(',');
      text.describe(result, appointment.id, working);
    }
    results.push_back(']');
    write.events.push_back({seq, std::move(results)});
  }
  collect(write, all);
  return write;
}

store::RoutingWrite Planner::replan(std::vector<store::AppointmentState> states, TimeMs now) const {
  store::RoutingWrite write;
  std::vector<Working> all;
  all.reserve(states.size());
  for (auto& state : states) {
    if (state.appointment.rowVersion == 0 || !hasSnapshot(state.appointment))
      continue;
    Working& working = all.emplace_back(std::move(state));
    const auto current = working.current();
    const auto result = routing::reevaluate(*policy_, *directory_, *working.stored, working.memory, current);
    for (const auto& decision : result.decisions)
      working.apply(decision, {}, now);
  }
  collect(write, all);
  return write;
}

} // namespace calbridge::delivery
