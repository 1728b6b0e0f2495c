#pragma once
#include "delivery/bulk_sync.hpp"
#include "http/api/resources.hpp"
#include "http/api/route_table.hpp"
#include "http/auth/app_keys.hpp"
#include "http/auth/authenticator.hpp"
#include "http/auth/jwt_verifier.hpp"
#include "http/auth/login_throttle.hpp"
#include "http/auth/origin_check.hpp"
#include "http/auth/password_hash.hpp"
#include "http/auth/sessions.hpp"
#include "http/services.hpp"

#include <functional>
#include <memory>

namespace calbridge::http {

class Pages;

/// Everything behind the edge: finds the route, finds out who asks, calls the resource, renders errors. Its answer
/// never throws. Thread-safe after construction.
class Api {
 public:
  /// `services` and what it refers to are borrowed. `openConnections` feeds a metric.
  Api(Services& services, delivery::BulkSync& bulk, std::function<std::size_t()> openConnections);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  Response handle(Request& request);

  const RouteTable& routes() const { return table_; }

 private:
  Response answer(Request& request);
  Response route(Request& request);

  Services& services_;
  AppKeys appKeys_;
  JwtVerifier jwt_;
  Sessions sessions_;
  Authenticator authenticator_;
  OriginPolicy origins_;
  PasswordHasher passwords_;
  LoginThrottle throttle_;
  RouteTable table_;
  std::unique_ptr<Pages> pages_;
  RequestCounters counters_;
};

} // namespace calbridge::http
