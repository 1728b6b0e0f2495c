#pragma once
#include "core/provider.hpp"
#include "store/store.hpp"

#include <array>
#include <mutex>

namespace calbridge::connections {

/// Orders writers of one connection's values within this process, for the quota. Thread-safe.
class ValueLocks {
 public:
  std::mutex& of(std::int64_t connectionId) { return stripes_[static_cast<std::size_t>(connectionId) % 64]; }

 private:
  std::array<std::mutex, 64> stripes_;
};

/// KeyValues over the store's connection values. Keys are 1–128 bytes; keys and values are text without NUL, else
/// Error("invalid_value"). Quota: 64 keys, 16 KiB of keys and values together, else Error("quota_exceeded") and nothing
/// is changed. Store and locks are borrowed. Thread-safe.
class ConnectionValues final : public KeyValues {
 public:
  static constexpr std::size_t kMaxKeys = 64;
  static constexpr std::size_t kMaxBytes = 16 * 1024;

  ConnectionValues(store::Store& store, ValueLocks& locks, std::int64_t connectionId)
      : store_(store), locks_(locks), connectionId_(connectionId) {}
  std::optional<std::string> get(const std::string& key) override;
  void set(const std::string& key, const std::string& value) override;

 private:
  store::Store& store_;
  ValueLocks& locks_;
  const std::int64_t connectionId_;
};

} // namespace calbridge::connections
