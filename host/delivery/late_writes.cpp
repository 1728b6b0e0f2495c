#include "delivery/late_writes.hpp"

#include <algorithm>

namespace calbridge::delivery {
namespace {

constexpr std::size_t kKept = 10'000; ///< those that are over are forgotten beyond that

} // namespace

void LateWrites::note(const Key& key, std::int64_t revision, TimeMs until, TimeMs now) {
  const std::lock_guard lock(mutex_);
  if (writes_.size() >= kKept)
    std::erase_if(writes_, [now](const auto& item) { return item.second.until <= now; });
  const auto [found, fresh] = writes_.try_emplace(key, Write{revision, until});
  if (fresh)
    return;
  Write& write = found->second;
  if (write.until > now && write.revision != revision)
    write.revision = 0; // several, of different contents
  else
    write.revision = revision;
  write.until = std::max(write.until, until);
}

void LateWrites::confirmed(const Key& key, std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  const auto found = writes_.find(key);
  if (found != writes_.end() && found->second.revision == revision)
    writes_.erase(found);
}

TimeMs LateWrites::left(const Key& key, TimeMs now) {
  const std::lock_guard lock(mutex_);
  const auto found = writes_.find(key);
  if (found == writes_.end())
    return 0;
  if (found->second.until > now)
    return found->second.until - now;
  writes_.erase(found);
  return 0;
}

} // namespace calbridge::delivery
