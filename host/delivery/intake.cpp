#include "delivery/intake.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/thread.hpp"

#include <algorithm>

namespace calbridge::delivery {
namespace {

constexpr std::size_t kQueueLimit = 2048; ///< events kept in memory; beyond it they are read from the journal
constexpr std::size_t kBatch = 256;       ///< events routed in one transaction
constexpr std::size_t kFew = 4;           ///< events whose deliveries the thread that routes them may hand out itself
constexpr int kJournalDepth = 64;         ///< deeper than what is accepted
constexpr auto kRetryPause = std::chrono::seconds(1);
/// Events "keep coming" when the last two came within this: then the routing thread takes them, many at a time.
constexpr TimeMs kRecently = 5;

JournaledEvent readEvent(std::int64_t seq, const std::string& body) {
  return {seq, parseEvent(parseJson(body, kJournalDepth))};
}

} // namespace

Intake::Intake(store::Store& store, DirectoryCache& directory, std::shared_ptr<const routing::RoutingPolicy> policy,
               const Clock& clock, Logger& logger, Reevaluation::Brake brake)
    : store_(store), directory_(directory), clock_(clock), logger_(logger), policy_(std::move(policy)),
      reevaluation_(
          store, directory, [this] { return this->policy(); }, clock, logger, brake) {}

Intake::~Intake() {
  stop();
}

void Intake::start() {
  // What was decided under other policies, or before somebody changed, is decided again.
  if (reevaluation_.outdated())
    reevaluateAll();
  store_.announcePolicy(policy()->digest());
  store_.onEventsWaiting([this] { readJournalAgain(); });
  {
    const std::lock_guard lock(mutex_);
    started_ = true;
  }
  thread_ = std::thread([this] { run(); });
}

void Intake::stop() {
  store_.onEventsWaiting({});
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  routed_.notify_all();
  if (thread_.joinable())
    thread_.join();
  { const std::lock_guard lock(turn_); } // nobody else routes any more, either
}

std::vector<Intake::Accepted> Intake::accept(std::vector<nlohmann::json> events, bool batch) {
  std::vector<Event> parsed;
  std::vector<store::NewEvent> rows;
  parsed.reserve(events.size());
  rows.reserve(events.size());
  const TimeMs now = clock_.now();
  for (std::size_t i = 0; i < events.size(); ++i) {
    std::string body = jsonText(events[i]); // first: reading takes the document apart
    Event event = parseEvent(std::move(events[i]), batch ? "/" + std::to_string(i) : "");
    std::string hash = sha256(body);
    rows.push_back({event.source, event.id, event.type, event.time.value_or(now), hexEncode(hash), std::move(body)});
    parsed.push_back(std::move(event));
  }

  std::vector<store::Acceptance> acceptances;
  try {
    acceptances = store_.acceptEvents(rows, now);
  } catch (const Error& error) {
    // The answer to a commit can get lost: then they are stored, nobody was told, and only the journal knows.
    if (error.code() == "store_unavailable")
      readJournalAgain();
    throw;
  }
  std::vector<Accepted> answer;
  answer.reserve(acceptances.size());
  for (std::size_t i = 0; i < acceptances.size(); ++i) {
    if (acceptances[i].result == store::Acceptance::Result::conflict)
      throw Error("event_conflict",
                  "an event with this source and id was accepted before with another content; nothing was stored. Send "
                  "a changed event under a new id",
                  {}, batch ? "/" + std::to_string(i) + "/id" : "/id");
    answer.push_back({parsed[i].id, parsed[i].source, acceptances[i].result == store::Acceptance::Result::duplicate,
                      acceptances[i].seq});
  }

  bool promised = false;
  {
    const std::lock_guard lock(mutex_);
    acceptedBefore_ = std::exchange(acceptedAt_, clock_.monotonic());
    promised = promises_ > 0;
    for (std::size_t i = 0; i < answer.size(); ++i) {
      if (answer[i].duplicate) {
        ++counters_.duplicates;
        continue;
      }
      ++counters_.accepted;
      if (queue_.size() < kQueueLimit)
        queue_.push_back({answer[i].seq, std::move(rows[i].body)});
      else
        journalBehind_ = true;
    }
  }
  if (!promised)
    work_.notify_one();
  return answer;
}

/// Kept or not, it is over when nobody holds it any more.
class Intake::Promise {
 public:
  explicit Promise(Intake& intake) : intake_(intake) {
    const std::lock_guard lock(intake_.mutex_);
    ++intake_.promises_;
  }
  ~Promise() {
    if (!over_)
      intake_.keepPromise(false);
  }
  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;
  void keep() {
    if (!std::exchange(over_, true))
      intake_.keepPromise(true);
  }

