#pragma once
#include "delivery/delivery_engine.hpp"
#include "unit/connections/fixture.hpp"
#include "unit/delivery/forwarding_store.hpp"

#include <condition_variable>

namespace calbridge::delivery {

using connections::errorCode;
using connections::RecordingLogger;
using connections::ScriptedProvider;
using connections::TemporaryFolder;
using connections::TestClock;
using store::DeliveryOutcome;
using store::DeliveryTask;

constexpr TimeMs kSecond = 1000;
constexpr TimeMs kMinute = 60 * kSecond;
constexpr TimeMs kHour = 60 * kMinute;
/// Only a broken program reaches it.
constexpr auto kPatience = std::chrono::seconds(30);

/// Counts that threads raise and tests wait for.
class Signal {
 public:
  void raise(std::size_t by = 1) {
    {
      const std::lock_guard lock(mutex_);
      count_ += by;
    }
    changed_.notify_all();
  }
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  /// False when the count does not reach `wanted`.
  bool reaches(std::size_t wanted) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return count_ >= wanted; });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::size_t count_ = 0;
};

/// Asks again until it is so; for what no signal tells.
template <typename Check>
bool eventually(Check&& check) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!check()) {
    if (std::chrono::steady_clock::now() > end)
      return false;
    std::this_thread::yield();
  }
  return true;
}

/// The real store, watched, and broken where a test says so. Hooks are set before the threads start.
class ObservedStore final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  std::vector<store::Acceptance> acceptEvents(std::span<const store::NewEvent> events, TimeMs now) override {
    auto accepted = inner_.acceptEvents(events, now);
    if (afterAccept)
      afterAccept();
    return accepted;
  }
  std::vector<store::NodeRecord> nodes() override { return alive; }
  bool applyRouting(const store::RoutingWrite& write, TimeMs now) override {
    if (beforeRouting)
      beforeRouting(write);
    return inner_.applyRouting(write, now);
  }
  Claim claimDeliveries(TimeMs now, std::size_t limit, TimeMs leaseMs, const Room& room) override {
    auto claim = inner_.claimDeliveries(now, limit, leaseMs, room);
    if (changeClaim)
      changeClaim(claim);
    claimed.raise(claim.tasks.size());
    claims.raise();
    return claim;
  }
  void recordOutcomes(std::span<const DeliveryOutcome> outcomes) override {
    if (beforeRecord)
      beforeRecord(outcomes);
    inner_.recordOutcomes(outcomes);
    recorded.raise(outcomes.size());
    batches.raise();
  }
  std::int64_t resyncPerson(const std::string& personId, TimeMs now) override {
    if (beforeResync)
      beforeResync(personId);
    return inner_.resyncPerson(personId, now);
  }

  std::vector<store::NodeRecord> alive; ///< the hosts of this database; set before anybody asks
  std::function<void()> afterAccept;
  std::function<void(const store::RoutingWrite&)> beforeRouting;
  std::function<void(Claim&)> changeClaim;
  std::function<void(std::span<const DeliveryOutcome>)> beforeRecord;
  std::function<void(const std::string&)> beforeResync;
  Signal claims, claimed, recorded, batches;
};

/// Always the same bytes: no jitter, and names that can be foretold.
class SteadyRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), std::uint8_t{0}); }
};

/// A gate that lets threads wait inside a call until the test opens it.
class Gate {
 public:
  ~Gate() { open(); }
  void pass() {
    entered.raise();
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    opened_.notify_all();
  }
  Signal entered;

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

/// How many are inside at a time, and how many there were at most.
class Crowd {
 public:
  void enter() {
    const int now = ++inside_;
    int most = most_.load();
    while (now > most && !most_.compare_exchange_weak(most, now)) {
    }
  }
  void leave() { --inside_; }
  int inside() const { return inside_; }
  int most() const { return most_; }

 private:
  std::atomic<int> inside_{0}, most_{0};
};

} // namespace calbridge::delivery
