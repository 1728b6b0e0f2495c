#include "core/digest.hpp"
#include "core/error.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace calbridge {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kSha256Bytes = 32;
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::string_view data, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < data.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, data.size() - i);
    std::uint32_t block = 0;
    for (std::size_t k = 0; k < 3; ++k)
      block = block << 8 | (k < have ? static_cast<unsigned char>(data[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) {
      if (k <= have)
        out += alphabet[block >> (18 - 6 * k) & 63u];
      else if (pad)
        out += '=';
    }
  }
  return out;
}

} // namespace

std::string sha256(std::string_view data) {
  // OpenSSL 3 looks its algorithms up by name for every one-shot digest; fetched once, a short digest takes a third.
  static const std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> kSha256(EVP_MD_fetch(nullptr, "SHA256", nullptr),
                                                                       &EVP_MD_free);
  std::string out(kSha256Bytes, '\0');
  if (!kSha256 || EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr,
                             kSha256.get(), nullptr) != 1)
    throw Error("digest_failed", "OpenSSL gave no SHA-256");
  return out;
}

std::string hexEncode(std::string_view data) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out(data.size() * 2, '\0');
  char* at = out.data();
  for (const char c : data) {
    const auto byte = static_cast<unsigned char>(c);
    *at++ = kHex[byte >> 4];
    *at++ = kHex[byte & 15u];
  }
  return out;
}

std::string sha256Hex(std::string_view data) {
  return hexEncode(sha256(data));
}

std::string base64Encode(std::string_view data) {
  return encode(data, kStandard, true);
}

std::string base64UrlEncode(std::string_view data) {
  return encode(data, kUrl, false);
}

std::optional<std::string> base64Decode(std::string_view text) {
  if (text.size() % 4 == 0)
    for (int i = 0; i < 2 && text.ends_with('='); ++i)
      text.remove_suffix(1);
  if (text.size() % 4 == 1)
    return std::nullopt;
  std::string out;
  std::uint32_t block = 0;
  int bits = 0;
  for (const char c : text) {
    const auto value = kStandard.find(c);
    if (value == std::string_view::npos)
      return std::nullopt;
    block = block << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(block >> bits & 0xFFu);
    }
  }
  if (bits && (block & ((1u << bits) - 1)))
    return std::nullopt; // stray bits: not what an encoder makes
  return out;
}

std::string pkceChallenge(std::string_view verifier) {
  return base64UrlEncode(sha256(verifier));
}

bool constantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace calbridge
