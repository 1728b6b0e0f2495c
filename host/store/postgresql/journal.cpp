#include "store/postgresql/journal.hpp"

#include <algorithm>
#include <map>

namespace calbridge::store::postgresql {
namespace {

/// One waits for the disk while the other is put together.
constexpr int kTransactionsAtOnce = 2;
constexpr std::size_t kEventsPerTransaction = 1024;

using Key = std::pair<std::string_view, std::string_view>; // event id, source

struct Stored {
  std::int64_t seq = 0;
  std::string contentHash;
  bool fresh = false; ///< by this very call
};

/// Two events of one call under one id but with different contents contradict each other.
bool contradictsItself(std::span<const NewEvent> events, std::vector<Acceptance>& answers) {
  std::map<Key, std::string_view> hashes;
  bool contradicts = false;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& [at, fresh] = hashes.emplace(Key(events[i].id, events[i].source), events[i].contentHash);
    if (fresh || at->second == events[i].contentHash)
      continue;
    contradicts = true;
    for (std::size_t j = 0; j < events.size(); ++j)
      if (events[j].id == events[i].id && events[j].source == events[i].source)
        answers[j].result = Acceptance::Result::conflict;
  }
  return contradicts;
}

} // namespace

std::vector<Acceptance> Journal::accept(std::span<const NewEvent> events, TimeMs now) {
  if (events.empty())
    return {};
  Request request;
  request.events = events;
  request.now = now;
  request.answers.resize(events.size());
  if (events.size() > 1 && contradictsItself(events, request.answers))
    return request.answers;

  std::unique_lock lock(mutex_);
  waiting_.push_back(&request);
  request.turn.wait(lock,
                    [&] { return request.done || (storing_ < kTransactionsAtOnce && waiting_.front() == &request); });
  if (!request.done) {
    std::vector<Request*> together;
    std::size_t count = 0;
    while (!waiting_.empty() &&
           (together.empty() || count + waiting_.front()->events.size() <= kEventsPerTransaction)) {
      count += waiting_.front()->events.size();
      together.push_back(waiting_.front());
      waiting_.pop_front();
    }
    ++storing_;
    lock.unlock();
    store(together);
    lock.lock();
    --storing_;
    for (Request* other : together) {
      other->done = true;
      other->turn.notify_one();
    }
    if (!waiting_.empty())
      waiting_.front()->turn.notify_one();
  }
  if (request.failure)
    std::rethrow_exception(std::exchange(request.failure, nullptr));
  return std::move(request.answers);
}

void Journal::store(const std::vector<Request*>& requests) {
  try {
    if (storeTogether(requests))
      return;
  } catch (const Error& error) {
    if (requests.size() == 1 || error.code() != "store_refused") {
      for (Request* request : requests) // one for each: they are looked at on as many threads
        request->failure = std::make_exception_ptr(Error(error));
      return;
    }
  } catch (...) {
    for (Request* request : requests)
      request->failure = std::current_exception();
    return;
  }
  // Somebody's events are refused: theirs must not be the others' trouble.
  for (Request* request : requests) {
    try {
      storeTogether({request});
    } catch (...) {
      request->failure = std::current_exception();
    }
  }
}

/// False, with nothing stored, when a conflict was found and others are in the same transaction.
bool Journal::storeTogether(const std::vector<Request*>& requests) {
  struct Refused {};
  int attempts = 0;
  const auto work = [&](Session& s) {
    const bool again = ++attempts > 1;
    const std::int64_t run = run_();
    Array ords = Array::integers(), sources = Array::texts(), ids = Array::texts(), types = Array::texts(),
          times = Array::integers(), hashes = Array::texts(), bodies = Array::texts();
    for (const Request* request : requests)
      for (const auto& event : request->events) {
        ords.add(static_cast<std::int64_t>(ords.size()));
        sources.add(event.source);
        ids.add(event.id);
        types.add(event.type);
        times.add(event.time);
        hashes.add(event.contentHash);
        bodies.add(event.body);
      }
    const TimeMs now = requests.front()->now;
    std::map<std::pair<std::string, std::string>, Stored> stored;
    s.each(
        "events_add",
        [&](Row& row) {
          const std::int64_t seq = row.integer();
          std::string id = row.text();
          stored[{std::move(id), row.text()}] = {seq, "", true};
        },
        ords, sources, ids, types, times, hashes, bodies, now, run);
    if (stored.size() < ords.size())
      s.each(
          "events_known",
          [&](Row& row) {
            std::string id = row.text();
            Stored& known = stored[{std::move(id), row.text()}];
            known.seq = row.integer();
            known.contentHash = row.text();
            // The commit of an earlier try was not heard of: what it stored is ours.
            const TimeMs receivedAt = row.integer();
            if (again && receivedAt == now && row.integer() == run)
              known.fresh = true;
          },
          ids, sources);
    bool conflict = false;
    for (Request* request : requests)
      for (std::size_t i = 0; i < request->events.size(); ++i) {
        const auto& event = request->events[i];
        Stored& known = stored.at({event.id, event.source});
        const bool same = known.contentHash.empty() || known.contentHash == event.contentHash;
        request->answers[i] = {!same         ? Acceptance::Result::conflict
                               : known.fresh ? Acceptance::Result::accepted
                                             : Acceptance::Result::duplicate,
                               known.seq};
        known.fresh = false; // the next one of that id repeats it
        conflict = conflict || !same;
      }
    // An event that conflicts has stored nothing; others of the same caller have to be undone.
    if (conflict && ords.size() > requests.size())
      throw Refused();
  };
  // Where each caller has one event, a conflict stores nothing of that caller's, and there is nothing to undo.
  const bool single =
      std::all_of(requests.begin(), requests.end(), [](const Request* r) { return r->events.size() == 1; });
  try {
    if (single)
      sessions_.writeStatement(work);
    else
      sessions_.write(Durability::durable, work);
  } catch (const Refused&) {
    return requests.size() == 1;
  }
  return true;
}

} // namespace calbridge::store::postgresql
