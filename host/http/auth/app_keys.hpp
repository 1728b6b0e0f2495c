#pragma once
#include "core/random.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::store {
class Store;
}

namespace calbridge::http {

/// What every app key begins with, so that leak scanners and people recognise one.
inline constexpr std::string_view kAppKeyPrefix = "cbk_";

/// A fresh key: "cbk_" and 256 random bits in base64url. Shown once; only its hash is stored.
std::string generateAppKey(Random& random);
/// What the store keeps of a key: SHA-256 as lower-case hexadecimal. (A fast hash is right here: nobody guesses 256
/// random bits.)
std::string appKeyHash(std::string_view key);

/// Recognises the application's keys without touching the store for each request. Thread-safe.
///
/// Live keys are kept in memory and read again when they are older than half a second (by one request, while others go
/// on with what is known), and before one that is older than a second is believed. A key that is not among them makes
/// one fresh read, so a key that another process has just created works at once.
class AppKeys {
 public:
  /// Borrows both. Does not touch the store yet.
  AppKeys(store::Store& store, const Clock& clock);

  /// The name of the key, or nullopt when it is unknown, revoked or malformed. Throws Error("store_unavailable").
  std::optional<std::string> verify(std::string_view key);

 private:
  struct LiveKey {
    std::string hash;
    std::string name;
  };
  struct Snapshot {
    std::uint64_t number = 0; ///< of the reading
    TimeMs readAt = 0;        ///< monotonic, before the reading began
    std::vector<LiveKey> keys;
  };
  using Known = std::shared_ptr<const Snapshot>;

  static const LiveKey* find(const Snapshot& snapshot, std::string_view hash);
  /// What a reading with a number above `number` found; waits for one that runs, else reads.
  Known readAfter(std::uint64_t number);
  /// With reading_ held.
  Known read();

  store::Store& store_;
  const Clock& clock_;
  std::mutex reading_; ///< one reading of the store at a time
  std::mutex mutex_;   ///< guards what follows
  Known known_;
  std::uint64_t begun_ = 0; ///< readings begun so far
};

} // namespace calbridge::http
