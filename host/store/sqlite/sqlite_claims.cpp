#include "store/sqlite/placement_row.hpp"
#include "store/sqlite/sqlite_store.hpp"

#include <queue>

namespace calbridge::store::sqlite {
namespace {

constexpr std::size_t kFirstPage = 4; ///< due rows of one connection read at first: mostly one or two can go
constexpr std::size_t kPage = 16;     ///< and then

struct DueRow {
  TimeMs dueAt = 0;
  std::int64_t placementId = 0;
};

/// One connection's due rows that nobody holds, in order, a page at a time.
class DueRows {
 public:
  DueRows(Session& session, const LeaseBook& leases, std::int64_t connectionId)
      : session_(session), leases_(leases), connectionId_(connectionId) {}

  /// Null at the end.
  const DueRow* front() {
    while (at_ == page_.size() && !ended_)
      load();
    return at_ < page_.size() ? &page_[at_] : nullptr;
  }
  void pop() { ++at_; }

 private:
  void load() {
    page_.clear();
    at_ = 0;
    std::size_t read = 0;
    session_["deliveries_due"].each(
        [&](Row& row) {
          after_.dueAt = row.integer();
          after_.placementId = row.integer();
          ++read;
          if (!leases_.leased({after_.placementId, connectionId_}))
            page_.push_back(after_);
        },
        connectionId_, after_.dueAt, after_.placementId, size_);
    ended_ = read < size_;
    size_ = kPage;
  }

  Session& session_;
  const LeaseBook& leases_;
  std::int64_t connectionId_;
  std::vector<DueRow> page_;
  std::size_t size_ = kFirstPage;
  std::size_t at_ = 0;
  DueRow after_{std::numeric_limits<TimeMs>::min(), 0};
  bool ended_ = false;
};

/// Ends by itself; what ends it changes nothing, so that a failure of that says nothing.
class ReadTransaction {
 public:
  explicit ReadTransaction(Session& session) : session_(session) { session_["begin"].run(); }
  ~ReadTransaction() {
    try {
      session_["commit"].run();
    } catch (const Failure&) { // the session is of no use then: whoever uses it next finds out
    }
  }
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;

