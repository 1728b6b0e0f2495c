/// Bearer tokens: "=== token" is one as a stranger sends it, "=== signed" holds a header on its first line and claims
/// on the rest, which the target signs as the application would, "=== keys" is a key set (RFC 7517).
///
/// Invariants: an answer is a subject or invalid_credentials; no token counts whose signature the secret did not make;
/// what expired or was never given an end does not count, however it is written.
#include "core/digest.hpp"
#include "core/error.hpp"
#include "fuzz/target.hpp"
#include "http/auth/jwt_keys.hpp"
#include "http/auth/jwt_verifier.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <optional>

namespace calbridge::fuzz {
namespace {

constexpr std::string_view kSecret = "a secret of more than thirty-two bytes";
constexpr TimeMs kNow = 1796000000000;

struct FixedClock final : Clock {
  TimeMs now() const override { return kNow; }
  TimeMs monotonic() const override { return 0; }
};

std::string mac(std::string_view input) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), kSecret.data(), static_cast<int>(kSecret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), bytes.data(), &size);
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

std::optional<std::string> subject(std::string_view token) {
  static const FixedClock clock;
  static NullLogger logger;
  static http::JwtVerifier verifier({.secret = std::string(kSecret), .jwksFile = {}}, clock, logger);
  try {
    return verifier.verify(token);
  } catch (const Error& error) {
    require(error.code() == "invalid_credentials" && isUtf8(error.message()), "a refusal is invalid_credentials",
            error.code());
    return std::nullopt;
  }
}

void checkForeign(const std::string& token) {
  if (subject(token)) {
    const std::size_t dot = token.rfind('.');
    require(token.substr(dot + 1) == base64UrlEncode(mac(std::string_view(token).substr(0, dot))),
            "a token that counts was signed with the secret", token);
  }
}

void checkSigned(std::string_view text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view claims = text.substr(std::min(end + 1, text.size()));
  const std::string input = base64UrlEncode(text.substr(0, end)) + "." + base64UrlEncode(claims);
  const auto who = subject(input + "." + base64UrlEncode(mac(input)));
  if (!who)
    return;
  const auto json = nlohmann::json::parse(claims);
  require(json.at("sub") == *who && !who->empty(), "the subject is the token's", *who);
  require(json.at("exp").get<double>() * 1000 > static_cast<double>(kNow) - 60001,
          "a token that counts has not expired", json.at("exp").dump());
  std::string other = input;
  other[other.size() / 2] = other[other.size() / 2] == 'A' ? 'B' : 'A';
  require(!subject(other + "." + base64UrlEncode(mac(input))), "a changed token does not count", other);
}

void checkKeys(const std::string& text) {
  try {
    const auto keys = http::JwtKeySet::parse(text);
    require(keys->size() > 0, "a key set has a usable key");
    for (const std::string& reason : keys->leftOut())
      require(!reason.empty() && isUtf8(reason), "a key that is left out has a reason", reason);
    for (const char* algorithm : {"RS256", "ES256"})
      require(!keys->verify(algorithm, nullptr, "a.b", std::string(64, 'x')), "a made-up signature is none");
  } catch (const Error& error) {
    require(error.code() == "invalid_configuration" && isUtf8(error.message()), "a bad key set has a reason",
            error.message());
  }
}

} // namespace

void run(std::string_view input) {
  for (const Section& section : sections(input)) {
    if (section.title == "token")
      checkForeign(section.text);
    else if (section.title == "signed")
      checkSigned(section.text);
    else if (section.title == "keys")
      checkKeys(section.text);
  }
}

} // namespace calbridge::fuzz
