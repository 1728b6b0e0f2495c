#pragma once
#include "core/person.hpp"
#include "http/edge/request.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace calbridge::store {
class Store;
}

namespace calbridge::http {

class AppKeys;
class JwtVerifier;
class Sessions;

/// Who is asking.
struct Identity {
  enum class Kind { anonymous, app, person };
  Kind kind = Kind::anonymous;
  std::string appKeyName;       ///< kind app
  std::optional<Person> person; ///< kind person
  bool viaCookie = false;       ///< the browser sent this by itself: unsafe methods need OriginPolicy::check
  std::string sessionToken;     ///< when viaCookie; for Sessions::close and Sessions::formToken. Secret
};

/// Finds out who sends a request: an Authorization header, or else the session cookie. Thread-safe.
class Authenticator {
 public:
  /// Borrows all.
  Authenticator(store::Store& store, AppKeys& appKeys, JwtVerifier& jwt, Sessions& sessions);

  /// "Bearer cbk_…" is an app key, another bearer token a JWT whose subject must be in the directory. A credential that
  /// was given and does not hold throws Error("invalid_credentials"), to be answered with 401; a session that has ended
  /// is just anonymous. Throws Error("store_unavailable").
  Identity authenticate(const Request& request);

 private:
  Identity fromBearer(std::string_view token);
  Identity fromCookies(const Headers& headers);

  store::Store& store_;
  AppKeys& appKeys_;
  JwtVerifier& jwt_;
  Sessions& sessions_;
};

/// These throw Error("authentication_required") (401) for somebody anonymous and Error("forbidden") (403) for anybody
/// else who is not what the route is for.
void requireApp(const Identity& identity);
/// The person; the reference lives as long as `identity`.
const Person& requirePerson(const Identity& identity);
/// May this person see after everybody's connections and entries? The role "admin" may.
bool isAdmin(const Person& person);
/// A person for whom isAdmin() holds.
const Person& requireAdmin(const Identity& identity);

/// The value of WWW-Authenticate that a 401 must carry (RFC 9110 section 11.6.1, RFC 6750 section 3).
/// `code` is the Error's code.
std::string challenge(std::string_view code);

} // namespace calbridge::http
