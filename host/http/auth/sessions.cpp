#include "http/auth/sessions.hpp"

#include "core/digest.hpp"
#include "store/store.hpp"

#include <algorithm>
#include <array>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace calbridge::http {
namespace {

constexpr std::size_t kTokenLength = 43; // 32 bytes in base64url
constexpr std::size_t kMostTokens = 4;

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && blank(text.back()))
    text.remove_suffix(1);
  return text;
}

bool isToken(std::string_view token) {
  return token.size() == kTokenLength && std::all_of(token.begin(), token.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

} // namespace

std::vector<std::string_view> cookieValues(const Headers& headers, std::string_view name) {
  std::vector<std::string_view> values;
  for (std::string_view header : headers.all("Cookie")) {
    while (!header.empty()) {
      const std::size_t end = std::min(header.find(';'), header.size());
      const std::string_view pair = header.substr(0, end);
      header.remove_prefix(std::min(end + 1, header.size()));
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || trim(pair.substr(0, equals)) != name)
        continue;
      std::string_view value = trim(pair.substr(equals + 1));
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
      values.push_back(value);
    }
  }
  return values;
}

std::string setCookie(std::string_view name, std::string_view value, const CookieAttributes& attributes) {
  std::string out(name);
  out.append("=").append(value).append("; Path=").append(attributes.path);
  out.append("; Max-Age=").append(std::to_string(attributes.maxAgeSeconds));
  if (attributes.maxAgeSeconds == 0)
    out.append("; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
  out.append("; HttpOnly; SameSite=Lax");
  if (attributes.secure)
    out.append("; Secure");
  return out;
}

std::string cookieName(std::string_view name, bool secure) {
  return (secure ? "__Host-" : "") + std::string(name);
}

Sessions::Sessions(store::Store& store, const Clock& clock, Random& random, SessionOptions options)
    : store_(store), clock_(clock), random_(random), options_(options),
      cookie_(cookieName("calbridge_session", options.secure)) {}

Sessions::Opened Sessions::open(const std::string& personId) {
  const std::string token = random_.token(32);
  const TimeMs now = clock_.now();
  store_.addSession(
      {.tokenHash = sha256Hex(token), .personId = personId, .createdAt = now, .expiresAt = now + options_.lifetimeMs});
  const CookieAttributes attributes{.maxAgeSeconds = options_.lifetimeMs / 1000, .secure = options_.secure};
  return {.token = token, .cookie = setCookie(cookie_, token, attributes)};
}

std::optional<std::string> Sessions::personOf(std::string_view token) {
  if (!isToken(token))
    return std::nullopt;
  const std::optional<store::SessionRecord> session = store_.session(sha256Hex(token));
  if (!session || session->expiresAt <= clock_.now())
    return std::nullopt;
  return session->personId;
}

void Sessions::close(std::string_view token) {
  if (isToken(token))
    store_.dropSession(sha256Hex(token));
}

std::string Sessions::clearedCookie() const {
  return setCookie(cookie_, {}, {.secure = options_.secure});
}

std::vector<std::string> Sessions::tokensIn(const Headers& headers) const {
  std::vector<std::string> tokens;
  for (const std::string_view value : cookieValues(headers, cookie_))
    if (isToken(value) && tokens.size() < kMostTokens)
      tokens.emplace_back(value);
  return tokens;
}

std::string Sessions::formToken(std::string_view sessionToken) {
  static constexpr std::string_view kPurpose = "calbridge form token 1";
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), sessionToken.data(), static_cast<int>(sessionToken.size()),
       reinterpret_cast<const unsigned char*>(kPurpose.data()), kPurpose.size(), mac.data(), &size);
  return base64UrlEncode({reinterpret_cast<const char*>(mac.data()), size});
}

bool Sessions::isFormToken(std::string_view sessionToken, std::string_view candidate) {
  return !sessionToken.empty() && constantTimeEqual(formToken(sessionToken), candidate);
}

} // namespace calbridge::http
