#include "store/postgresql/placement_row.hpp"
#include "store/postgresql/postgresql_store.hpp"

#include <algorithm>
#include <map>
#include <queue>
#include <utility>

namespace calbridge::store::postgresql {
namespace {

constexpr std::size_t kConnectionsAtOnce = 64; ///< looked up in one statement
constexpr TimeMs kElsewhereMs = 1000;          ///< then another node's mailbox is looked at again
/// For so long a node leaves mailboxes to others that have room: claims on them end, a second later they are given
/// back, and a second after that the others have looked.
constexpr TimeMs kOfferMs = 2500;
constexpr std::chrono::milliseconds kWant{1500}; ///< for so long a node that has room and saw work elsewhere says so

TimeMs monotonicMs() {
  return SystemClock().monotonic();
}

/// What the placement says goes into the task.
void fill(DeliveryTask& task, PlacementRecord placement) {
  task.appointmentId = std::move(placement.appointmentId);
  task.personId = std::move(placement.personId);
  task.decidedAt = placement.decidedAt;
  task.eventId = std::move(placement.eventId);
  task.entry = std::move(placement.entry);
  task.contentHash = std::move(placement.contentHash);
}

} // namespace

/// Merges the connections' due rows into one sequence, the oldest first, and asks for room for each. Looks up
/// connections a group at a time, as far as they may come before the oldest row known.
class PostgresqlStore::Choice {
 public:
  Choice(PostgresqlStore& store, TimeMs now, std::size_t limit, const Room& room)
      : store_(store), now_(now), limit_(limit), room_(room), due_(store.book_.due(now)) {}

  std::vector<Candidate> choose() {
    std::vector<Candidate> chosen;
    while (chosen.size() < limit_) {
      while (next_ < due_.heads.size() && (order_.empty() || due_.heads[next_].at <= order_.top().first))
        letIn();
      if (order_.empty() || order_.top().first > now_)
        break;
      const std::int64_t connectionId = order_.top().second;
      order_.pop();
      Open& open = open_.at(connectionId);
      if (!hasRoom(connectionId, open))
        continue; // out for this time; its head stays
      chosen.push_back({{open.page[open.at].second, connectionId}, open.page[open.at].first, open.provider});
      ++open.taken;
      ++open.at;
      if (open.at == open.page.size() && !open.ended)
        load({{connectionId, open.page.back()}});
      if (open.at < open.page.size())
        order_.emplace(open.page[open.at].first, connectionId);
    }
    leftBehind_ =
        chosen.size() == limit_ && ((!order_.empty() && order_.top().first <= now_) || next_ < due_.heads.size());
    correctBook();
    return chosen;
  }
  /// Due work was left behind for `limit`.
  bool leftBehind() const { return leftBehind_; }
  /// Due work was left behind because this node has enough to do.
  bool busy() const { return leftBehind_ || !full_.empty(); }
  /// There is room here, and due work in mailboxes of other nodes.
  bool wantsWork() const { return sawElsewhere_ && !busy(); }

 private:
  using DueRow = std::pair<TimeMs, std::int64_t>; // due, placement
  struct Open {
    std::string provider;
    std::vector<DueRow> page;
    std::size_t at = 0;
    bool ended = false; ///< the page is the last
    int taken = 0;
  };
  struct Want {
    std::int64_t connectionId = 0;
    DueRow after{INT64_MIN, 0};
  };

  /// Left to other nodes for now. The offer ends by itself: whoever should strike it off may not get the lock.
  bool onOffer(std::int64_t connectionId) const {
    const auto offer = store_.offered_.find(connectionId);
    return offer != store_.offered_.end() && offer->second > ticks_;
  }

  /// Looks up the next group of connections.
  void letIn() {
    std::vector<Want> wanted;
    const std::size_t most = std::clamp<std::size_t>(limit_, 8, kConnectionsAtOnce);
    for (; next_ < due_.heads.size() && wanted.size() < most; ++next_) {
      const auto& head = due_.heads[next_];
      if (onOffer(head.connectionId))
        continue;
      if (!full_.contains(head.provider) || store_.held_.on(head.connectionId) > 0)
        wanted.push_back({head.connectionId, {INT64_MIN, 0}});
    }
    load(wanted);
  }

