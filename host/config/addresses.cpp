#include "config/addresses.hpp"

#include <algorithm>
#include <charconv>

namespace calbridge {
namespace {

bool isHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool isAddress6Character(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' || c == '.';
}

/// host[:port]; the port is nullopt when there is none.
struct Authority {
  std::string host;
  std::optional<std::uint16_t> port;
};

std::optional<Authority> parseAuthority(std::string_view text, std::string& why) {
  Authority authority;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    authority.host = std::string(text.substr(1, close == std::string_view::npos ? close : close - 1));
    if (close == std::string_view::npos || authority.host.find(':') == std::string::npos ||
        !std::all_of(authority.host.begin(), authority.host.end(), isAddress6Character)) {
      why = "the IPv6 address is malformed: write [::1]";
      return std::nullopt;
    }
    rest = text.substr(close + 1);
  } else {
    const std::size_t colon = text.find(':');
    if (colon != text.rfind(':')) {
      why = "an IPv6 address stands in brackets: [::1]:8000";
      return std::nullopt;
    }
    authority.host = std::string(text.substr(0, colon));
    rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
    if (authority.host.empty() || !std::all_of(authority.host.begin(), authority.host.end(), isHostCharacter)) {
      why = authority.host.empty() ? "the host is missing" : "the host has characters that no host name has";
      return std::nullopt;
    }
  }
  if (rest.empty())
    return authority;
  unsigned port = 0;
  const auto digits = rest.substr(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (rest.front() != ':' || digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
      port > 65535) {
    why = "the port must be a number from 0 to 65535";
    return std::nullopt;
  }
  authority.port = static_cast<std::uint16_t>(port);
  return authority;
}

/// The parts of an http(s) URL; `why` is set when it is none.
struct Parts {
  std::string scheme;
  std::string_view authority;
  std::string_view path;
};

std::optional<Parts> split(std::string_view text, std::string& why) {
  Parts parts;
  if (text.starts_with("https://")) {
    parts.scheme = "https";
  } else if (text.starts_with("http://")) {
    parts.scheme = "http";
  } else {
    why = "the URL must start with http:// or https://";
    return std::nullopt;
  }
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F || c == '\\') {
      why = "the URL contains a blank, a backslash or a character beyond ASCII";
      return std::nullopt;
    }
  const std::string_view rest = text.substr(parts.scheme.size() + 3);
  parts.authority = rest.substr(0, rest.find_first_of("/?#"));
  parts.path = rest.substr(parts.authority.size());
  if (parts.authority.find('@') != std::string_view::npos) {
    why = "the URL must not name a user";
    return std::nullopt;
  }
  const auto authority = parseAuthority(parts.authority, why);
  if (!authority)
    return std::nullopt;
  if (authority->port == 0) {
    why = "the port of a URL can not be 0";
    return std::nullopt;
  }
  return parts;
}

} // namespace

std::optional<ListenAddress> parseListenAddress(std::string_view text, std::string& why) {
  const auto authority = parseAuthority(text, why);
  if (!authority)
    return std::nullopt;
  if (!authority->port) {
    why = "the port is missing: write host:port";
    return std::nullopt;
  }
  return ListenAddress{authority->host, *authority->port};
}

std::optional<std::string> parseOrigin(std::string_view text, std::string& why) {
  const auto parts = split(text, why);
  if (!parts)
    return std::nullopt;
  if (!parts->path.empty() && parts->path != "/") {
    why = "only scheme, host and port are possible here, without a path";
    return std::nullopt;
  }
  std::string origin = parts->scheme + "://" + std::string(parts->authority);
  std::transform(origin.begin(), origin.end(), origin.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  // Browsers leave the scheme's own port out of an Origin.
  for (const std::string port : {":80", ":443"})
    if (origin.ends_with(port) && (parts->scheme == "http") == (port == ":80"))
      origin.resize(origin.size() - port.size());
  return origin;
}

std::string complainAboutCallback(std::string_view text) {
  std::string why;
  const auto parts = split(text, why);
  if (!parts)
    return why;
  const std::string path = std::string(parts->path) + "/";
  if (path.find_first_of("?#") != std::string::npos)
    return "a redirect URI has neither query nor fragment";
  if (parts->path.empty())
    return "the path of the callback is missing: /api/calendar/{provider}/callback/";
  if (std::string_view(path).substr(0, path.size() - 1).find("//") != std::string_view::npos ||
      path.find("/../") != std::string::npos || path.find("/./") != std::string::npos ||
      path.find('%') != std::string::npos)
    return "the path has empty, relative or encoded segments";
  return {};
}

bool isLoopbackUrl(std::string_view url) {
  std::string why;
  const auto parts = split(url, why);
  const auto authority = parts ? parseAuthority(parts->authority, why) : std::nullopt;
  if (!authority)
    return false;
  const auto& host = authority->host;
  const bool digits = host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "::1" || (digits && host.starts_with("127."));
}

std::optional<StorageConfig> parseStorageUrl(std::string_view text, std::string& why) {
  StorageConfig storage;
  storage.url = std::string(text);
  if (text.starts_with("sqlite:")) {
    storage.path = std::string(text.substr(7));
    if (storage.path.empty() || storage.path.ends_with('/') || storage.path.find('\0') != std::string::npos) {
      why = "the file is missing: write sqlite:PATH, e.g. sqlite:var/calbridge.db";
      return std::nullopt;
    }
    return storage;
  }
  const bool postgres = text.starts_with("postgresql://") || text.starts_with("postgres://");
  if (!postgres) {
    why = "expected sqlite:PATH or postgresql://user@host/db";
    return std::nullopt;
  }
  storage.kind = StorageConfig::Kind::postgresql;
  const std::string_view rest = text.substr(text.find("://") + 3);
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos)
    authority.remove_prefix(at + 1);
  if (slash == std::string_view::npos || slash + 1 == rest.size()) {
    why = "the database is missing: write postgresql://user@host/db";
    return std::nullopt;
  }
  if (!authority.empty() && !parseAuthority(authority, why)) // empty: the local socket
    return std::nullopt;
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '\'' || c == '\\') {
      why = "blanks, quotes, backslashes and control characters must be percent-encoded";
      return std::nullopt;
    }
  return storage;
}

} // namespace calbridge
