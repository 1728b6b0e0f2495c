#include "store/sqlite/placement_row.hpp"
#include "store/sqlite/sqlite_store.hpp"

#include <algorithm>
#include <charconv>

namespace calbridge::store::sqlite {
namespace {

/// An appointment has changed since it was loaded.
struct Stale {};

std::vector<int> readReminders(std::string_view text) {
  std::vector<int> reminders;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int minutes = 0;
    const auto [next, error] = std::from_chars(at, end, minutes);
    if (error != std::errc())
      break;
    reminders.push_back(minutes);
    at = next + 1;
  }
  return reminders;
}

AppointmentRecord readAppointment(Row& row) {
  AppointmentRecord appointment;
  appointment.id = row.text();
  appointment.rowVersion = row.integer();
  appointment.version = row.maybeInteger();
  appointment.orderTime = row.integer();
  appointment.seq = row.integer();
  appointment.endUtc = row.integer();
  appointment.snapshot = row.text();
  appointment.memory = row.text();
  return appointment;
}

void storeAppointment(Session& session, const AppointmentRecord& a) {
  const auto changed =
      a.rowVersion == 0
          ? session["appointments_add"].run(a.id, a.version, a.orderTime, a.seq, a.endUtc, a.snapshot, a.memory)
          : session["appointments_change"].run(a.id, a.rowVersion, a.version, a.orderTime, a.seq, a.endUtc, a.snapshot,
                                               a.memory);
  if (changed == 0)
    throw Stale();
}

} // namespace

std::string remindersText(const std::vector<int>& reminders) {
  std::string text;
  for (const int minutes : reminders) {
    if (!text.empty())
      text += ',';
    text += std::to_string(minutes);
  }
  return text;
}

PlacementRecord readPlacement(Row& row) {
  PlacementRecord p;
  p.id = row.integer();
  p.kind = row.text();
  p.appointmentId = row.text();
  p.personId = row.text();
  p.present = row.flag();
  p.route = row.text();
  p.revision = row.integer();
  p.decidedAt = row.integer();
  p.contentHash = row.text();
  Entry& e = p.entry;
  e.title = row.text();
  e.description = row.text();
  e.location = row.text();
  e.time.allDay = row.flag();
  e.time.start = row.text();
  e.time.end = row.text();
  e.time.timezone = row.text();
  e.time.startUtc = row.integer();
  e.time.endUtc = row.integer();
  e.reminders = readReminders(row.view());
  e.showAs = row.text();
  e.visibility = row.text();
  e.status = row.text();
  e.url = row.text();
  p.eventId = row.text();
  return p;
}

std::vector<AppointmentState> SqliteStore::appointmentStates(std::span<const std::string> ids) {
  std::vector<AppointmentState> states;
  readers_.read([&](Session& s) {
    for (const auto& id : ids) {
      AppointmentState& state = states.emplace_back();
      state.appointment.id = id;
      if (!s["appointments_one"].one([&](Row& row) { state.appointment = readAppointment(row); }, id))
        continue;
      s["placements_of_appointment"].each([&](Row& row) { state.placements.push_back(readPlacement(row)); }, id);
    }
  });
  return states;
}

SqliteStore::StoredPlacement SqliteStore::storePlacement(Session& session, const PlacementRecord& p) {
  const Entry& e = p.entry;
  const std::string reminders = remindersText(e.reminders);
  StoredPlacement stored{p.id, false};
  if (stored.id == 0) {
    std::int64_t added = 0;
    try {
      added = session["placements_add"].run(
          p.kind, p.appointmentId, p.personId, p.present, p.route, p.revision, p.decidedAt, p.contentHash, e.title,
          e.description, e.location, e.time.allDay, e.time.start, e.time.end, e.time.timezone, e.time.startUtc,
          e.time.endUtc, reminders, e.showAs, e.visibility, e.status, e.url, p.eventId);
    } catch (const Failure& failure) {
      if (failure.code() == SQLITE_CONSTRAINT_FOREIGNKEY)
        return stored; // the person was erased meanwhile
      throw;
    }
    if (added > 0)
      return {session.lastInsertId(), true};
    session["placements_id"].one([&](Row& row) { stored.id = row.integer(); }, p.kind, p.appointmentId, p.personId);
    if (stored.id == 0)
      return stored;
  }
  const auto changed = session["placements_change"].run(
      stored.id, p.present, p.route, p.revision, p.decidedAt, p.contentHash, e.title, e.description, e.location,
      e.time.allDay, e.time.start, e.time.end, e.time.timezone, e.time.startUtc, e.time.endUtc, reminders, e.showAs,
      e.visibility, e.status, e.url, p.eventId);
  if (changed == 0)
    stored.id = 0;
  return stored;
}

