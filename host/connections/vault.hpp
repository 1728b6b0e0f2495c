#pragma once
#include "connections/key_ring.hpp"

#include <string>
#include <string_view>

namespace calbridge::connections {

/// The row that sealed bytes belong to. Part of what AES-GCM authenticates: bytes moved to another row do not open.
struct SealedPlace {
  std::string table;
  std::string row;
  std::string personId;
  std::string provider;
};

/// Seals secrets for the store: AES-256-GCM (NIST SP 800-38D) with a fresh data key per call, which is itself wrapped
/// with the newest master key of the ring by AES-256-GCM. Both layers authenticate the place and the key's id.
/// Whoever stores what seal() made, or opens what the store gave, does so within one use(), so that a key rotation
/// never passes in between.
///
/// Layout, version 1: version(1) keyId(8) wrapNonce(12) wrappedKey(32) wrapTag(16) nonce(12) ciphertext(n) tag(16).
/// Binary: the column must be a blob. Thread-safe; ring and random are borrowed and must outlive the vault.
class Vault {
 public:
  Vault(const KeyRing& ring, Random& random) : ring_(ring), random_(random) {}

  /// Encrypts `plain` for `place`. The caller wipes `plain`. Throws Error("vault_failed") if OpenSSL refuses.
  std::string seal(std::string_view plain, const SealedPlace& place) const;
  /// The reverse; the caller wipes the result (see wipe()). Throws Error("vault_damaged") for anything that seal() did
  /// not make for this very place with a key of the ring: tampered, moved, cut, another version, unknown key.
  std::string open(std::string_view sealed, const SealedPlace& place) const;
  /// See KeyRing::Use.
  KeyRing::Use use() const { return ring_.use(); }
  /// Is `sealed` under the key that seal() uses now?
  bool isCurrent(std::string_view sealed) const { return keyIdOf(sealed) == ring_.newest()->id(); }
  /// Id of the master key that `sealed` needs; empty when that cannot be read. For key rotation.
  static std::string keyIdOf(std::string_view sealed);

 private:
  const KeyRing& ring_;
  Random& random_;
};

/// Overwrites the characters in a way that the compiler keeps, then empties the string.
void wipe(std::string& secret) noexcept;

} // namespace calbridge::connections