  void load(const std::vector<Want>& wanted) {
    if (wanted.empty())
      return;
    Array ids = Array::integers(), dues = Array::integers(), placements = Array::integers();
    std::set<std::int64_t> gone;
    for (const auto& want : wanted) {
      ids.add(want.connectionId);
      dues.add(want.after.first);
      placements.add(want.after.second);
      gone.insert(want.connectionId);
    }
    const std::size_t page =
        std::clamp<std::size_t>(2 * limit_ / wanted.size(), 4, std::max<std::size_t>(limit_, 4)) + 1;
    std::map<std::int64_t, Open> found;
    std::map<std::int64_t, TimeMs> later;
    store_.sessions_.read([&](Session& s) {
      found.clear();
      later.clear();
      s.each(
          "deliveries_due",
          [&](Row& row) {
            const std::int64_t connectionId = row.integer();
            Open& open = found[connectionId];
            open.provider = row.text();
            const TimeMs pausedUntil = row.integer();
            const bool elsewhere = row.flag();
            if (pausedUntil > now_)
              later[connectionId] = pausedUntil;
            else if (elsewhere) {
              later[connectionId] = now_ + kElsewhereMs;
              sawElsewhere_ = true;
            }
            if (const auto dueAt = row.maybeInteger())
              open.page.emplace_back(*dueAt, row.integer());
          },
          ids, store_.run(), store_.leaseTime(now_), dues, placements, page);
    });
    for (auto& [connectionId, open] : found) {
      gone.erase(connectionId);
      if (const auto at = later.find(connectionId); at != later.end()) {
        store_.book_.correct(due_.stamp, connectionId, at->second, open.provider);
        continue;
      }
      open.ended = open.page.size() < page;
      Open& known = open_[connectionId];
      open.taken = known.taken;
      known = std::move(open);
      if (known.taken == 0 && !known.page.empty())
        order_.emplace(known.page.front().first, connectionId);
    }
    for (const auto connectionId : gone)
      store_.book_.correct(due_.stamp, connectionId, std::nullopt, "");
  }

  bool hasRoom(std::int64_t connectionId, const Open& open) {
    if (room_(connectionId, open.provider))
      return true;
    // Refused although nothing of it is under way: the provider is busy, and its other idle connections need no look.
    if (open.taken == 0 && store_.held_.on(connectionId) == 0)
      full_.insert(open.provider);
    return false;
  }

  void correctBook() {
    for (const auto& [connectionId, open] : open_) {
      if (open.at < open.page.size())
        store_.book_.correct(due_.stamp, connectionId, open.page[open.at].first, open.provider);
      else if (open.ended)
        store_.book_.correct(due_.stamp, connectionId, std::nullopt, open.provider);
    }
  }

