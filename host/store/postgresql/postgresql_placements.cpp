#include "store/postgresql/delivery_changes.hpp"
#include "store/postgresql/placement_row.hpp"
#include "store/postgresql/postgresql_store.hpp"

#include <charconv>
#include <map>

namespace calbridge::store::postgresql {
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

std::string remindersText(const std::vector<int>& reminders) {
  std::string text;
  for (const int minutes : reminders) {
    if (!text.empty())
      text += ',';
    text += std::to_string(minutes);
  }
  return text;
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

/// The columns of a batch of appointments.
struct AppointmentColumns {
  Array ids = Array::texts(), loaded = Array::integers(), versions = Array::integers(), orderTimes = Array::integers(),
        seqs = Array::integers(), ends = Array::integers(), snapshots = Array::texts(), memories = Array::texts();

  explicit AppointmentColumns(const std::vector<AppointmentRecord>& appointments) {
    for (const auto& a : appointments) {
      ids.add(a.id);
      loaded.add(a.rowVersion);
      versions.add(a.version);
      orderTimes.add(a.orderTime);
      seqs.add(a.seq);
      ends.add(a.endUtc);
      snapshots.add(a.snapshot);
      memories.add(a.memory);
    }
  }
};

/// The columns of a batch of placements.
struct PlacementColumns {
  Array kinds = Array::texts(), appointments = Array::texts(), people = Array::texts(), present = Array::flags(),
        routes = Array::texts(), revisions = Array::integers(), decidedAts = Array::integers(), hashes = Array::texts(),
        titles = Array::texts(), descriptions = Array::texts(), locations = Array::texts(), allDay = Array::flags(),
        starts = Array::texts(), ends = Array::texts(), timezones = Array::texts(), startUtcs = Array::integers(),
        endUtcs = Array::integers(), reminders = Array::texts(), showAs = Array::texts(), visibilities = Array::texts(),
        statuses = Array::texts(), urls = Array::texts(), eventIds = Array::texts();

  void add(const PlacementRecord& p) {
    const Entry& e = p.entry;
    kinds.add(p.kind);
    appointments.add(p.appointmentId);
    people.add(p.personId);
    present.add(p.present);
    routes.add(p.route);
    revisions.add(p.revision);
    decidedAts.add(p.decidedAt);
    hashes.add(p.contentHash);
    titles.add(e.title);
    descriptions.add(e.description);
    locations.add(e.location);
    allDay.add(e.time.allDay);
    starts.add(e.time.start);
    ends.add(e.time.end);
    timezones.add(e.time.timezone);
    startUtcs.add(e.time.startUtc);
    endUtcs.add(e.time.endUtc);
    reminders.add(remindersText(e.reminders));
    showAs.add(e.showAs);
    visibilities.add(e.visibility);
    statuses.add(e.status);
    urls.add(e.url);
    eventIds.add(p.eventId);
  }
};

} // namespace

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

std::vector<AppointmentState> PostgresqlStore::appointmentStates(std::span<const std::string> ids) {
  std::vector<AppointmentState> states(ids.size());
  std::unordered_map<std::string_view, AppointmentState*> byId;
  Array wanted = Array::texts();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    wanted.add(ids[i]);
    byId.emplace(ids[i], &states[i]);
  }
  // Not one snapshot of the database: whoever writes because of what is read here is told (applyRouting) when an
  // appointment has changed, and placements change with their appointment only.
  sessions_.read([&](Session& s) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      states[i] = {};
      states[i].appointment.id = ids[i];
    }
    bool any = false;
    s.each(
        "appointments_some",
        [&](Row& row) {
          auto appointment = readAppointment(row);
          byId.at(appointment.id)->appointment = std::move(appointment);
          any = true;
        },
        wanted);
    if (any)
      s.each(
          "placements_of_appointments",
          [&](Row& row) {
            auto placement = readPlacement(row);
            byId.at(placement.appointmentId)->placements.push_back(std::move(placement));
          },
          wanted);
  });
  return states;
}

/// Stores new and changed placements; those whose person (or which themselves) have been erased meanwhile are left out.
std::vector<PostgresqlStore::Planned> PostgresqlStore::storePlacements(Session& session,
                                                                       std::vector<const PlacementRecord*> placements) {
  Array people = Array::texts(), known = Array::integers();
  for (const auto* p : placements) {
    people.add(p->personId);
    if (p->id != 0)
      known.add(p->id);
  }
  std::set<std::string> alive;
  session.each(
      "people_share", [&](Row& row) { alive.insert(row.text()); }, people);
  std::set<std::int64_t> still;
  if (known.size() > 0)
    session.each(
        "placements_still", [&](Row& row) { still.insert(row.integer()); }, known);

  using Name = std::tuple<std::string, std::string, std::string>;
  std::map<Name, const PlacementRecord*> byName;
  PlacementColumns c;
  for (const auto* p : placements) {
    if (!alive.contains(p->personId) || (p->id != 0 && !still.contains(p->id)))
      continue;
    c.add(*p);
    byName.emplace(Name(p->appointmentId, p->personId, p->kind), p);
  }
  std::vector<Planned> planned;
  if (byName.empty())
    return planned;
  session.each(
      "placements_add",
      [&](Row& row) {
        std::string appointment = row.text(), person = row.text(), kind = row.text();
        const std::int64_t id = row.integer();
        planned.push_back(
            {id, row.flag(), byName.at(Name(std::move(appointment), std::move(person), std::move(kind)))});
      },
      c.kinds, c.appointments, c.people, c.present, c.routes, c.revisions, c.decidedAts, c.hashes, c.titles,
      c.descriptions, c.locations, c.allDay, c.starts, c.ends, c.timezones, c.startUtcs, c.endUtcs, c.reminders,
      c.showAs, c.visibilities, c.statuses, c.urls, c.eventIds);
  return planned;
}

