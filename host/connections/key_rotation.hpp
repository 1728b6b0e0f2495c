#pragma once
#include "connections/vault.hpp"
#include "core/logger.hpp"
#include "store/store.hpp"

#include <atomic>
#include <functional>

namespace calbridge::connections {

/// How far a rotation is.
struct RotationProgress {
  std::string oldKey;     ///< ids, as MasterKey::id(); empty: only the last steps of a rotation were left
  std::string newKey;     ///< empty: none has begun since the start
  std::int64_t total = 0; ///< sealed rows when it began
  std::int64_t done = 0;  ///< of them, those that the new key opens
  std::int64_t unreadable =
      0;                 ///< left as they are: no key of ours opens them, so their people have to reconnect anyway
  bool finished = false; ///< the old key opens nothing any more
};

/// Gives every stored secret a new master key while the host goes on working.
///
/// 1. begin(): the new key exists on disk (or in the environment), then its id in the store, then it seals whatever is
///    stored from now on; the old key still opens.
/// 2. run(): rows are opened and sealed again, page by page, until a whole pass finds none under another key. A row
/// that
///    changes meanwhile has the new key already. Then the new key's id becomes the database's, the key file takes the
///    place of the old one, the old key is dropped and wiped, and what was sealed under it vanishes from the store's
///    files.
///
/// Cut short at any point, it leaves what openKeyRing() recognises, and run() goes on from there. Everything passed in
/// is borrowed. begin() and run() are called by one thread at a time; progress() by any.
class KeyRotation {
 public:
  KeyRotation(store::Store& store, KeyRing& ring, const Vault& vault, KeySource source, const Clock& clock,
              Random& random, Logger& log);

  /// `newKey` is in base64, and wanted exactly when the present key came from the environment; what KeySource has
  /// counts when it is absent. Does nothing when a rotation (to that key) has begun already. Errors:
  /// new_master_key_missing, new_master_key_unwanted, new_master_key_same, rotation_under_way (to another key),
  /// other_hosts (they would be left without the new key), master_key_invalid, master_key_unwritable,
  /// store_unavailable.
  void begin(const std::optional<std::string>& newKey);
  /// Does the work that is left; false when `stop` became true before the end. Calls `progress` after every page.
  /// Errors: store_unavailable, master_key_unwritable; it can then be called again.
  bool run(const std::atomic<bool>& stop, const std::function<void(const RotationProgress&)>& progress = {});
  RotationProgress progress() const;
  /// Does the key come from the environment, so that the operator has to put the new one there?
  bool fromEnvironment() const { return source_.environmentKey.has_value(); }

 private:
  bool underWay();
  void refuseOtherHosts();
  std::optional<std::size_t> pass(const std::atomic<bool>& stop,
                                  const std::function<void(const RotationProgress&)>& progress);
  bool sealAnew(std::string& sealed, const SealedPlace& place);
  void finish();

  store::Store& store_;
  KeyRing& ring_;
  const Vault& vault_;
  const KeySource source_;
  const Clock& clock_;
  Random& random_;
  Logger& log_;
  mutable std::mutex mutex_;
  RotationProgress progress_; ///< under mutex_
};

} // namespace calbridge::connections