  PostgresqlStore& store_;
  const TimeMs now_;
  const TimeMs ticks_ = monotonicMs();
  const std::size_t limit_;
  const Room& room_;
  const DueBook::Due due_;
  std::size_t next_ = 0; ///< of due_.heads
  std::map<std::int64_t, Open> open_;
  std::priority_queue<DueRow, std::vector<DueRow>, std::greater<>> order_; ///< first due row, connection
  std::set<std::string> full_;                                             ///< providers
  bool leftBehind_ = false;
  bool sawElsewhere_ = false;
};

std::optional<TimeMs> PostgresqlStore::leaseTime(TimeMs now) const {
  return options_.callersClock ? std::optional(now) : std::nullopt;
}

Store::Claim PostgresqlStore::claimDeliveries(TimeMs now, std::size_t limit, TimeMs leaseMs, const Room& room) {
  const std::lock_guard lock(claimMutex_);
  if (shareDue_)
    shareMailboxes();
  for (const auto connectionId : held_.expire(now))
    book_.lower(connectionId, now, "");
  Claim claim;
  Choice choice(*this, now, limit, room);
  const auto chosen = choice.choose();
  if (!chosen.empty())
    claim.tasks = lease(chosen, now, leaseMs);
  busy_ = busy_ || choice.busy();
  if (choice.busy())
    node_->wantWorkUntil({});
  else if (choice.wantsWork())
    node_->wantWorkUntil(std::chrono::steady_clock::now() + kWant);
  const auto expect = [&](std::optional<TimeMs> at) {
    if (at)
      claim.nextDue = std::min(claim.nextDue.value_or(*at), std::max(*at, now));
  };
  if (choice.leftBehind())
    expect(now);
  expect(book_.firstAfter(now));
  expect(held_.nextExpiry());
  return claim;
}

/// Makes the claims, on disk. A row that somebody else took or changed meanwhile is left out.
std::vector<DeliveryTask> PostgresqlStore::lease(const std::vector<Candidate>& chosen, TimeMs now, TimeMs leaseMs) {
  const std::int64_t own = run();
  if (own != mailboxRun_) { // the former run's are anybody's
    mailboxes_.clear();
    mailboxRun_ = own;
  }
  std::set<std::int64_t> wanted;
  std::map<Key, std::size_t> order;
  for (const auto& candidate : chosen) {
    order.emplace(candidate.key, order.size());
    if (!mailboxes_.contains(candidate.key.connectionId))
      wanted.insert(candidate.key.connectionId);
  }
  Array wantedMailboxes = Array::integers(), doubtfulPlacements = Array::integers(),
        doubtfulConnections = Array::integers();
  for (const auto id : wanted)
    wantedMailboxes.add(id);

  std::vector<DeliveryTask> tasks;
  std::set<std::int64_t> taken;
  bool again = false;
  const auto work = [&](Session& s) {
    if (again) // the first try may have been committed
      for (const auto& candidate : chosen)
        doubtful_.push_back(candidate.key);
    again = true;
    if (!doubtful_.empty()) {
      Array placements = Array::integers(), connections = Array::integers();
      for (const auto& key : doubtful_) {
        placements.add(key.placementId);
        connections.add(key.connectionId);
      }
      s.run("deliveries_unlease_unknown", placements, connections, own);
    }
    tasks.clear();
    taken.clear();
    if (!wanted.empty())
      s.each(
          "mailboxes_take", [&](Row& row) { taken.insert(row.integer()); }, wantedMailboxes, own);
    Array placements = Array::integers(), connections = Array::integers(), changed = Array::integers();
    for (const auto& [key, dueAt, provider] : chosen)
      if (mailboxes_.contains(key.connectionId) || taken.contains(key.connectionId)) {
        placements.add(key.placementId);
        connections.add(key.connectionId);
      }
    if (placements.size() == 0)
      return;
    s.each(
        "deliveries_lease",
        [&](Row& row) {
          DeliveryTask& task = tasks.emplace_back();
          task.placementId = row.integer();
          task.connectionId = row.integer();
          task.fence = row.integer();
          task.wanted = row.flag();
          task.revision = row.integer();
          task.providerEventId = row.text();
          task.etag = row.text();
          task.appliedHash = row.text();
          task.attempts = row.small();
          task.firstFailureAt = row.integer();
          task.generation = row.small();
          task.takenOver = row.flag();
          PlacementRecord placement = readPlacement(row);
          if (placement.revision != task.revision)
            changed.add(placement.id);
          fill(task, std::move(placement));
        },
        placements, connections, own, leaseTime(now), leaseMs);
    // A statement sees a row that it waited for as it is now, but the rows joined to it as they were when it began: the
    // delivery may already ask for a content that came with it just meanwhile. What is read now is that or a newer one.
    if (changed.size() > 0)
      s.each(
          "placements_some",
          [&](Row& row) {
            const PlacementRecord placement = readPlacement(row);
            for (auto& task : tasks)
              if (task.placementId == placement.id)
                fill(task, placement);
          },
          changed);
  };
  try {
    // On disk before the attempt: a claim that a crash of the server undid would make a row look untried that was
    // pushed.
    if (wanted.empty() && doubtful_.empty())
      sessions_.writeStatement(work);
    else
      sessions_.write(Durability::durable, work);
  } catch (...) {
    for (const auto& candidate : chosen) {
      doubtful_.push_back(candidate.key);
      book_.lower(candidate.key.connectionId, candidate.dueAt, candidate.provider);
    }
    throw;
  }
  doubtful_.clear();

  const TimeMs at = monotonicMs();
  for (const auto id : taken)
    mailboxes_[id] = at;
  std::vector<bool> leased(chosen.size());
  for (auto& task : tasks) {
    const Key key{task.placementId, task.connectionId};
    const std::size_t index = order.at(key);
    task.provider = chosen[index].provider;
    leased[index] = true;
    mailboxes_[task.connectionId] = at;
    held_.add(key, task.fence, now + leaseMs);
  }
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (leased[i])
      continue;
    const bool elsewhere = !mailboxes_.contains(chosen[i].key.connectionId);
    book_.lower(chosen[i].key.connectionId, elsewhere ? now + kElsewhereMs : chosen[i].dueAt, chosen[i].provider);
  }
  std::sort(tasks.begin(), tasks.end(), [&](const DeliveryTask& a, const DeliveryTask& b) {
    return order.at({a.placementId, a.connectionId}) < order.at({b.placementId, b.connectionId});
  });
  return tasks;
}

/// Leaves mailboxes to others that have room while this node has more to do than it can: the claims on a mailbox follow
/// each other without a gap then, so that by itself none would ever be given back. Under claimMutex_.
void PostgresqlStore::offerSurplus() {
  const TimeMs now = monotonicMs();
  std::erase_if(offered_, [now](const auto& offer) { return offer.second <= now; });
  const bool busy = std::exchange(busy_, false);
  const std::size_t share = (inUse_ + alive_ - 1) / alive_;
  if (!busy || !workWanted_ || !offered_.empty() || mailboxes_.size() <= share)
    return;
  std::size_t surplus = mailboxes_.size() - share;
  for (const auto& [id, at] : mailboxes_) {
    if (surplus-- == 0)
      break;
    offered_.emplace(id, now + kOfferMs);
  }
}

/// Every second: mailboxes without claims are nobody's after a moment, and those on offer at once, so that nodes with
/// room can help. Alone, there is nobody to help. Under claimMutex_.
void PostgresqlStore::shareMailboxes() {
  shareDue_ = false;
  if (alive_ < 2) {
    offered_.clear();
    return;
  }
  offerSurplus();
  const TimeMs before = monotonicMs() - kElsewhereMs;
  Array idle = Array::integers();
  std::vector<std::int64_t> ids;
  for (const auto& [id, at] : mailboxes_)
    if ((at < before || offered_.contains(id)) && held_.on(id) == 0) {
      idle.add(id);
      ids.push_back(id);
    }
  if (ids.empty())
    return;
  for (const auto id : ids) // first: if the commit is not heard of, they are taken anew
    mailboxes_.erase(id);
  sessions_.write(Durability::relaxed, [&](Session& s) { s.run("mailboxes_give_back", idle, mailboxRun_); });
}

} // namespace calbridge::store::postgresql
