#include "delivery/worker_pool.hpp"
#include "core/thread.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace calbridge::delivery {
namespace {

constexpr std::size_t kFewWaiting = 256; ///< beyond one for each thread, up to
constexpr std::size_t kMostWaiting = 256;
constexpr auto kIdleTime = std::chrono::seconds(10);

} // namespace

WorkerPool::WorkerPool(std::string name, std::size_t limit, Work work, Duration patience, Work late)
    : name_(std::move(name)), work_(std::move(work)), patience_(patience), late_(std::move(late)), size_(limit) {}

WorkerPool::~WorkerPool() {
  close();
  wait();
}

std::size_t WorkerPool::room() const {
  const std::lock_guard lock(mutex_);
  const std::size_t busy = threads_ - idle_ + queue_.size();
  // Some tasks wait, so that no thread does. They are asked for again when half of them are gone and not one by one:
  // a claim costs much the same for one as for many.
  const std::size_t waiting = std::min(size_.target(), kMostWaiting) + kFewWaiting;
  return stopping_ || busy >= size_.target() + waiting / 2 ? 0 : size_.target() + waiting - busy;
}

std::size_t WorkerPool::inFlight() const {
  const std::lock_guard lock(mutex_);
  return threads_ - idle_ + queue_.size();
}

void WorkerPool::spawnIfWorthwhile() {
  while (!stopping_ && threads_ < size_.target() && idle_ < queue_.size()) {
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
    if (queue_.empty())
      size_.begin(now);
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
    lock.lock();
    ++idle_;
    if (size_.ended(ended - began, ended, !queue_.empty(), threads_))
      spawnIfWorthwhile();
    if (threads_ > size_.allowed())
      break; // a trial that brought nothing
    if (queue_.empty() && idle_ > size_.target())
      break; // the slow time is over: a few tasks a second must not keep all of its threads, taking turns, alive
  }
  --idle_;
  --threads_;
  if (queue_.empty())
    size_.shrunk(threads_);
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
