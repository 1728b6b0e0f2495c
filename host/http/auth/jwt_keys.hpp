#pragma once
#include "core/logger.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <openssl/evp.h>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::http {

/// Public keys of the application's token signer, read from an RFC 7517 key set. Immutable, so thread-safe.
class JwtKeySet {
 public:
  /// Reads the text of a key set. Usable are RSA keys of 2048–8192 bits (RS256) and P-256 keys (ES256) that are meant
  /// for signatures (`use`, `key_ops`, `alg`); every other one is left out with its reason (RFC 7517 section 5). Throws
  /// Error("invalid_configuration") when the text is no key set or no key of it is usable.
  static std::shared_ptr<const JwtKeySet> parse(const std::string& text);

  /// Does any key fit `algorithm` ("RS256" or "ES256") and verify? With a `kid` only keys of that id are tried, and, if
  /// there is none, those that have no id. `signature` is in the form of RFC 7518 section 3.
  bool verify(std::string_view algorithm, const std::string* kid, std::string_view input,
              std::string_view signature) const;
  std::size_t size() const { return keys_.size(); }
  /// One sentence for each key that is left out.
  const std::vector<std::string>& leftOut() const { return leftOut_; }

 private:
  struct Release {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  using Handle = std::unique_ptr<EVP_PKEY, Release>;
  struct Key {
    std::string algorithm;
    std::string kid; ///< empty: none
    Handle handle;
  };
  struct Reader;

  std::vector<Key> keys_;
  std::vector<std::string> leftOut_;
};

/// A key set that follows its file. Thread-safe.
class JwtKeyFile {
 public:
  /// Reads the file. Borrows clock and logger. Throws Error("invalid_configuration") naming the file, the reason and
  /// what to do.
  JwtKeyFile(std::string path, const Clock& clock, Logger& logger);

  /// The keys of now. At most once every 5 s the file is looked at and, if it has changed, read again by the calling
  /// thread; a file that is broken or gone keeps the old keys and is logged once.
  std::shared_ptr<const JwtKeySet> keys();

 private:
  /// What changes when a file does.
  struct Stamp {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = -1, seconds = 0, nanoseconds = 0;
    bool operator==(const Stamp&) const = default;
  };
  static Stamp stampOf(const std::string& path);
  std::shared_ptr<const JwtKeySet> read() const;
  void look();

  const std::string path_;
  const Clock& clock_;
  Logger& logger_;
  std::mutex looking_; ///< guards stamp_
  Stamp stamp_;        ///< of the file that was read last, or failed to be
  std::mutex mutex_;   ///< guards what follows
  std::shared_ptr<const JwtKeySet> keys_;
  TimeMs nextLook_ = 0;
};

} // namespace calbridge::http