 private:
  Intake& intake_;
  bool over_ = false;
};

std::function<void()> Intake::promiseToRoute() {
  return [promise = std::make_shared<Promise>(*this)] { promise->keep(); };
}

void Intake::keepPromise(bool called) {
  bool here = false;
  {
    const std::lock_guard lock(mutex_);
    --promises_;
    here = called && started_ && !stopping_ && !queue_.empty() && queue_.size() <= kFew && !journalBehind_ &&
           clock_.monotonic() - acceptedBefore_ >= kRecently;
  }
  if (here) {
    if (const std::unique_lock turn(turn_, std::try_to_lock); turn.owns_lock()) {
      try {
        if (const auto batch = nextBatch(); !batch.empty())
          route(batch);
      } catch (const std::exception& error) {
        failed(error);
      }
    }
  }
  const std::lock_guard lock(mutex_);
  if (somethingWaits())
    work_.notify_one();
}

/// Under mutex_.
bool Intake::somethingWaits() const {
  return !queue_.empty() || journalBehind_;
}

/// Nothing of the batch was stored: it is still in the journal.
void Intake::failed(const std::exception& error) {
  ++counters_.failures;
  const auto* known = dynamic_cast<const Error*>(&error);
  logger_.error("routing failed; it is tried again",
                {{"reason", error.what()}, {"detail", known ? known->detail() : ""}});
  const std::lock_guard lock(mutex_);
  journalBehind_ = true;
}

bool Intake::waitRouted(std::int64_t seq, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  waitedFor_.insert(seq);
  const bool done = routed_.wait_for(lock, timeout, [&] { return stopping_ || !waitedFor_.contains(seq); });
  waitedFor_.erase(seq);
  return done && !stopping_;
}

void Intake::setPolicy(std::shared_ptr<const routing::RoutingPolicy> policy) {
  {
    const std::lock_guard lock(mutex_);
    policy_ = std::move(policy);
  }
  store_.announcePolicy(this->policy()->digest());
  reevaluateAll();
}

/// Another host is gone and left events behind.
void Intake::readJournalAgain() {
  {
    const std::lock_guard lock(mutex_);
    journalBehind_ = true;
  }
  work_.notify_one();
}

std::shared_ptr<const routing::RoutingPolicy> Intake::policy() const {
  const std::lock_guard lock(mutex_);
  return policy_;
}

void Intake::reevaluateAll() {
  reevaluation_.request();
  wakeRouting();
}

Reevaluation::Held Intake::confirmRemovals() {
  const auto held = reevaluation_.confirmRemovals();
  wakeRouting();
  return held;
}

/// The lock is taken so that the routing thread cannot miss the word between looking and sleeping.
void Intake::wakeRouting() {
  { const std::lock_guard lock(mutex_); }
  work_.notify_one();
}

void Intake::run() {
  nameThread("routing");
  standBehind(10); // it catches up with what acknowledgements leave
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [this] { return stopping_ || somethingWaits() || reevaluation_.wanted(); });
      if (stopping_)
        return;
    }
    bool sound = true;
    {
      const std::lock_guard turn(turn_);
      try {
        if (const auto batch = nextBatch(); !batch.empty())
          route(batch);
        else
          counters_.placementsChanged += reevaluation_.step();
      } catch (const std::exception& error) {
        failed(error);
        sound = false;
      }
    }
    if (!sound) {
      std::unique_lock lock(mutex_);
      work_.wait_for(lock, kRetryPause, [this] { return stopping_; });
    }
  }
}

