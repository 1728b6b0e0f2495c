#include "store/sqlite/sqlite_store.hpp"

#include <set>

namespace calbridge::store::sqlite {
namespace {

struct Known {
  std::int64_t seq = 0;
  bool same = false;
};

std::optional<Known> known(Session& session, const NewEvent& event) {
  std::optional<Known> known;
  session["events_known"].one(
      [&](Row& row) {
        known.emplace();
        known->seq = row.integer();
        known->same = row.view() == event.contentHash;
      },
      event.id, event.source);
  return known;
}

Acceptance repetition(const Known& known) {
  return {known.same ? Acceptance::Result::duplicate : Acceptance::Result::conflict, known.seq};
}

/// Stores the event unless (source, id) is known already.
Acceptance accept(Session& session, const NewEvent& event, TimeMs now) {
  const auto added =
      session["events_add"].run(event.source, event.id, event.type, event.time, now, event.contentHash, event.body);
  if (added == 0)
    return repetition(known(session, event).value());
  return {Acceptance::Result::accepted, session.lastInsertId()};
}

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

std::vector<Acceptance> SqliteStore::acceptEvents(std::span<const NewEvent> events, TimeMs now) {
  std::vector<Acceptance> answers;
  if (events.empty())
    return answers;
  if (events.size() == 1) {
    writer_->durableStatement([&](Session& s) { answers = {accept(s, events.front(), now)}; });
    return answers;
  }
  // Two events of the batch under one id but with different contents contradict each other: neither is stored.
  std::map<std::pair<std::string_view, std::string_view>, std::string_view> hashes;
  std::set<std::pair<std::string_view, std::string_view>> contradictions;
  for (const auto& event : events) {
    const std::pair<std::string_view, std::string_view> key(event.source, event.id);
    if (hashes.emplace(key, event.contentHash).first->second != event.contentHash)
      contradictions.insert(key);
  }
  writer_->durable([&](Session& s) {
    answers.assign(events.size(), {});
    bool conflict = false;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const auto found = known(s, events[i]);
      if (found)
        answers[i] = repetition(*found);
      if (contradictions.contains({events[i].source, events[i].id}))
        answers[i].result = Acceptance::Result::conflict;
      conflict = conflict || answers[i].result == Acceptance::Result::conflict;
    }
    if (conflict)
      return;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (answers[i].result == Acceptance::Result::accepted)
        answers[i] = accept(s, events[i], now);
    }
  });
  return answers;
}

std::vector<EventRecord> SqliteStore::unroutedEvents(std::int64_t after, std::size_t limit) {
  std::vector<EventRecord> events;
  readers_.read([&](Session& s) {
    s["events_unrouted"].each([&](Row& row) { events.push_back(readEvent(row)); }, after, limit);
  });
  return events;
}

std::optional<EventRecord> SqliteStore::event(const std::string& source, const std::string& id) {
  std::optional<EventRecord> event;
  const auto read = [&](Row& row) { event = readEvent(row); };
  readers_.read([&](Session& s) {
    if (source.empty()) {
      s["events_newest"].one(read, id);
    } else {
      s["events_one"].one(read, id, source);
    }
  });
  return event;
}

} // namespace calbridge::store::sqlite
