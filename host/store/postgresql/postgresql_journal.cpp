#include "store/postgresql/postgresql_store.hpp"

namespace calbridge::store::postgresql {
namespace {

EventRecord readEvent(Row& row) {
  EventRecord event;
  event.seq = row.integer();
  event.source = row.text();
  event.id = row.text();
  event.type = row.text();
  event.time = row.integer();
  event.receivedAt = row.integer();
  event.routed = row.flag();
  const auto result = row.view();
  if (!result.empty())
    event.result = nlohmann::json::parse(result);
  event.body = row.text();
  return event;
}

} // namespace

std::vector<Acceptance> PostgresqlStore::acceptEvents(std::span<const NewEvent> events, TimeMs now) {
  return journal_.accept(events, now);
}

std::vector<EventRecord> PostgresqlStore::unroutedEvents(std::int64_t after, std::size_t limit) {
  std::vector<EventRecord> events;
  sessions_.read([&](Session& s) {
    events.clear();
    s.each(
        "events_unrouted", [&](Row& row) { events.push_back(readEvent(row)); }, after, limit, run());
  });
  return events;
}

std::optional<EventRecord> PostgresqlStore::event(const std::string& source, const std::string& id) {
  std::optional<EventRecord> event;
  const auto read = [&](Row& row) { event = readEvent(row); };
  sessions_.read([&](Session& s) {
    if (source.empty())
      s.one("events_newest", read, id);
    else
      s.one("events_one", read, id, source);
  });
  return event;
}

} // namespace calbridge::store::postgresql