std::vector<JournaledEvent> Intake::nextBatch() {
  std::vector<Waiting> taken;
  bool behind = false;
  {
    const std::lock_guard lock(mutex_);
    behind = journalBehind_;
    while (!behind && !queue_.empty() && taken.size() < kBatch) {
      if (!routedFromJournal_.erase(queue_.front().seq))
        taken.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    if (!behind && queue_.empty())
      routedFromJournal_.clear();
  }
  if (behind)
    return readJournal();
  std::vector<JournaledEvent> batch;
  batch.reserve(taken.size());
  for (const auto& [seq, body] : taken)
    batch.push_back(readEvent(seq, body));
  return batch;
}

std::vector<JournaledEvent> Intake::readJournal() {
  {
    const std::lock_guard lock(mutex_);
    journalBehind_ = false; // before the read: what is accepted after it sets it again
  }
  std::vector<JournaledEvent> batch;
  const auto rows = store_.unroutedEvents(0, kBatch);
  for (const auto& row : rows) {
    // A row that an earlier version took and this one does not understand must not hold up those behind it.
    try {
      batch.push_back(readEvent(row.seq, row.body));
    } catch (const std::exception& error) {
      JournaledEvent event{row.seq, {}};
      event.event.id = row.id;
      event.event.source = row.source;
      giveUp(event, error.what());
    }
  }
  const std::lock_guard lock(mutex_);
  if (rows.size() == kBatch)
    journalBehind_ = true;
  // Some of these may also wait in the queue.
  if (!queue_.empty())
    for (const auto& event : batch)
      routedFromJournal_.insert(event.seq);
  return batch;
}

void Intake::route(const std::vector<JournaledEvent>& batch) {
  try {
    routeTogether(batch);
    return;
  } catch (const Error& error) {
    if (error.code() == "store_unavailable")
      throw;
    if (batch.size() == 1) {
      giveUp(batch.front(), error.message() + " " + error.detail());
      return;
    }
  } catch (const nlohmann::json::exception& error) {
    if (batch.size() == 1) {
      giveUp(batch.front(), error.what());
      return;
    }
  }
  // One event of the batch cannot be routed: find it, so that the others are not held up.
  for (const auto& event : batch)
    route({event});
}

void Intake::giveUp(const JournaledEvent& event, const std::string& reason) {
  ++counters_.failures;
  logger_.error("an event cannot be routed and was set aside; its receipt says why",
                {{"event", event.event.id}, {"source", event.event.source}, {"reason", reason}});
  store::RoutingWrite write;
  write.events.push_back({event.seq, jsonText(nlohmann::json::array({{{"error", reason}}}))});
  store_.applyRouting(write, clock_.now());
  announce({event});
}

void Intake::routeTogether(const std::vector<JournaledEvent>& batch) {
  std::vector<std::string> ids;
  for (const auto& [seq, event] : batch)
    for (const auto& appointment : event.appointments)
      ids.push_back(appointment.id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());

  std::int64_t changed = 0;
  for (;;) {
    const Planner planner(policy(), directory_.current());
    const TimeMs now = clock_.now();
    const auto write = planner.plan(batch, store_.appointmentStates(ids), now);
    changed = static_cast<std::int64_t>(write.placements.size());
    bool stored = false;
    const auto apply = [&] { stored = store_.applyRouting(write, now); };
    if (through_ && batch.size() <= kFew)
      through_(apply);
    else
      apply();
    if (stored)
      break; // else another node changed one of them meanwhile
  }
  counters_.routed += static_cast<std::int64_t>(batch.size());
  counters_.placementsChanged += changed;
  announce(batch);
}

void Intake::announce(const std::vector<JournaledEvent>& batch) {
  bool awaited = false;
  {
    const std::lock_guard lock(mutex_);
    if (!waitedFor_.empty())
      for (const auto& event : batch)
        awaited |= waitedFor_.erase(event.seq) > 0;
  }
  if (awaited)
    routed_.notify_all();
}

} // namespace calbridge::delivery
