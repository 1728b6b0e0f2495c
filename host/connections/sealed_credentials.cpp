#include "connections/sealed_credentials.hpp"
#include "core/error.hpp"

#include <nlohmann/json.hpp>

namespace calbridge::connections {
namespace {

SealedPlace placeOf(std::int64_t connectionId, const std::string& personId, const std::string& provider) {
  return {"connections", std::to_string(connectionId), personId, provider};
}

/// Moves a text out of the document; the document keeps no copy.
std::string taken(nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? std::move(found->get_ref<std::string&>()) : std::string();
}

} // namespace

SealedPlace placeOf(const store::ConnectionRecord& record) {
  return placeOf(record.id, record.personId, record.provider);
}

std::string sealCredentials(const Vault& vault, const Credentials& credentials, std::int64_t connectionId,
                            const std::string& personId, const std::string& provider) {
  // Tokens are opaque bytes to us (RFC 6749 appendix A allows visible ASCII only): anything else is replaced, and the
  // provider then refuses it.
  nlohmann::json json{{"access_token", credentials.accessToken},
                      {"refresh_token", credentials.refreshToken},
                      {"expires_at", credentials.expiresAt},
                      {"scope", credentials.scope}};
  if (!credentials.secret.empty())
    json["secret"] = credentials.secret;
  std::string plain = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  wipe(json["access_token"].get_ref<std::string&>());
  wipe(json["refresh_token"].get_ref<std::string&>());
  if (!credentials.secret.empty())
    wipe(json["secret"].get_ref<std::string&>());
  try {
    std::string sealed = vault.seal(plain, placeOf(connectionId, personId, provider));
    wipe(plain);
    return sealed;
  } catch (...) {
    wipe(plain);
    throw;
  }
}

Credentials openCredentials(const Vault& vault, const store::ConnectionRecord& record) {
  std::string plain = vault.open(record.sealed, placeOf(record.id, record.personId, record.provider));
  auto json = nlohmann::json::parse(plain, nullptr, false);
  wipe(plain);
  if (!json.is_object())
    throw Error("vault_damaged", "stored credentials cannot be opened; the person has to reconnect",
                "connections row " + std::to_string(record.id) + ": not what was sealed");
  Credentials credentials;
  credentials.accessToken = taken(json, "access_token");
  credentials.refreshToken = taken(json, "refresh_token");
  credentials.scope = taken(json, "scope");
  credentials.secret = taken(json, "secret");
  const auto expires = json.find("expires_at");
  credentials.expiresAt = expires != json.end() && expires->is_number_integer() ? expires->get<TimeMs>() : 0;
  return credentials;
}

void wipe(Credentials& credentials) noexcept {
  wipe(credentials.accessToken);
  wipe(credentials.refreshToken);
  wipe(credentials.secret);
}

} // namespace calbridge::connections
