#pragma once
#include "core/logger.hpp"
#include "core/random.hpp"
#include "store/store.hpp"

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
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

/// The keys that this process may open with; the newest one seals. During a key rotation it holds the old key too.
/// Thread-safe.
class KeyRing {
 public:
  using Key = std::shared_ptr<const MasterKey>;

  /// `newestFirst` must not be empty, else Error("master_key_invalid").
  explicit KeyRing(std::vector<MasterKey> newestFirst);
  KeyRing(const KeyRing&) = delete;
  KeyRing& operator=(const KeyRing&) = delete;

  Key newest() const;
  /// Null when the ring has no key of that id.
  Key find(std::string_view id) const;
  std::size_t size() const;

  /// From now on `key` seals; the former ones still open. For a key that the ring has already: no change.
  void add(MasterKey key);
  /// Drops, and wipes, every key but the newest.
  void keepNewest();

  /// A moment in which keys are used: from before sealed bytes are read until they are opened, or from before they are
  /// made until they are stored. A rotation waits for it, so it should be short.
  class Use {
   public:
    Use(Use&& other) noexcept : ring_(std::exchange(other.ring_, nullptr)), number_(other.number_) {}
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    Use& operator=(Use&&) = delete;
    ~Use();

   private:
    friend class KeyRing;
    explicit Use(const KeyRing& ring);
    const KeyRing* ring_;
    std::uint64_t number_ = 0;
  };
  Use use() const { return Use(*this); }
  /// Returns when every use that had begun before this call has ended; later ones are not waited for. After add(), no
  /// bytes sealed with a former key will be stored any more.
  void awaitEarlierUses() const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable ended_;
  mutable std::set<std::uint64_t> uses_; ///< under way, by number
  mutable std::uint64_t lastUse_ = 0;
  std::vector<Key> keys_; ///< the newest first
};

/// Where the master key comes from.
struct KeySource {
  std::optional<std::string> environmentKey; ///< value of CALBRIDGE_MASTER_KEY; wins over the file when present
  std::filesystem::path file;                ///< key file beside the database, normally "master.key"
  /// Value of CALBRIDGE_NEW_MASTER_KEY: the key that a rotation is to give to the tokens. Only with an environmentKey.
  std::optional<std::string> newEnvironmentKey = std::nullopt;

  /// Where the new key is until a rotation of the key file has ended.
  std::filesystem::path newFile() const { return file.string() + ".next"; }
};

struct OpenedKeyRing {
  KeyRing ring;
  bool created = false; ///< the key file was made just now: say so in the log, and that it needs a backup
  /// A rotation has not ended, KeyRotation::run() finishes it; the ring has both keys, unless the old one has no use.
  bool rotating = false;
  /// The key came from CALBRIDGE_NEW_MASTER_KEY: a rotation has ended, and the operator should move it.
  bool rename = false;
};

/// The store's meta: id of the key that the tokens are sealed with, and, while a rotation is under way, of the key that
/// they get. Empty: none.
inline constexpr const char* kMetaKeyId = "master_key_id";
inline constexpr const char* kMetaNextKeyId = "master_key_next";

/// Finds (or, for a database that has none yet, makes) the master key, and ties the database to it: the key's id is
/// remembered in the store's meta. The file is made with O_EXCL, mode 0600, and fsynced before use. A rotation that was
/// cut short is recognised at whatever point that was; what was left of it is done, or `rotating`.
/// Errors: master_key_invalid (malformed), master_key_exposed (others may read the file, or it is not an ordinary file
/// of this user), master_key_unwritable (cannot be made), wrong_master_key (the database was sealed with another key,
/// or a key that it needs is missing), store_unavailable.
OpenedKeyRing openKeyRing(const KeySource& source, store::Store& store, Random& random);

} // namespace calbridge::connections
