#pragma once
#include "core/time.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <unordered_map>

namespace calbridge::store::sqlite {

struct DeliveryKey {
  std::int64_t placementId = 0;
  std::int64_t connectionId = 0;
  bool operator==(const DeliveryKey&) const = default;
};
struct DeliveryKeyHash {
  std::size_t operator()(const DeliveryKey& key) const noexcept {
    return std::hash<std::int64_t>()(key.placementId * 0x9E3779B97F4A7C15LL ^ key.connectionId);
  }
};

/// Who works on which delivery. In memory only, because one process owns the database: no write per claim, and nothing
/// to wait for after a crash. Used by whoever has the writer's turn, one at a time.
class LeaseBook {
 public:
  /// Leases the row and returns its fence.
  std::int64_t lease(const DeliveryKey& key, TimeMs until);
  bool leased(const DeliveryKey& key) const;
  /// Is this the row's latest fence? True also for a lease that has run out and that nobody has taken since.
  bool current(const DeliveryKey& key, std::int64_t fence) const;
  /// True while leased, and afterwards until an outcome is known: an attempt may have reached the provider.
  bool touched(const DeliveryKey& key) const { return leases_.contains(key); }
  /// The outcome is known.
  void settle(const DeliveryKey& key) { leases_.erase(key); }
  /// Ends the lease without an outcome; true if `fence` held it.
  bool release(const DeliveryKey& key, std::int64_t fence);
  /// Whoever holds the row has it no longer, and its outcome will be taken for late.
  void annul(const DeliveryKey& key);
  /// Ends the leases that have run out; `ended` is told each.
  void expire(TimeMs now, const std::function<void(const DeliveryKey&)>& ended);
  /// No lease runs out before this.
  std::optional<TimeMs> nextExpiry() const;

 private:
  struct Lease {
    std::int64_t fence = 0;
    TimeMs until = 0;
    bool held = true;
  };
  std::unordered_map<DeliveryKey, Lease, DeliveryKeyHash> leases_;
  std::optional<TimeMs> earliest_; ///< no held lease ends before
  std::int64_t lastFence_ = 0;
};

/// When each connection has its next due delivery, at the earliest. A lower bound: asking the database corrects it.
/// It makes a claim cost what it finds, however much waits behind paused or busy connections.
class DueSchedule {
 public:
  /// There is (or may be) a row due at `at`.
  void lower(std::int64_t connectionId, TimeMs at);
  /// The connection's next row is due at `at`; nullopt: it has none.
  void set(std::int64_t connectionId, std::optional<TimeMs> at);
  const std::set<std::pair<TimeMs, std::int64_t>>& inOrder() const { return order_; }

 private:
  std::unordered_map<std::int64_t, TimeMs> heads_;
  std::set<std::pair<TimeMs, std::int64_t>> order_;
};

} // namespace calbridge::store::sqlite
