#pragma once
#include "core/provider.hpp"
#include "core/random.hpp"
#include "core/time.hpp"
#include "delivery/entry_identity.hpp"
#include "delivery/late_writes.hpp"
#include "delivery/retry_policy.hpp"
#include "store/records.hpp"

#include <atomic>
#include <chrono>

namespace calbridge::connections {
class Connections;
}

namespace calbridge::delivery {

/// What one attempt came to.
struct Attempt {
  store::DeliveryOutcome outcome;
  Status status = Status::ok; ///< what it says about the provider as a whole
  int requests = 0;           ///< HTTP requests that the plugin made for it, those for a token apart
};

/// Makes one attempt at one delivery: asks for a token, calls the provider, decides what its answer means for the row.
/// From any thread; blocks for as long as the provider takes, at most `timeout` for each call.
class Pusher {
 public:
  /// All references are borrowed and outlive it. `timeout` limits one call, and is how long the provider may still
  /// carry out a write after that was given up.
  Pusher(connections::Connections& connections, const EntryIdentity& identity, const Clock& clock, Random& random,
         const RetryPolicy& retry, std::chrono::milliseconds timeout);

  Attempt push(Provider& provider, const store::DeliveryTask& task);
  /// The outcome of an attempt that failed in that way.
  Attempt failure(const store::DeliveryTask& task, const Failure& failure);
  /// Cuts off every call that is under way, and every later one.
  void cancel() { cancelled_ = true; }
  bool cancelled() const { return cancelled_; }

 private:
  Attempt tryToPush(Provider& provider, const store::DeliveryTask& task, int& requests);
  PushRequest request(const store::DeliveryTask& task, bool feed) const;
  store::DeliveryOutcome outcomeOf(const store::DeliveryTask& task, store::DeliveryOutcome::Kind kind) const;
  Attempt success(const store::DeliveryTask& task, PushReply reply);

  connections::Connections& connections_;
  const EntryIdentity& identity_;
  const Clock& clock_;
  Random& random_;
  const RetryPolicy retry_;
  const std::chrono::milliseconds timeout_;
  LateWrites lateWrites_;
  std::atomic<bool> cancelled_{false};
};

} // namespace calbridge::delivery
