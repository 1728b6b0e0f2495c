#include "http/auth/password_log_in.hpp"
#include "core/error.hpp"
#include "store/store.hpp"

namespace calbridge::http {
namespace {

/// Stores the password under the present cost. Whoever logs in need not wait for that to work: when too many others
/// are computing, or the database takes no write, the next log-in tries again.
void rehash(const LogInParts& parts, const std::string& personId, const std::string& password) {
  try {
    parts.store.setPassword(personId, parts.passwords.hash(password));
  } catch (const Error& error) {
    parts.logger.info("a password was not hashed anew; the next log-in tries again",
                      {{"code", error.code()}, {"reason", error.message()}});
  }
}

/// About the people who have the address that was typed; what else was typed is kept nowhere.
void note(const LogInParts& parts, const char* action, const std::vector<store::Store::Login>& logins) {
  if (parts.audit == nullptr)
    return;
  for (const auto& login : logins)
    parts.audit->note(action, connections::AuditLog::kUnknown, login.person.id);
  if (logins.empty())
    parts.audit->note(action, connections::AuditLog::kUnknown, "");
}

} // namespace

LogInResult logIn(const LogInParts& parts, const std::string& email, const std::string& password,
                  const std::string& peerAddress) {
  LogInResult result;
  bool firstRefusal = false;
  result.wait = parts.throttle.begin(email, peerAddress, &firstRefusal);
  if (result.wait.count() > 0) {
    if (firstRefusal)
      note(parts, "login.throttled", parts.store.loginsByEmail(email));
    return result;
  }
  const auto logins = parts.store.loginsByEmail(email);
  for (const auto& login : logins) {
    if (!parts.passwords.verify(password, login.passwordHash))
      continue;
    parts.throttle.succeeded(email, peerAddress);
    if (parts.passwords.needsRehash(login.passwordHash))
      rehash(parts, login.person.id, password);
    result.cookie = parts.sessions.open(login.person.id).cookie;
    result.person = login.person;
    return result;
  }
  if (logins.empty())
    parts.passwords.verifyNobody(password); // as slow as a wrong password
  note(parts, "login.failed", logins);
  parts.logger.warning("a log-in failed", {{"address", peerAddress}});
  return result;
}

} // namespace calbridge::http
