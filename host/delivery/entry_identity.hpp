#pragma once
#include "core/random.hpp"
#include "store/store.hpp"

#include <string>

namespace calbridge::delivery {

/// The names under which entries exist outside. They are computed and not stored: a retry after a crash, a second node
/// and a reconnection all arrive at the same name, and so at the same entry.
class EntryIdentity {
 public:
  /// Reads the installation's id from the store, or makes it: two installations must not name each other's entries.
  EntryIdentity(store::Store& store, Random& random);

  /// 40 hexadecimal digits. `connectionId` is 0 for feeds: there the entry and its download are one.
  std::string uid(std::int64_t placementId, std::int64_t connectionId) const;
  /// UUID form; another one for every creation after a confirmed removal (`generation`).
  std::string idempotencyKey(std::int64_t placementId, std::int64_t connectionId, int generation) const;

 private:
  std::string installation_;
};

} // namespace calbridge::delivery
