#include "http/auth/authenticator.hpp"

#include "core/error.hpp"
#include "http/auth/app_keys.hpp"
#include "http/auth/jwt_verifier.hpp"
#include "http/auth/sessions.hpp"
#include "store/store.hpp"

namespace calbridge::http {
namespace {

[[noreturn]] void refuse(const char* why) {
  throw Error("invalid_credentials", why);
}

/// The token of "Bearer <token>" (RFC 6750 section 2.1); the scheme's case does not matter.
std::string_view bearerToken(std::string_view header) {
  const std::size_t space = header.find(' ');
  if (!equalIgnoringCase(header.substr(0, space), "Bearer"))
    refuse("the Authorization header must be \"Bearer\" with an app key or a JWT");
  std::string_view token = space == std::string_view::npos ? std::string_view{} : header.substr(space);
  while (token.starts_with(' '))
    token.remove_prefix(1);
  while (token.ends_with(' '))
    token.remove_suffix(1);
  if (token.empty())
    refuse("the Authorization header holds no token after \"Bearer\"");
  return token;
}

} // namespace

Authenticator::Authenticator(store::Store& store, AppKeys& appKeys, JwtVerifier& jwt, Sessions& sessions)
    : store_(store), appKeys_(appKeys), jwt_(jwt), sessions_(sessions) {}

Identity Authenticator::authenticate(const Request& request) {
  const std::optional<std::string_view> first = request.headers.find("Authorization");
  if (!first)
    return fromCookies(request.headers);
  if (request.headers.all("Authorization").size() > 1)
    refuse("the request has more than one Authorization header");
  return fromBearer(bearerToken(*first));
}

Identity Authenticator::fromBearer(std::string_view token) {
  Identity identity;
  if (token.starts_with(kAppKeyPrefix)) {
    std::optional<std::string> name = appKeys_.verify(token);
    if (!name)
      refuse("the app key is unknown or revoked");
    identity.kind = Identity::Kind::app;
    identity.appKeyName = std::move(*name);
    return identity;
  }
  identity.person = store_.person(jwt_.verify(token));
  if (!identity.person)
    refuse("the token's sub is nobody in the directory");
  identity.kind = Identity::Kind::person;
  return identity;
}

Identity Authenticator::fromCookies(const Headers& headers) {
  Identity identity;
  // Another host of the same site can plant a second cookie of the same name, so each is tried.
  for (std::string& token : sessions_.tokensIn(headers)) {
    const std::optional<std::string> personId = sessions_.personOf(token);
    if (!personId)
      continue;
    identity.person = store_.person(*personId);
    if (!identity.person)
      continue;
    identity.kind = Identity::Kind::person;
    identity.viaCookie = true;
    identity.sessionToken = std::move(token);
    break;
  }
  return identity;
}

void requireApp(const Identity& identity) {
  if (identity.kind == Identity::Kind::anonymous)
    throw Error("authentication_required", "this needs an app key: Authorization: Bearer cbk_…");
  if (identity.kind != Identity::Kind::app)
    throw Error("forbidden", "this is for the application with its app key, not for a person");
}

const Person& requirePerson(const Identity& identity) {
  if (identity.kind == Identity::Kind::anonymous)
    throw Error("authentication_required", "this needs a person who is logged in, or that person's JWT");
  if (!identity.person)
    throw Error("forbidden", "this is for a person, not for an app key");
  return *identity.person;
}

bool isAdmin(const Person& person) {
  return person.role == "admin";
}

const Person& requireAdmin(const Identity& identity) {
  const Person& person = requirePerson(identity);
  if (!isAdmin(person))
    throw Error("forbidden", "this is for people with the role admin");
  return person;
}

std::string challenge(std::string_view code) {
  return code == "invalid_credentials" ? R"(Bearer realm="calbridge", error="invalid_token")"
                                       : R"(Bearer realm="calbridge")";
}

} // namespace calbridge::http
