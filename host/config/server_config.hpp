#pragma once
#include "core/address_range.hpp"

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace calbridge {

struct ListenAddress {
  std::string host;       ///< without brackets
  std::uint16_t port = 0; ///< 0: any free one
  bool operator==(const ListenAddress&) const = default;
};

/// TLS on the listeners.
struct ServerTlsConfig {
  std::string certificateFile;            ///< PEM, the host's own certificate first; empty: no TLS
  std::string keyFile;                    ///< PEM
  std::vector<ListenAddress> plainListen; ///< loopback addresses without TLS, beside the others
};

struct ServerConfig {
  std::vector<ListenAddress> listen;
  ServerTlsConfig tls;
  std::vector<AddressRange> trustedProxies;
  std::string publicUrl;                   ///< http(s)://host[:port], no slash at the end
  std::string frontendUrl;                 ///< same form
  std::vector<std::string> allowedOrigins; ///< same form
  int maxConnections = 1024;
  int maxConnectionsPerAddress = 32;
  std::chrono::milliseconds headerDeadline{5000};
  std::chrono::milliseconds bodyDeadline{15000};
};

struct StorageConfig {
  enum class Kind { sqlite, postgresql };
  Kind kind = Kind::sqlite;
  std::string url;  ///< as configured; may carry a password: never log it
  std::string path; ///< sqlite: the file, relative to the working directory
  std::string node; ///< postgresql: name of this host among those that share the database; empty: the machine's
  std::chrono::seconds nodeTimeout{15}; ///< postgresql: silent for so long, a host loses what it holds
};

/// One calendar service.
struct ProviderConfig {
  std::string id;
  bool enabled = true;
  std::string plugin;                      ///< id of the plugin that implements it
  std::string label;                       ///< empty: the plugin's own
  std::optional<int> perMinute;            ///< requests of all accounts; 0: no limit; absent: the plugin's own
  std::optional<int> perAccountPerMinute;  ///< requests for one account; likewise
  std::vector<std::string> allowedHosts;   ///< names of servers that people may type although they are not public
  std::vector<AddressRange> allowedRanges; ///< their addresses
  nlohmann::json settings;                 ///< an object; for the plugin, which checks it
  std::optional<bool> isolated;            ///< its plugin in a process of its own; absent: unless it is a bundled one
};

/// What holds for all plugins.
struct PluginsConfig {
  std::vector<std::string> directories; ///< where further ones lie
  std::optional<bool> isolated;         ///< of those whose provider says nothing else; absent: all but bundled ones
  std::chrono::milliseconds quarantine{60000};
};

struct DeliveryConfig {
  int maxInFlight = 1024;
  std::chrono::milliseconds lease{120000};
  std::chrono::milliseconds timeout{30000}; ///< of one push; shorter than the lease
  std::chrono::milliseconds backoffInitial{1000};
  std::chrono::milliseconds backoffMax{3600000};
  double backoffJitter = 0.25; ///< ± share of each wait
  std::chrono::milliseconds giveUpAfter{std::chrono::hours(72)};
  double brakeShare = 0.5; ///< of all open entries; one change that would remove more waits for a confirmation
  int brakeAtLeast = 50;   ///< … but not with fewer removals than these
};

struct RetentionConfig {
  int eventsDays = 90;
  int cancelledDays = 30;
  int auditDays = 400;
};

struct LoggingConfig {
  std::string level = "info";  ///< debug | info | warning | error
  std::string format = "text"; ///< text | json
};

} // namespace calbridge
