#include "core/url.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

namespace calbridge {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool isHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool isIpv6(const std::string& text) {
  in6_addr address{};
  return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

std::optional<std::uint16_t> parsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0 ? std::optional(port) : std::nullopt;
}

} // namespace

std::string Url::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (secure() ? 443 : 80) ? name : name + ":" + std::to_string(port);
}

bool Url::isLoopback() const {
  in_addr v4{};
  return host == "localhost" || host == "::1" ||
         (inet_pton(AF_INET, host.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24U) == 127);
}

std::optional<Url> parseUrl(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == 0x7f || c == '\\' || c == '"'; })) {
    return std::nullopt; // chars are signed here: this refuses everything that is not ASCII, too
  }
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  Url url;
  url.scheme = lower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") {
    return std::nullopt;
  }
  text.remove_prefix(colon + 3);
  const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
  std::string_view authority = text.substr(0, end);
  std::string_view rest = text.substr(end);
  rest = rest.substr(0, rest.find('#'));
  url.target = rest.empty() || rest.front() != '/' ? "/" + std::string(rest) : std::string(rest);

  std::string_view port;
  bool hasPort = false;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) {
      return std::nullopt;
    }
    url.host = lower(authority.substr(1, close - 1));
    hasPort = close + 1 < authority.size();
    if ((hasPort && authority[close + 1] != ':') || !isIpv6(url.host)) {
      return std::nullopt;
    }
    port = hasPort ? authority.substr(close + 2) : port;
  } else {
    const std::size_t at = authority.find(':');
    hasPort = at != std::string_view::npos;
    port = hasPort ? authority.substr(at + 1) : port;
    url.host = lower(authority.substr(0, at));
    if (url.host.empty() || !std::all_of(url.host.begin(), url.host.end(), isHostCharacter)) {
      return std::nullopt; // user information ends here as well: @ is no host character
    }
  }
  const auto number = hasPort ? parsePort(port) : std::optional<std::uint16_t>(url.secure() ? 443 : 80);
  if (!number) {
    return std::nullopt;
  }
  url.port = *number;
  return url;
}

} // namespace calbridge
