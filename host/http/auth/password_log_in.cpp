#include "http/auth/password_log_in.hpp"
#include "store/store.hpp"

namespace calbridge::http {

LogInResult logIn(const LogInParts& parts, const std::string& email, const std::string& password,
                  const std::string& peerAddress) {
  LogInResult result;
  result.wait = parts.throttle.begin(email, peerAddress);
  if (result.wait.count() > 0)
    return result;
  const auto logins = parts.store.loginsByEmail(email);
  for (const auto& login : logins) {
    if (!parts.passwords.verify(password, login.passwordHash))
      continue;
    parts.throttle.succeeded(email, peerAddress);
    if (parts.passwords.needsRehash(login.passwordHash))
      parts.store.setPassword(login.person.id, parts.passwords.hash(password));
    result.cookie = parts.sessions.open(login.person.id).cookie;
    result.person = login.person;
    return result;
  }
  if (logins.empty())
    parts.passwords.verifyNobody(password); // as slow as a wrong password
  parts.logger.warning("a log-in failed", {{"address", peerAddress}});
  return result;
}

} // namespace calbridge::http
