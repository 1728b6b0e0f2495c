#include "config/addresses.hpp"
#include "config/readers.hpp"
#include "core/digest.hpp"

#include <algorithm>

namespace calbridge {
namespace {

constexpr std::size_t kMasterKeyBytes = 32;
constexpr std::size_t kMinJwtSecret = 32; // RFC 7518 section 3.2: a key of at least the hash's size

bool isPrintable(const std::string& value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7F;
  });
}

std::string credential(const Environment& environment, const std::string& name, Problems& problems) {
  std::string value = environment.get(name).value_or("");
  if (!isPrintable(value))
    problems.push_back({name, "the value contains a blank, a control character or a character beyond ASCII"});
  return value;
}

std::optional<std::string> masterKey(const Environment& environment, const std::string& name, Problems& problems) {
  const auto text = environment.get(name);
  if (!text)
    return std::nullopt;
  auto key = base64Decode(*text);
  if (!key || key->size() != kMasterKeyBytes)
    problems.push_back(
        {name, "the value must be 32 bytes as base64 (44 characters); make one with: openssl rand -base64 32"});
  return key;
}

} // namespace

std::string environmentPrefix(const std::string& providerId) {
  std::string prefix = providerId;
  for (char& c : prefix)
    c = c == '-' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  return prefix;
}

Secrets readSecrets(const Environment& environment, const Configuration& configuration, Problems& problems,
                    Problems& warnings) {
  Secrets secrets;
  secrets.masterKey = masterKey(environment, "CALBRIDGE_MASTER_KEY", problems);
  secrets.newMasterKey = masterKey(environment, "CALBRIDGE_NEW_MASTER_KEY", problems);
  secrets.jwtSecret = environment.get("CALBRIDGE_JWT_SECRET").value_or("");
  if (!secrets.jwtSecret.empty() && secrets.jwtSecret.size() < kMinJwtSecret)
    warnings.push_back({"CALBRIDGE_JWT_SECRET", "the value is shorter than the 32 bytes that HS256 asks for (RFC 7518 "
                                                "section 3.2); make one with: openssl rand -base64 32"});
  secrets.smtp = readSmtp(environment, problems);
  for (const auto& provider : configuration.providers) {
    const std::string prefix = environmentPrefix(provider.id);
    ProviderCredentials credentials;
    credentials.clientId = credential(environment, prefix + "_CLIENT_ID", problems);
    credentials.clientSecret = credential(environment, prefix + "_CLIENT_SECRET", problems);
    credentials.redirectUri =
        environment.get(prefix + "_REDIRECT_URI")
            .value_or(configuration.server.publicUrl + "/api/calendar/" + provider.id + "/callback/");
    if (const auto why = complainAboutCallback(credentials.redirectUri);
        !why.empty() && environment.get(prefix + "_REDIRECT_URI"))
      problems.push_back({prefix + "_REDIRECT_URI", why});
    secrets.providers.emplace(provider.id, std::move(credentials));
  }
  return secrets;
}

} // namespace calbridge
