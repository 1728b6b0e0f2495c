#pragma once
#include "routing/directory.hpp"
#include "store/store.hpp"

#include <memory>
#include <mutex>

namespace calbridge::delivery {

/// The directory as routing wants it, read from the store and read again only when somebody in it has changed.
/// Thread-safe.
class DirectoryCache {
 public:
  explicit DirectoryCache(store::Store& store) : store_(store) {}
  /// The directory as of now. Costs one small read when nothing has changed.
  std::shared_ptr<const routing::DirectorySnapshot> current();
  std::int64_t version() const;

 private:
  store::Store& store_;
  mutable std::mutex mutex_;
  std::int64_t version_ = -1;
  std::shared_ptr<const routing::DirectorySnapshot> snapshot_;
};

} // namespace calbridge::delivery
