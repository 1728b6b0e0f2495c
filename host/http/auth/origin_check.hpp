#pragma once
#include "http/auth/authenticator.hpp"
#include "http/edge/request.hpp"
#include "http/edge/response.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace calbridge::http {

struct OriginOptions {
  std::string publicUrl;                   ///< its origin is ours
  std::string frontendUrl;                 ///< its origin is ours; may be empty
  std::vector<std::string> allowedOrigins; ///< other sites that may call us with credentials (server.allowed_origins)
  std::vector<std::string> listenOrigins;  ///< origins of our own listeners, see listenOrigins()
};

/// The origins under which a browser on this machine reaches our listeners: "127.0.0.1:8000" gives
/// http://127.0.0.1:8000 and http://localhost:8000. `addresses` are as in server.listen, `ports` those really listened
/// on, in the same order; addresses for all interfaces ("0.0.0.0", "[::]") give the loopback ones.
std::vector<std::string> listenOrigins(const std::vector<std::string>& addresses,
                                       const std::vector<std::uint16_t>& ports, bool secure = false);

/// Which web pages may make a browser call us: cross-site request forgery and CORS (Fetch standard, section 3.2).
/// Decides by configuration alone; the Host header is never looked at. Immutable, so thread-safe.
class OriginPolicy {
 public:
  /// Throws Error("invalid_configuration") for anything that is not an http or https origin ("*" and "null" included).
  explicit OriginPolicy(const OriginOptions& options);

  /// Refuses an unsafe method (not GET, HEAD, OPTIONS) that another site made the browser send: by Origin, without it
  /// by Sec-Fetch-Site, without that by Referer. Requests with none of these come from programs and pass; so does what
  /// carries its own credential in Authorization. Somebody anonymous is held to it too (forged log-ins). Throws
  /// Error("cross_site_request"), to be answered with 403.
  void check(const Request& request, const Identity& identity) const;
  /// Adds the CORS headers that the request's origin is entitled to, and always Vary: Origin. On every answer of the
  /// API, errors too.
  void addHeaders(const Request& request, Response& response) const;
  /// The answer to a CORS preflight (OPTIONS with Origin and Access-Control-Request-Method); nullopt when the request
  /// is none. Needs no authentication. An origin that is not allowed gets no permission in it.
  std::optional<Response> preflight(const Request& request) const;

 private:
  bool permitted(std::string_view origin) const;

  std::set<std::string, std::less<>> own_;     ///< may send unsafe requests
  std::set<std::string, std::less<>> allowed_; ///< additionally get CORS headers
};

} // namespace calbridge::http
