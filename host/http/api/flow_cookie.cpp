#include "http/api/flow_cookie.hpp"
#include "http/auth/sessions.hpp"

#include <algorithm>

namespace calbridge::http {
namespace {

constexpr const char* kName = "calbridge_flow";
constexpr std::size_t kLength = 43; // 256 bits in base64url

} // namespace

std::optional<std::string> readFlowCookie(const Request& request) {
  for (const auto value : cookieValues(request.headers, kName)) {
    const bool wellFormed =
        value.size() == kLength && std::all_of(value.begin(), value.end(), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        });
    if (wellFormed)
      return std::string(value);
  }
  return std::nullopt;
}

std::string flowSecret(const Request& request, Random& random) {
  if (auto known = readFlowCookie(request))
    return *known;
  return random.token(32);
}

std::string flowCookie(const std::string& secret, const std::string& publicUrl) {
  return setCookie(kName, secret,
                   {.path = "/api/calendar/", .maxAgeSeconds = 600, .secure = publicUrl.starts_with("https:")});
}

} // namespace calbridge::http
