#pragma once
#include "core/logger.hpp"
#include "core/time.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::http {

class JwtKeySet;
class JwtKeyFile;

struct JwtOptions {
  std::string secret;   ///< HS256; should have 32 bytes (a shorter one is warned about); empty: no HS256
  std::string jwksFile; ///< path of an RFC 7517 key set for RS256 and ES256, or empty: none
  /// A token that names audiences (`aud`) must name one of these; one without `aud` is for us (RFC 7519 section 4.1.3).
  std::vector<std::string> audiences{"calbridge"};
};

/// Verifies bearer tokens that the application signed (RFC 7515 compact form, RFC 7519, RFC 8725). Thread-safe.
class JwtVerifier {
 public:
  /// Reads the key file. `clock` and `logger` are borrowed. Throws Error("invalid_configuration") for a
  /// key file that cannot be read or holds no usable key, saying what to do.
  JwtVerifier(JwtOptions options, const Clock& clock, Logger& logger);
  ~JwtVerifier();
  JwtVerifier(const JwtVerifier&) = delete;
  JwtVerifier& operator=(const JwtVerifier&) = delete;

  /// False when neither a secret nor a key file is configured: then every token is refused.
  bool configured() const;
  /// The token's `sub`. Throws Error("invalid_credentials") whose message says why the token is refused. The signature
  /// is checked before any claim is believed; `exp` is required, `nbf` honoured, both with 60 s of leeway. Looks after
  /// a changed key file at most once every 5 s; a broken one keeps the old keys and is logged once per change.
  std::string verify(std::string_view token);

 private:
  const JwtOptions options_;
  const Clock& clock_;
  std::unique_ptr<JwtKeyFile> file_; ///< null when none is configured
};

} // namespace calbridge::http
