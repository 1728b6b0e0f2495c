#include "http/auth/jwt_verifier.hpp"

#include "core/digest.hpp"
#include "core/error.hpp"
#include "http/auth/base64_url.hpp"
#include "http/auth/jwt_keys.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <optional>

// Poco's JWT (1.11) is not used: it looks at one key only and at no kid, crit, exp or nbf, takes tokens of more than
// three parts, compares MACs in variable time, and splits ECDSA signatures of any length in half.

namespace calbridge::http {
namespace {

using nlohmann::json;

constexpr std::size_t kMinSecretBytes = 32; // RFC 7518 section 3.2
constexpr std::size_t kMaxTokenBytes = 8 * 1024;
constexpr std::size_t kMaxSubjectBytes = 256;
constexpr double kLeewaySeconds = 60;
constexpr double kMostSeconds = 1e12; // far beyond any calendar, far below where milliseconds overflow

[[noreturn]] void refuse(const char* why) {
  throw Error("invalid_credentials", why);
}

json objectIn(std::string_view part, const char* why) {
  const std::optional<std::string> decoded = base64UrlDecode(part);
  json object = decoded ? json::parse(*decoded, nullptr, false) : json();
  if (!object.is_object())
    refuse(why);
  return object;
}

std::string hmacSha256(const std::string& key, std::string_view input) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(input.data()),
       input.size(), mac.data(), &size);
  return {reinterpret_cast<const char*>(mac.data()), size};
}

/// A NumericDate (RFC 7519 section 2) in seconds; nullopt when absent.
std::optional<double> numericDate(const json& claims, const char* name, const char* why) {
  const auto found = claims.find(name);
  if (found == claims.end())
    return std::nullopt;
  if (!found->is_number())
    refuse(why);
  const double seconds = found->get<double>();
  if (!std::isfinite(seconds) || std::abs(seconds) > kMostSeconds)
    refuse(why);
  return seconds;
}

void checkTimes(const json& claims, TimeMs nowMs) {
  const double now = static_cast<double>(nowMs) / 1000;
  const auto expires = numericDate(claims, "exp", "the token's exp is not a number of seconds since 1970");
  if (!expires)
    refuse("the token has no exp; tokens that never expire are not accepted");
  if (now >= *expires + kLeewaySeconds)
    refuse("the token has expired");
  const auto from = numericDate(claims, "nbf", "the token's nbf is not a number of seconds since 1970");
  if (from && now < *from - kLeewaySeconds)
    refuse("the token is not valid yet");
}

void checkAudience(const json& claims, const std::vector<std::string>& ours) {
  const auto found = claims.find("aud");
  if (found == claims.end())
    return;
  const auto isOurs = [&ours](const json& one) {
    return one.is_string() && std::find(ours.begin(), ours.end(), one.get_ref<const std::string&>()) != ours.end();
  };
  if (!(found->is_array() ? std::any_of(found->begin(), found->end(), isOurs) : isOurs(*found)))
    refuse("the token is meant for another audience (aud)");
}

std::string subjectOf(const json& claims) {
  const auto found = claims.find("sub");
  if (found == claims.end() || !found->is_string())
    refuse("the token has no sub that is a string; it must be the person's id");
  const auto& subject = found->get_ref<const std::string&>();
  if (subject.empty() || subject.size() > kMaxSubjectBytes)
    refuse("the token's sub is empty or too long; it must be the person's id");
  return subject;
}

} // namespace

JwtVerifier::JwtVerifier(JwtOptions options, const Clock& clock, Logger& logger)
    : options_(std::move(options)), clock_(clock) {
  if (!options_.secret.empty() && options_.secret.size() < kMinSecretBytes)
    logger.warning(
        "CALBRIDGE_JWT_SECRET is shorter than the 32 bytes that HS256 asks for (RFC 7518 section 3.2): whoever "
        "sees one token can search for it. Make a better one with: openssl rand -base64 48");
  if (!options_.jwksFile.empty())
    file_ = std::make_unique<JwtKeyFile>(options_.jwksFile, clock, logger);
}

JwtVerifier::~JwtVerifier() = default;

bool JwtVerifier::configured() const {
  return !options_.secret.empty() || file_;
}

std::string JwtVerifier::verify(std::string_view token) {
  if (!configured())
    refuse("JWTs are not accepted here: neither CALBRIDGE_JWT_SECRET nor security.jwt_keys is configured");
  if (token.size() > kMaxTokenBytes)
    refuse("the token is longer than 8 KiB");
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    refuse("the bearer token is neither an app key nor a JWT (three parts with dots between them)");
  const json header = objectIn(token.substr(0, first), "the token's header is not base64url of a JSON object");
  const std::optional<std::string> signature = base64UrlDecode(token.substr(second + 1));
  if (!signature)
    refuse("the token's signature is not base64url");
  if (header.contains("crit"))
    refuse("the token demands extensions (crit); none is supported");
  const auto algorithm = header.find("alg");
  const std::string name =
      algorithm != header.end() && algorithm->is_string() ? algorithm->get<std::string>() : std::string();
  const std::string_view input = token.substr(0, second);

  bool good = false;
  if (name == "HS256" && !options_.secret.empty()) {
    good = constantTimeEqual(hmacSha256(options_.secret, input), *signature);
  } else if ((name == "RS256" || name == "ES256") && file_) {
    const auto kid = header.find("kid");
    if (kid != header.end() && !kid->is_string())
      refuse("the token's kid is no string");
    const auto* id = kid == header.end() ? nullptr : kid->get_ptr<const std::string*>();
    good = file_->keys()->verify(name, id, input, *signature);
  } else {
    refuse("the token's alg is not accepted here: HS256 with CALBRIDGE_JWT_SECRET, RS256 and ES256 with "
           "security.jwt_keys");
  }
  if (!good)
    refuse("the token's signature is wrong, or its key is unknown");

  const json claims =
      objectIn(token.substr(first + 1, second - first - 1), "the token's payload is not base64url of a JSON object");
  checkTimes(claims, clock_.now());
  checkAudience(claims, options_.audiences);
  return subjectOf(claims);
}

} // namespace calbridge::http
