#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace calbridge {

/// An absolute http or https URL, taken apart (RFC 3986). Nothing in it is decoded.
struct Url {
  std::string scheme;     ///< "http" or "https"
  std::string host;       ///< lower case, IPv6 without brackets
  std::uint16_t port = 0; ///< the scheme's own when none was written
  std::string target;     ///< path and query, "/" at least, no fragment

  bool secure() const { return scheme == "https"; }
  /// "host" or "host:port" as a Host header and an egress list write it: the scheme's own port is left out.
  std::string authority() const;
  /// "localhost" or a loopback address literal.
  bool isLoopback() const;
};

/// nullopt for anything else than http and https, and for user information, control characters, blanks, non-ASCII
/// bytes, an empty host or a port outside of 1–65535.
std::optional<Url> parseUrl(std::string_view text);

} // namespace calbridge
