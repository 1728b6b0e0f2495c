#include "connections/audit_log.hpp"
#include "core/error.hpp"
#include "http/api/body.hpp"
#include "http/api/resources.hpp"
#include "http/auth/password_log_in.hpp"

namespace calbridge::http {
namespace {

using nlohmann::json;

json describe(const Person& person) {
  json body = toJson(person);
  body["person"] = person.id;
  return body;
}

Response postSession(Services& services, PasswordHasher& passwords, Sessions& sessions, LoginThrottle& throttle,
                     Exchange& exchange) {
  const json body = readJsonObject(exchange.request);
  const Fields fields(body);
  fields.allowOnly({"email", "password"});
  const std::string email = fields.text("email", 254);
  const std::string password = fields.text("password", 1024, true);
  const connections::AuditLog audit(services.store, services.clock, services.logger);
  const auto result = logIn({services.store, passwords, throttle, sessions, services.logger, &audit}, email, password,
                            exchange.request.clientAddress);
  if (result.wait.count() > 0) {
    auto answer = problem(429, "too_many_attempts", "too many log-in attempts; wait a minute and try again");
    return answer.header("Retry-After", std::to_string(result.wait.count()));
  }
  if (result.person) {
    auto answer = Response::json(200, describe(*result.person));
    answer.header("Set-Cookie", result.cookie);
    return answer.header("Cache-Control", "no-store");
  }
  throw Error("login_failed", "the e-mail address or the password is wrong");
}

Response getSession(Exchange& exchange) {
  auto answer = Response::json(200, describe(exchange.person()));
  return answer.header("Cache-Control", "no-store");
}

Response deleteSession(Sessions& sessions, Exchange& exchange) {
  if (!exchange.identity.sessionToken.empty())
    sessions.close(exchange.identity.sessionToken);
  auto answer = Response::noContent();
  return answer.header("Set-Cookie", sessions.clearedCookie());
}

} // namespace

void addSession(RouteTable& table, Services& services, PasswordHasher& passwords, Sessions& sessions,
                LoginThrottle& throttle) {
  table.add("POST", "/api/session/", Access::open,
            [&](Exchange& e) { return postSession(services, passwords, sessions, throttle, e); });
  table.add("GET", "/api/session/", Access::person, [](Exchange& e) { return getSession(e); });
  table.add("DELETE", "/api/session/", Access::open, [&](Exchange& e) { return deleteSession(sessions, e); });
}

} // namespace calbridge::http
