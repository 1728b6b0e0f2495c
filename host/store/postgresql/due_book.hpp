#pragma once
#include "core/time.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace calbridge::store::postgresql {

/// When each connection has its next due delivery, at the earliest, as far as this node knows: from its own commits at
/// once, from those of others by a look every second. A lower bound; a claim that asks the database corrects it. It
/// makes a claim cost what it finds, however much waits behind paused or busy connections. Thread-safe.
class DueBook {
 public:
  struct Head {
    std::int64_t connectionId = 0;
    TimeMs at = 0;
    std::string provider; ///< empty: not known yet
  };

  /// There is (or may be) a row due at `at`. True when that is earlier than what was known.
  bool lower(std::int64_t connectionId, TimeMs at, const std::string& provider);
  void forget(std::int64_t connectionId);

  /// What is due at `now`, in order, and a stamp for correct().
  struct Due {
    std::vector<Head> heads;
    std::uint64_t stamp = 0;
  };
  Due due(TimeMs now) const;
  /// The database says: the connection's next row is due at `at`, or it has none. Ignored when somebody lowered it
  /// since `stamp`: that commit may have come after the look.
  void correct(std::uint64_t stamp, std::int64_t connectionId, std::optional<TimeMs> at, const std::string& provider);
  /// The first head after `now`.
  std::optional<TimeMs> firstAfter(TimeMs now) const;

 private:
  struct Entry {
    TimeMs at = 0;
    std::uint64_t stamp = 0;
    std::string provider;
    bool waits = false; ///< false: nothing is due, and the entry only remembers the stamp
  };
  void place(std::int64_t connectionId, Entry& entry, std::optional<TimeMs> at);

  mutable std::mutex mutex_;
  std::uint64_t clock_ = 0;
  std::unordered_map<std::int64_t, Entry> entries_;
  std::set<std::pair<TimeMs, std::int64_t>> order_;
};

/// The claims that this node holds, in memory: how many on each connection, and when they run out. Thread-safe.
class HeldClaims {
 public:
  struct Key {
    std::int64_t placementId = 0;
    std::int64_t connectionId = 0;
    auto operator<=>(const Key&) const = default;
  };
  void add(const Key& key, std::int64_t fence, TimeMs until);
  /// The claim has ended (if it is the one with that fence).
  void end(const Key& key, std::int64_t fence);
  int on(std::int64_t connectionId) const;
  /// Ends those that have run out; their connections.
  std::set<std::int64_t> expire(TimeMs now);
  std::optional<TimeMs> nextExpiry() const;

 private:
  struct Claim {
    std::int64_t fence = 0;
    TimeMs until = 0;
  };
  void drop(std::map<Key, Claim>::iterator claim);

  mutable std::mutex mutex_;
  std::map<Key, Claim> claims_;
  std::set<std::pair<TimeMs, Key>> order_;
  std::unordered_map<std::int64_t, int> perConnection_;
};

} // namespace calbridge::store::postgresql
