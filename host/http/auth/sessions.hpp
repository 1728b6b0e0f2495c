#pragma once
#include "core/random.hpp"
#include "core/time.hpp"
#include "http/edge/request.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::store {
class Store;
}

namespace calbridge::http {

/// Every value of the cookie `name` in the Cookie headers (RFC 6265 section 5.4), in order, quotes taken off. What is
/// malformed is passed over.
std::vector<std::string_view> cookieValues(const Headers& headers, std::string_view name);

/// The attributes that all our cookies share: HttpOnly, SameSite=Lax, no Domain.
struct CookieAttributes {
  std::string path = "/";
  std::int64_t maxAgeSeconds = 0; ///< 0 deletes the cookie
  bool secure = false;
};
/// A Set-Cookie value. `name` is a token, `value` base64url or empty.
std::string setCookie(std::string_view name, std::string_view value, const CookieAttributes& attributes);

/// The name that a cookie with Path=/ goes by: over https browsers hold "__Host-" cookies to Secure, to this very host
/// and to that path (RFC 6265bis section 4.1.3.2).
std::string cookieName(std::string_view name, bool secure);

struct SessionOptions {
  TimeMs lifetimeMs = TimeMs{14} * 24 * 3600 * 1000; ///< from log-in; use does not prolong it
  bool secure = false;                               ///< the public URL is https
};

/// Log-ins of people in browsers. A session is a random token of 256 bits that lives in a cookie; the store knows only
/// its hash. Thread-safe.
class Sessions {
 public:
  /// Borrows store, clock and random.
  Sessions(store::Store& store, const Clock& clock, Random& random, SessionOptions options = {});

  struct Opened {
    std::string token;
    std::string cookie; ///< Set-Cookie value
  };
  /// Begins a session of that person. Always a fresh token, so nobody can plant one before the log-in.
  Opened open(const std::string& personId);
  /// Whose session it is; nullopt when unknown, ended or expired.
  std::optional<std::string> personOf(std::string_view token);
  /// Ends it for good; unknown tokens are no error.
  void close(std::string_view token);

  /// "calbridge_session", over https "__Host-calbridge_session".
  const std::string& cookie() const { return cookie_; }
  /// Set-Cookie value that makes the browser forget the cookie.
  std::string clearedCookie() const;
  /// The tokens that the request's cookies name, well-formed ones only, at most 4.
  std::vector<std::string> tokensIn(const Headers& headers) const;

  /// The token that an HTML form carries to show that our own page made it: derived from the session by HMAC, so there
  /// is nothing to store and it ends with the session.
  static std::string formToken(std::string_view sessionToken);
  /// In constant time. False for an empty session token.
  static bool isFormToken(std::string_view sessionToken, std::string_view candidate);

 private:
  store::Store& store_;
  const Clock& clock_;
  Random& random_;
  const SessionOptions options_;
  const std::string cookie_;
};

} // namespace calbridge::http
