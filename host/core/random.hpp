#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace calbridge {

/// Cryptographic randomness, injected. Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;

  /// `bytes` random bytes as base64url without padding: 32 bytes give a 256-bit secret of 43 characters.
  std::string token(std::size_t bytes = 32);
  /// RFC 9562 version 4.
  std::string uuid();
  /// Uniform in [0, 1).
  double unit();
};

/// OpenSSL's generator.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

} // namespace calbridge
