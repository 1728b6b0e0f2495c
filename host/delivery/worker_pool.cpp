#include "delivery/worker_pool.hpp"
#include "core/thread.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace calbridge::delivery {
namespace {

constexpr std::size_t kFewThreads = 16;
constexpr std::size_t kFewWaiting = 256; ///< beyond one for each thread, up to
constexpr std::size_t kMostWaiting = 256;
constexpr auto kIdleTime = std::chrono::seconds(10);
/// More pushes a second than one machine can make: with a push of t milliseconds, t * kRate / 1000 threads keep up.
constexpr double kRate = 20000;
/// How fast the memory of the fastest push fades, per push.
constexpr double kFade = 0.02;
/// And how far at most: a single push that stalls says nothing about the provider, and must not start dozens of
/// threads.
constexpr double kGrowth = 1.1;
/// Twice as many threads are worth having if so much more gets done.
constexpr double kWorth = 1.3;
constexpr auto kWeighingTime = std::chrono::milliseconds(20); ///< at least
constexpr auto kNextTrial = std::chrono::seconds(1);          ///< after one that brought nothing

} // namespace

WorkerPool::WorkerPool(std::string name, std::size_t limit, Work work, Duration patience, Work late)
    : name_(std::move(name)), limit_(limit), work_(std::move(work)), patience_(patience), late_(std::move(late)),
      allowed_(std::min(kFewThreads, limit)) {}

WorkerPool::~WorkerPool() {
  close();
  wait();
}

std::size_t WorkerPool::worthwhile() const {
  const auto wanted = static_cast<std::size_t>(std::max(fastestMs_, 0.0) / 1000 * kRate);
  return std::clamp(wanted, std::min(kFewThreads, limit_), limit_);
}

std::size_t WorkerPool::target() const {
  return std::min(worthwhile(), allowed_);
}

/// After every push. On busy processors every push takes long, too: more threads then only make it longer, which would
/// ask for still more of them. So what counts in the end is how much gets done.
void WorkerPool::weigh(Time now) {
  if (queue_.empty() || threads_ < allowed_) { // there are enough of them
    weighed_ = 0;
    weighingSince_ = now;
    return;
  }
  if (++weighed_ < threads_ || now - weighingSince_ < kWeighingTime)
    return;
  const double rate = static_cast<double>(weighed_) / std::chrono::duration<double>(now - weighingSince_).count();
  weighed_ = 0;
  weighingSince_ = now;
  if (provenThreads_ > 0) {
    const double share = static_cast<double>(allowed_ - provenThreads_) / static_cast<double>(provenThreads_);
    const bool worth = rate >= provenRate_ * (1 + (kWorth - 1) * share);
    if (!worth) {
      allowed_ = provenThreads_;
      noTrialBefore_ = now + kNextTrial;
    }
    provenThreads_ = 0;
  }
  if (allowed_ >= worthwhile() || now < noTrialBefore_)
    return;
  provenThreads_ = allowed_;
  provenRate_ = rate;
  // By far too few where a provider is slow: greater steps.
  allowed_ = std::min((worthwhile() / 16 >= allowed_ ? 4 : 2) * allowed_, limit_);
  spawnIfWorthwhile();
}

std::size_t WorkerPool::room() const {
  const std::lock_guard lock(mutex_);
  const std::size_t busy = threads_ - idle_ + queue_.size();
  // Some tasks wait, so that no thread does. They are asked for again when half of them are gone and not one by one:
  // a claim costs much the same for one as for many.
  const std::size_t waiting = std::min(target(), kMostWaiting) + kFewWaiting;
  return stopping_ || busy >= target() + waiting / 2 ? 0 : target() + waiting - busy;
}

std::size_t WorkerPool::inFlight() const {
  const std::lock_guard lock(mutex_);
  return threads_ - idle_ + queue_.size();
}

void WorkerPool::spawnIfWorthwhile() {
  while (!stopping_ && threads_ < target() && idle_ < queue_.size()) {
    // Detached and counted: stop() waits for the count, so no thread outlives the pool.
    ++threads_;
    ++idle_;
    try {
      std::thread([this] { run(); }).detach();
    } catch (const std::system_error&) { // no more threads to be had: those that exist do the work
      --threads_;
      --idle_;
      return;
    }
  }
}

void WorkerPool::submit(std::vector<store::DeliveryTask> tasks) {
  {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (queue_.empty()) {
      weighed_ = 0;
      weighingSince_ = now;
    }
    for (auto& task : tasks)
      queue_.push_back({std::move(task), now});
    spawnIfWorthwhile();
  }
  ready_.notify_one(); // whoever takes a task wakes the next one: all at once would only queue up for the mutex
}

void WorkerPool::run() {
  nameThread(("push " + name_).substr(0, 15).c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!ready_.wait_for(lock, kIdleTime, [this] { return stopping_ || !queue_.empty(); }) || stopping_)
      break;
    const Waiting next = std::move(queue_.front());
    queue_.pop_front();
    --idle_;
    const bool more = !queue_.empty();
    if (more)
      spawnIfWorthwhile();
    const bool handOn = more && idle_ > 0;
    lock.unlock();
    if (handOn)
      ready_.notify_one();
    const auto began = std::chrono::steady_clock::now();
    if (began - next.since >= patience_) {
      late_(next.task);
      lock.lock();
      ++idle_;
      continue;
    }
    work_(next.task);
    const auto ended = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(ended - began).count();
    lock.lock();
    fastestMs_ =
        fastestMs_ < 0 || ms < fastestMs_ ? ms : std::min(fastestMs_ + (ms - fastestMs_) * kFade, fastestMs_ * kGrowth);
    ++idle_;
    weigh(ended);
    if (threads_ > allowed_)
      break; // a trial that brought nothing
    if (queue_.empty() && idle_ > target())
      break; // the slow time is over: a few tasks a second must not keep all of its threads, taking turns, alive
  }
  --idle_;
  --threads_;
  if (queue_.empty()) { // what so many threads have proven is over with them
    allowed_ = std::clamp(threads_, std::min(kFewThreads, limit_), allowed_);
    provenThreads_ = 0;
  }
  if (threads_ == 0)
    ended_.notify_all();
}

std::vector<store::DeliveryTask> WorkerPool::close() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  std::vector<store::DeliveryTask> left;
  for (auto& waiting : queue_)
    left.push_back(std::move(waiting.task));
  queue_.clear();
  ready_.notify_all();
  return left;
}

bool WorkerPool::waitUntil(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return ended_.wait_until(lock, deadline, [this] { return threads_ == 0; });
}

void WorkerPool::wait() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return threads_ == 0; });
}

} // namespace calbridge::delivery