void PostgresqlStore::planDeliveries(Session& session, Dues& dues, const std::vector<Planned>& planned, TimeMs now) {
  struct Connection {
    std::int64_t id = 0;
    std::string provider;
    Reach reach = Reach::none;
  };
  if (planned.empty())
    return;
  Array people = Array::texts(), old = Array::integers();
  for (const auto& p : planned) {
    people.add(p.placement->personId);
    if (!p.fresh)
      old.add(p.placementId);
  }
  std::unordered_map<std::string, std::vector<Connection>> connections;
  session.each(
      "connections_planned_of",
      [&](Row& row) {
        auto& list = connections[row.text()];
        Connection connection{row.integer(), row.text(), Reach::none};
        connection.reach = reachOf(row.text());
        list.push_back(std::move(connection));
      },
      people);
  if (connections.empty())
    return;
  std::map<Key, DeliveryRow> rows;
  if (old.size() > 0)
    session.each(
        "deliveries_of_placements",
        [&](Row& row) {
          const std::int64_t placementId = row.integer();
          const Key key{placementId, row.integer()};
          rows.emplace(key, readDeliveryRow(row));
        },
        old);

  DeliveryChanges changes;
  for (const auto& [placementId, fresh, placement] : planned) {
    const auto list = connections.find(placement->personId);
    if (list == connections.end())
      continue;
    const WantedContent content{placement->present, placement->revision, placement->contentHash,
                                placement->entry.time.endUtc};
    for (const auto& connection : list->second) {
      const Key key{placementId, connection.id};
      const auto row = rows.find(key);
      if (row == rows.end()) {
        if (placement->present)
          changes.add(key, connection.provider, placement->revision, connection.reach, now);
        continue;
      }
      DeliveryRow after = row->second;
      plan(after, content, connection.reach, touched(after), now);
      if (after != row->second)
        changes.change(key, connection.provider, after);
    }
  }
  flush(session, dues, changes);
}

bool PostgresqlStore::applyRouting(const RoutingWrite& write, TimeMs now) {
  // Made once, outside of the transaction.
  const AppointmentColumns a(write.appointments);
  std::vector<const PlacementRecord*> placements;
  for (const auto& placement : write.placements)
    placements.push_back(&placement);
  Array seqs = Array::integers(), results = Array::texts();
  for (const auto& event : write.events) {
    seqs.add(event.seq);
    results.add(event.result);
  }
  try {
    change(Durability::durable, [&](Session& s, Dues& dues) {
      if (!write.appointments.empty()) {
        const auto stored = s.run("appointments_store", a.ids, a.loaded, a.versions, a.orderTimes, a.seqs, a.ends,
                                  a.snapshots, a.memories);
        if (stored < static_cast<std::int64_t>(write.appointments.size()))
          throw Stale();
      }
      if (!placements.empty())
        planDeliveries(s, dues, storePlacements(s, placements), now);
      if (seqs.size() > 0)
        s.run("events_routed", seqs, results);
    });
  } catch (const Stale&) {
    return false;
  }
  return true;
}

std::vector<std::string> PostgresqlStore::openAppointments(TimeMs now, const std::string& after, std::size_t limit) {
  std::vector<std::string> ids;
  sessions_.read([&](Session& s) {
    ids.clear();
    s.each(
        "appointments_open", [&](Row& row) { ids.push_back(row.text()); }, now, after, limit);
  });
  return ids;
}

PlacementRecord PostgresqlStore::putCustomEntry(const PlacementRecord& placement, TimeMs now) {
  PlacementRecord stored = placement;
  stored.kind = "custom";
  std::int64_t id = 0;
  change(Durability::durable, [&](Session& s, Dues& dues) {
    const auto planned = storePlacements(s, {&stored});
    if (planned.empty())
      throw Error("person_not_found", "There is no such person (any more).");
    id = planned.front().placementId;
    planDeliveries(s, dues, planned, now);
  });
  stored.id = id;
  return stored;
}

std::vector<PlacementRecord> PostgresqlStore::placementsOf(const std::string& personId, TimeMs since,
                                                           std::size_t limit) {
  std::vector<PlacementRecord> placements;
  sessions_.read([&](Session& s) {
    placements.clear();
    s.each(
        "placements_of_person", [&](Row& row) { placements.push_back(readPlacement(row)); }, personId, since, limit);
  });
  return placements;
}

std::optional<PlacementRecord> PostgresqlStore::placement(const std::string& kind, const std::string& appointmentId,
                                                          const std::string& personId) {
  std::optional<PlacementRecord> placement;
  sessions_.read([&](Session& s) {
    s.one(
        "placements_one", [&](Row& row) { placement = readPlacement(row); }, kind, appointmentId, personId);
  });
  return placement;
}

} // namespace calbridge::store::postgresql
