#include "delivery/directory_cache.hpp"

namespace calbridge::delivery {

std::shared_ptr<const routing::DirectorySnapshot> DirectoryCache::current() {
  const std::lock_guard lock(mutex_);
  // The version is read before the people: a change in between is then noticed by the next call.
  const std::int64_t version = store_.directoryVersion();
  if (!snapshot_ || version != version_) {
    snapshot_ = std::make_shared<const routing::DirectorySnapshot>(store_.people());
    version_ = version;
  }
  return snapshot_;
}

std::int64_t DirectoryCache::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

} // namespace calbridge::delivery
