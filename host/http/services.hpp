#pragma once
#include "core/logger.hpp"
#include "core/provider.hpp"
#include "core/random.hpp"
#include "core/time.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace calbridge::store {
class Store;
}
namespace calbridge::connections {
class Connections;
}
namespace calbridge::delivery {
class DeliveryEngine;
class DirectoryCache;
class Intake;
} // namespace calbridge::delivery
namespace calbridge::routing {
class RoutingPolicy;
}

namespace calbridge::http {

/// What the outside settings say, as far as the edge needs them.
struct SiteOptions {
  std::string publicUrl;   ///< without trailing slash
  std::string frontendUrl; ///< without trailing slash
  std::vector<std::string> allowedOrigins;
  std::vector<std::string>
      listenOrigins; ///< of the ports really listened on, see listenOrigins() in auth/origin_check.hpp
  TimeMs sessionLifetimeMs = TimeMs{14} * 24 * 3600 * 1000;
  int cancelledFeedDays = 30; ///< how long a cancelled entry stays in a feed
  int pastFeedDays = 90;      ///< how long an entry that is over stays in a feed
  std::string jwtSecret;      ///< HS256; empty: none
  std::string jwksFile;       ///< RS256/ES256; empty: none
};

/// Everything that a resource may call. Borrowed; outlives the server.
struct Services {
  SiteOptions site;
  store::Store& store;
  Providers& providers;
  connections::Connections& connections;
  delivery::Intake& intake;
  delivery::DeliveryEngine& engine;
  delivery::DirectoryCache& directory;
  std::function<std::shared_ptr<const routing::RoutingPolicy>()> policy;
  const Clock& clock;
  Random& random;
  Logger& logger;
};

} // namespace calbridge::http
