#include "delivery/bulk_sync.hpp"
#include "core/thread.hpp"

namespace calbridge::delivery {
namespace {
constexpr std::size_t kRemembered = 100;
/// A bulk sync fills no queue that a fresh event would have to stand in: it goes on when fewer are due than this, or
/// after a while, because what is due may be waiting for a provider that is down.
constexpr std::int64_t kMostDue = 500;
constexpr auto kLook = std::chrono::milliseconds(50);
constexpr int kLooks = 40;
} // namespace

BulkSync::BulkSync(store::Store& store, const Clock& clock, Random& random, Logger& logger)
    : store_(store), clock_(clock), random_(random), logger_(logger) {}

BulkSync::~BulkSync() {
  stop();
}

void BulkSync::start() {
  thread_ = std::thread([this] { run(); });
}

void BulkSync::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

BulkSync::Job BulkSync::begin(std::vector<std::string> people) {
  Job job;
  job.id = random_.token(12);
  job.people = static_cast<std::int64_t>(people.size());
  const std::lock_guard lock(mutex_);
  jobs_[job.id] = job;
  order_.push_back(job.id);
  while (order_.size() > kRemembered && jobs_.at(order_.front()).finishedAt > 0) {
    jobs_.erase(order_.front());
    order_.pop_front();
  }
  waiting_.push_back({job.id, std::move(people)});
  ready_.notify_one();
  return job;
}

std::optional<BulkSync::Job> BulkSync::job(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto it = jobs_.find(id);
  return it == jobs_.end() ? std::nullopt : std::optional(it->second);
}

void BulkSync::run() {
  nameThread("bulk sync");
  for (;;) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_)
        return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
      jobs_.at(work.id).state = "running";
      jobs_.at(work.id).startedAt = clock_.now();
    }
    carryOut(work);
  }
}

/// False when the host stops.
bool BulkSync::waitForRoom() {
  for (int look = 0; look < kLooks && store_.backlog(clock_.now()).due >= kMostDue; ++look) {
    std::unique_lock lock(mutex_);
    if (ready_.wait_for(lock, kLook, [this] { return stopping_; }))
      return false;
  }
  return true;
}

void BulkSync::carryOut(const Work& work) {
  std::string end = "done";
  for (const auto& person : work.people) {
    try {
      if (!waitForRoom())
        return;
      const auto queued = store_.resyncPerson(person, clock_.now());
      const std::lock_guard lock(mutex_);
      if (stopping_)
        return;
      auto& job = jobs_.at(work.id);
      ++job.done;
      job.queued += queued;
    } catch (const std::exception& error) {
      logger_.error("a bulk sync was given up", {{"job", work.id}, {"reason", error.what()}});
      end = "failed";
      break;
    }
  }
  const std::lock_guard lock(mutex_);
  jobs_.at(work.id).state = end;
  jobs_.at(work.id).finishedAt = clock_.now();
}

} // namespace calbridge::delivery
