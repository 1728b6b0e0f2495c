#pragma once
#include "core/time.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

namespace calbridge::delivery {

/// Requests to write or remove entries that the provider may still carry out although nobody waits for them any more:
/// given up at their deadline, or begun by a host that is gone. Until they must have ended, no later success is the
/// last word.
///
/// In memory: a host that ends takes its own with it, and its successor is told (DeliveryTask::takenOver). Times are
/// monotonic ms. From any thread.
class LateWrites {
 public:
  struct Key {
    std::int64_t placementId = 0;
    std::int64_t connectionId = 0;
    auto operator<=>(const Key&) const = default;
  };

  /// A request about `revision` (0: not known which) may be carried out until `until`.
  void note(const Key& key, std::int64_t revision, TimeMs until, TimeMs now);
  /// A request about that revision was confirmed: an earlier one would be a repetition of it.
  void confirmed(const Key& key, std::int64_t revision);
  /// For how long one may still come in between; 0: none can.
  TimeMs left(const Key& key, TimeMs now);

 private:
  struct Write {
    std::int64_t revision = 0;
    TimeMs until = 0;
  };
  std::mutex mutex_;
  std::map<Key, Write> writes_;
};

} // namespace calbridge::delivery
