#include "core/random.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

#include <array>
#include <limits>
#include <openssl/rand.h>

namespace calbridge {

std::string Random::token(std::size_t bytes) {
  std::string raw(bytes, '\0');
  fill({reinterpret_cast<std::uint8_t*>(raw.data()), raw.size()});
  return base64UrlEncode(raw);
}

std::string Random::uuid() {
  std::array<std::uint8_t, 16> raw{};
  fill(raw);
  raw[6] = static_cast<std::uint8_t>((raw[6] & 0x0F) | 0x40);
  raw[8] = static_cast<std::uint8_t>((raw[8] & 0x3F) | 0x80);
  const std::string hex = hexEncode({reinterpret_cast<const char*>(raw.data()), raw.size()});
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

double Random::unit() {
  std::array<std::uint8_t, 8> raw{};
  fill(raw);
  std::uint64_t value = 0;
  for (const auto byte : raw)
    value = value << 8 | byte;
  return static_cast<double>(value >> 11) * 0x1.0p-53;
}

void SystemRandom::fill(std::span<std::uint8_t> out) {
  if (out.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      RAND_bytes(out.data(), static_cast<int>(out.size())) != 1)
    throw Error("randomness_failed", "the system's random generator gave nothing");
}

} // namespace calbridge
