#pragma once
#include "core/logger.hpp"
#include "core/random.hpp"
#include "store/store.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace calbridge::connections {

/// One master key. Wiped from memory when destroyed. Immutable, so readable from any thread.
class MasterKey {
 public:
  static constexpr std::size_t kBytes = 32;

  /// Copies `bytes`, which must be kBytes long, else Error("master_key_invalid"). The caller wipes its own.
  explicit MasterKey(std::string_view bytes);
  /// Reads base64 (surrounding white space allowed). `origin` names the source in the message of
  /// Error("master_key_invalid"), which never repeats the text.
  static MasterKey fromBase64(std::string_view text, const std::string& origin);
  MasterKey(const MasterKey&) = default;
  MasterKey(MasterKey&&) noexcept = default;
  MasterKey& operator=(const MasterKey&) = default;
  MasterKey& operator=(MasterKey&&) noexcept = default;
  ~MasterKey();

  /// 16 hexadecimal digits: a short hash, safe to store and to show.
  const std::string& id() const noexcept { return id_; }
  /// Secret. Valid while this object lives.
  const std::string& bytes() const noexcept { return bytes_; }

 private:
  std::string bytes_;
  std::string id_;
};

/// The keys that this process may open with; the newest, first one seals. During a key rotation it holds the old key
/// too. Immutable.
class KeyRing {
 public:
  /// `newestFirst` must not be empty, else Error("master_key_invalid").
  explicit KeyRing(std::vector<MasterKey> newestFirst);
  const MasterKey& newest() const noexcept { return keys_.front(); }
  /// Null when the ring has no key of that id.
  const MasterKey* find(std::string_view id) const noexcept;

 private:
  std::vector<MasterKey> keys_;
};

/// Where the master key comes from.
struct KeySource {
  std::optional<std::string> environmentKey; ///< value of CALBRIDGE_MASTER_KEY; wins over the file when present
  std::filesystem::path file;                ///< key file beside the database, normally "master.key"
};

struct OpenedKeyRing {
  KeyRing ring;
  bool created = false; ///< the key file was made just now: say so in the log, and that it needs a backup
};

/// Finds (or, for a database that has none yet, makes) the master key, and ties the database to it: the key's id is
/// remembered in the store's meta "master_key_id". The file is made with O_EXCL, mode 0600, and fsynced before use.
/// Errors: master_key_invalid (malformed), master_key_exposed (others may read the file, or it is not an ordinary file
/// of this user), master_key_unwritable (cannot be made), wrong_master_key (the database was sealed with another key,
/// or its key is missing), store_unavailable.
OpenedKeyRing openKeyRing(const KeySource& source, store::Store& store, Random& random);

} // namespace calbridge::connections
