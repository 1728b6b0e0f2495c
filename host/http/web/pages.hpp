#pragma once
#include "http/auth/authenticator.hpp"
#include "http/auth/sessions.hpp"
#include "http/edge/request.hpp"
#include "http/edge/response.hpp"
#include "http/services.hpp"

namespace calbridge::http {

/// What people see in a browser: log-in and calendar settings, with their style sheet and script. Thread-safe.
class Pages {
 public:
  /// All borrowed.
  Pages(Services& services, Authenticator& authenticator, Sessions& sessions);

  /// Answers every path that is not the API's; never throws. Unknown paths get a plain 404 page.
  Response handle(Request& request);

 private:
  Services& services_;
  Authenticator& authenticator_;
  Sessions& sessions_;
};

} // namespace calbridge::http