 private:
  Session& session_;
};

} // namespace

/// The row is nobody's any more. Where it cannot be read now, it is taken to be due: whoever looks next finds out.
void SqliteStore::expectAgain(Session& session, const DeliveryKey& key) {
  std::optional<TimeMs> dueAt = 0;
  try {
    const auto row = deliveryRow(session, key);
    dueAt = row ? row->dueAt : std::nullopt;
  } catch (const Failure&) { // the claim under way meets it again, and reports it
  }
  if (dueAt)
    schedule_.lower(key.connectionId, *dueAt);
}

/// Ends the leases that were given back since the last claim: needs no database, so that none is ever lost.
void SqliteStore::takeBack(Session& session) {
  std::vector<GivenBack> givenBack;
  {
    const std::lock_guard lock(givenBackMutex_);
    givenBack.swap(givenBack_);
  }
  for (const auto& [key, fence] : givenBack)
    if (leases_.release(key, fence))
      expectAgain(session, key);
}

/// Merges the connections' due rows into one sequence, the oldest first. Costs what it finds: a connection's rows are
/// read when it is its turn and it has room, and not before. What is in `chosen` is leased, also when it throws.
void SqliteStore::chooseDue(Session& session, TimeMs now, std::size_t limit, TimeMs leaseMs, const Room& room,
                            Claim& claim, std::vector<Candidate>& chosen) {
  const auto expect = [&](TimeMs at) { claim.nextDue = std::min(claim.nextDue.value_or(at), at); };
  leases_.expire(now, [&](const DeliveryKey& key) { expectAgain(session, key); });

  struct Opened {
    DueRows rows;
    bool roomTaken = false; ///< for its next row
  };
  std::unordered_map<std::int64_t, Opened> open; // by connection
  using Head = std::pair<TimeMs, std::int64_t>;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads; // of connections not opened yet: at the earliest
  std::vector<std::int64_t> gone;
  auto upcoming = schedule_.inOrder().begin();
  const auto end = schedule_.inOrder().end();

  while (chosen.size() < limit) {
    // Let in every connection whose first row may be older than the oldest one known.
    while (upcoming != end && upcoming->first <= now && (heads.empty() || upcoming->first <= heads.top().first)) {
      const Head head = *upcoming++;
      const Gist* connection = gist(session, head.second);
      if (connection == nullptr) {
        gone.push_back(head.second);
      } else if (connection->pausedUntil > now) {
        expect(connection->pausedUntil);
      } else {
        heads.push(head);
      }
    }
    if (heads.empty() || heads.top().first > now)
      break;
    const auto [dueAt, connectionId] = heads.top();
    heads.pop();
    const Gist& connection = *gist(session, connectionId);
    auto found = open.find(connectionId);
    if ((found == open.end() || !found->second.roomTaken) && !room(connectionId, connection.provider))
      continue; // out for this time; its head stays
    if (found == open.end())
      found = open.try_emplace(connectionId, Opened{DueRows(session, leases_, connectionId)}).first;
    auto& [rows, roomTaken] = found->second;
    const DueRow* first = rows.front();
    roomTaken = first != nullptr && first->dueAt > dueAt;
    if (roomTaken) { // the schedule said it too early
      heads.emplace(first->dueAt, connectionId);
      continue;
    }
    if (first == nullptr) {
      expect(now); // the room taken for nothing may have been what others wanted
      continue;
    }
    const DeliveryKey key{first->placementId, connectionId};
    chosen.push_back({key, leases_.lease(key, now + leaseMs), connection.personId, connection.provider});
    rows.pop();
    if (const DueRow* next = rows.front())
      heads.emplace(next->dueAt, connectionId);
  }

  for (auto& [connectionId, opened] : open) {
    const DueRow* first = opened.rows.front();
    schedule_.set(connectionId, first != nullptr ? std::optional(first->dueAt) : std::nullopt);
    if (opened.roomTaken)
      expect(now);
  }
  for (const auto connectionId : gone)
    schedule_.set(connectionId, std::nullopt);
  if (!heads.empty())
    expect(std::max(heads.top().first, now));
}

Store::Claim SqliteStore::claimDeliveries(TimeMs now, std::size_t limit, TimeMs leaseMs, const Room& room) {
  Claim claim;
  std::vector<Candidate> chosen;
  const auto choose = [&](Session& s) {
    const ReadTransaction together(s); // else every statement would take the file's locks for itself
    takeBack(s);
    chooseDue(s, now, limit, leaseMs, room, claim, chosen);
    const auto expect = [&](TimeMs at) { claim.nextDue = std::min(claim.nextDue.value_or(at), at); };
    const auto later = schedule_.inOrder().upper_bound({now, std::numeric_limits<std::int64_t>::max()});
    if (later != schedule_.inOrder().end())
      expect(later->first);
    if (const auto expiry = leases_.nextExpiry())
      expect(std::max(*expiry, now));
  };
  std::vector<DeliveryTask> gone;
  const auto readTasks = [&](Session& s) {
    for (auto& candidate : chosen) {
      DeliveryTask task;
      task.placementId = candidate.key.placementId;
      task.connectionId = candidate.key.connectionId;
      task.fence = candidate.fence;
      const bool due = s["deliveries_task"].one(
          [&](Row& row) {
            task.personId = std::move(candidate.personId);
            task.provider = std::move(candidate.provider);
            task.wanted = row.flag();
            task.revision = row.integer();
            task.providerEventId = row.text();
            task.etag = row.text();
            task.appliedHash = row.text();
            task.attempts = row.small();
            task.firstFailureAt = row.integer();
            task.generation = row.small();
            PlacementRecord placement = readPlacement(row);
            task.appointmentId = std::move(placement.appointmentId);
            task.decidedAt = placement.decidedAt;
            task.eventId = std::move(placement.eventId);
            task.entry = std::move(placement.entry);
            task.contentHash = std::move(placement.contentHash);
          },
          task.placementId, task.connectionId);
      (due ? claim.tasks : gone).push_back(std::move(task));
    }
  };
  try {
    writer_->inspect(choose);
    // The rest is read on the caller's thread: what is leased does not go away, and may only have become newer.
    if (!chosen.empty())
      readers_.read(readTasks);
  } catch (...) { // nobody hears of these leases: the rows would wait until they run out
    gone.clear();
    for (const auto& candidate : chosen) {
      DeliveryTask& task = gone.emplace_back();
      task.placementId = candidate.key.placementId;
      task.connectionId = candidate.key.connectionId;
      task.fence = candidate.fence;
    }
    releaseClaims(gone);
    throw;
  }
  if (!gone.empty())
    releaseClaims(gone);
  return claim;
}

} // namespace calbridge::store::sqlite
