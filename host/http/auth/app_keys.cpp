#include "http/auth/app_keys.hpp"

#include "core/digest.hpp"
#include "core/error.hpp"
#include "store/store.hpp"

#include <algorithm>

namespace calbridge::http {
namespace {

constexpr TimeMs kRefreshAfterMs = 500;
constexpr TimeMs kBelievedForMs = 1000;
constexpr std::size_t kKeyLength = 4 + 43; // the prefix and 32 bytes in base64url

bool isKey(std::string_view key) {
  return key.size() == kKeyLength && key.starts_with(kAppKeyPrefix) && std::all_of(key.begin(), key.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

} // namespace

std::string generateAppKey(Random& random) {
  return std::string(kAppKeyPrefix) + random.token(32);
}

std::string appKeyHash(std::string_view key) {
  return sha256Hex(key);
}

AppKeys::AppKeys(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}

const AppKeys::LiveKey* AppKeys::find(const Snapshot& snapshot, std::string_view hash) {
  // Every key is compared, each in constant time: the time shows how many keys there are and nothing about them.
  const LiveKey* match = nullptr;
  for (const LiveKey& live : snapshot.keys)
    if (constantTimeEqual(live.hash, hash))
      match = &live;
  return match;
}

AppKeys::Known AppKeys::read() {
  auto snapshot = std::make_shared<Snapshot>();
  {
    const std::lock_guard lock(mutex_);
    snapshot->number = ++begun_;
  }
  snapshot->readAt = clock_.monotonic();
  for (store::AppKeyRecord& record : store_.appKeys())
    if (record.revokedAt == 0)
      snapshot->keys.push_back({.hash = std::move(record.hash), .name = std::move(record.name)});
  const std::lock_guard lock(mutex_);
  known_ = snapshot;
  return known_;
}

AppKeys::Known AppKeys::readAfter(std::uint64_t number) {
  const std::lock_guard turn(reading_);
  {
    const std::lock_guard lock(mutex_);
    if (known_ && known_->number > number)
      return known_;
  }
  return read();
}

std::optional<std::string> AppKeys::verify(std::string_view key) {
  if (!isKey(key))
    return std::nullopt;
  const std::string hash = appKeyHash(key);
  Known known;
  std::uint64_t begun = 0;
  {
    const std::lock_guard lock(mutex_);
    known = known_;
    begun = begun_;
  }
  const TimeMs age = known ? clock_.monotonic() - known->readAt : kBelievedForMs;
  if (age >= kBelievedForMs) {
    known = readAfter(begun);
  } else if (age >= kRefreshAfterMs) {
    if (const std::unique_lock turn(reading_, std::try_to_lock); turn.owns_lock()) {
      try {
        known = read();
      } catch (const Error&) {
        // What is known may be believed for a while yet; after that the failure reaches the caller.
      }
    }
  }
  const LiveKey* match = find(*known, hash);
  if (!match && known->number <= begun) {
    known = readAfter(begun); // it may have been created since
    match = find(*known, hash);
  }
  return match ? std::optional(match->name) : std::nullopt;
}

} // namespace calbridge::http
