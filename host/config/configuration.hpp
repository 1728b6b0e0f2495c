#pragma once
#include "config/env_file.hpp"
#include "config/problem.hpp"
#include "config/roles_config.hpp"
#include "config/routing_config.hpp"
#include "config/server_config.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace calbridge {

/// The application's own credentials at one provider, from the environment. Empty strings where a variable is not set.
struct ProviderCredentials {
  std::string clientId;
  std::string clientSecret;
  std::string redirectUri; ///< default: {public_url}/api/calendar/{id}/callback/
};

/// The installation's mail server, from SMTP_URL, SMTP_USERNAME and SMTP_PASSWORD.
struct SmtpConfig {
  enum class Security {
    plain,    ///< smtp:// to this machine: nothing leaves it
    startTls, ///< smtp:// elsewhere: TLS is demanded
    tls,      ///< smtps://
  };
  std::string host;
  std::uint16_t port = 587;
  Security security = Security::startTls;
  std::string username; ///< empty: no log-in
  std::string password;

  bool operator==(const SmtpConfig&) const = default;
};

/// What comes from the environment and must never be printed.
struct Secrets {
  std::optional<std::string> masterKey;    ///< 32 raw bytes; nullopt: the host makes one at its first start
  std::optional<std::string> newMasterKey; ///< 32 raw bytes, for `vault rotate`
  std::string jwtSecret;                   ///< empty: HS256 tokens are refused
  std::map<std::string, ProviderCredentials> providers; ///< by provider id, one for every configured provider
  std::optional<SmtpConfig> smtp;                       ///< nullopt: this installation sends no mail
};

/// roles.json and routing.json.
struct Policies {
  RolesConfig roles;
  RoutingConfig routing;
};

/// Everything, validated.
struct Configuration {
  ServerConfig server;
  StorageConfig storage;
  std::vector<ProviderConfig> providers; ///< in the order of the file, disabled ones included
  PluginsConfig plugins;
  std::string jwtKeysFile; ///< empty: none
  DeliveryConfig delivery;
  RetentionConfig retention;
  LoggingConfig logging;
  std::string tlsCaFile; ///< empty: the system's authorities alone
  Policies policies;
  Secrets secrets;
};

/// Where the configuration comes from. Relative paths are relative to the working directory.
struct ConfigurationSource {
  std::filesystem::path directory = "config";
  std::filesystem::path envFile = ".env";
  bool envFileRequired = false;       ///< true when the command line named it
  std::vector<std::string> overrides; ///< "dotted.path=VALUE" of --set, in their order
  EnvironmentLookup environment = processEnvironment;
};

struct LoadedConfiguration {
  std::optional<Configuration> configuration; ///< nullopt exactly when there are problems
  Problems problems;
  Problems warnings;
};

/// Reads, checks and reports everything in one go. Touches files only, no network, and creates nothing.
LoadedConfiguration loadConfiguration(const ConfigurationSource& source);

struct LoadedPolicies {
  std::optional<Policies> policies; ///< nullopt exactly when there are problems
  Problems problems;
};

/// roles.json and routing.json alone, for SIGHUP. `providers` are the ids of the configured providers.
LoadedPolicies loadPolicies(const std::filesystem::path& directory, const std::vector<std::string>& providers);

/// "GOOGLE" for "google", "MY_DAV" for "my-dav": the prefix of a provider's variables.
std::string environmentPrefix(const std::string& providerId);

} // namespace calbridge