void SqliteStore::planDeliveries(Session& session, const StoredPlacement& stored, const PlacementRecord& placement,
                                 TimeMs now, bool again) {
  const WantedContent content{placement.present, placement.revision, placement.contentHash,
                              placement.entry.time.endUtc};
  for (const auto connectionId : connectionIdsOf(session, placement.personId)) {
    const Gist* connection = gist(session, connectionId);
    if (connection == nullptr || (connection->reach != Reach::open && connection->reach != Reach::waiting))
      continue;
    const Reach reach = connection->reach;
    const DeliveryKey key{stored.id, connectionId};
    auto row = stored.fresh ? std::nullopt : deliveryRow(session, key);
    if (!row) {
      if (placement.present || again)
        addDelivery(session, key, placement.revision, reach, now, again);
      if (placement.present || !again)
        continue;
      row = deliveryRow(session, key); // added and removed within this batch: it has to be looked for
    }
    const DeliveryRow before = *row;
    plan(*row, content, reach, touched(key, *row), now);
    if (*row != before)
      storeDelivery(session, key, *row);
  }
}

bool SqliteStore::applyRouting(const RoutingWrite& write, TimeMs now) {
  try {
    const bool again = std::any_of(write.events.begin(), write.events.end(),
                                   [this](const RoutedEvent& event) { return event.seq <= journaledBefore_; });
    writer_->relaxed([&](Session& s) {
      for (const auto& appointment : write.appointments)
        storeAppointment(s, appointment);
      for (const auto& changed : write.placements) {
        const auto placement = storePlacement(s, changed);
        if (placement.id != 0)
          planDeliveries(s, placement, changed, now, again);
      }
      for (const auto& event : write.events)
        s["events_routed"].run(event.seq, event.result);
    });
  } catch (const Stale&) {
    return false;
  }
  return true;
}

std::vector<std::string> SqliteStore::openAppointments(TimeMs now, const std::string& after, std::size_t limit) {
  std::vector<std::string> ids;
  readers_.read([&](Session& s) {
    s["appointments_open"].each([&](Row& row) { ids.push_back(row.text()); }, now, after, limit);
  });
  return ids;
}

PlacementRecord SqliteStore::putCustomEntry(const PlacementRecord& placement, TimeMs now) {
  PlacementRecord stored = placement;
  stored.kind = "custom";
  writer_->durable([&](Session& s) {
    const auto row = storePlacement(s, stored);
    if (row.id == 0)
      throw Error("person_not_found", "There is no such person (any more).");
    stored.id = row.id;
    planDeliveries(s, row, stored, now);
  });
  return stored;
}

std::vector<PlacementRecord> SqliteStore::placementsOf(const std::string& personId, TimeMs since, std::size_t limit) {
  std::vector<PlacementRecord> placements;
  readers_.read([&](Session& s) {
    s["placements_of_person"].each([&](Row& row) { placements.push_back(readPlacement(row)); }, personId, since, limit);
  });
  return placements;
}

std::optional<PlacementRecord> SqliteStore::placement(const std::string& kind, const std::string& appointmentId,
                                                      const std::string& personId) {
  std::optional<PlacementRecord> placement;
  readers_.read([&](Session& s) {
    s["placements_one"].one([&](Row& row) { placement = readPlacement(row); }, kind, appointmentId, personId);
  });
  return placement;
}

} // namespace calbridge::store::sqlite
