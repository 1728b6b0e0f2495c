#pragma once
#include "http/auth/authenticator.hpp"
#include "http/auth/login_throttle.hpp"
#include "http/auth/origin_check.hpp"
#include "http/auth/password_hash.hpp"
#include "http/auth/sessions.hpp"
#include "http/edge/request.hpp"
#include "http/edge/response.hpp"
#include "http/services.hpp"
#include "http/web/assets.hpp"

#include <optional>
#include <string>

namespace calbridge::http {

/// What people see in a browser: log-in, calendar settings, and for admins everybody's connections, with
/// their style sheet and script. Thread-safe.
class Pages {
 public:
  /// All borrowed. Throws Error("invalid_configuration") when an asset is missing from the program.
  Pages(Services& services, Authenticator& authenticator, Sessions& sessions, const OriginPolicy& origins,
        PasswordHasher& passwords, LoginThrottle& throttle);

  /// Answers every path that is not the API's; never throws. Unknown paths get a plain 404 page.
  Response handle(Request& request);

 private:
  Response answer(Request& request);
  Response showLogIn(const Identity& identity) const;
  Response postLogIn(const Request& request, const Identity& identity);
  Response postLogOut(const Request& request, const Identity& identity);
  Response showSettings(const Request& request, const Identity& identity);
  Response showConnections(const Request& request, const Identity& identity);

  /// A page for somebody who is logged in; `script` may be null.
  Response personalPage(const Identity& identity, const char* title, const char* script,
                        const std::string& content) const;
  Response logInPage(int status, const std::string& email, const std::string& problem) const;
  Response nothingHere() const;
  Response errorPage(int status, const std::string& title, const std::string& text) const;
  Identity identify(const Request& request) const;

  Services& services_;
  Authenticator& authenticator_;
  Sessions& sessions_;
  const OriginPolicy& origins_;
  PasswordHasher& passwords_;
  LoginThrottle& throttle_;
  const Assets assets_;
};

} // namespace calbridge::http
