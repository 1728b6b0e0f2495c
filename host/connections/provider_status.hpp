#pragma once
#include "connections/oauth_flow.hpp"

#include <nlohmann/json.hpp>

namespace calbridge::connections {

/// One provider as one person sees it.
struct ProviderStatus {
  std::string provider;
  std::string label;
  bool configured = false;
  bool connected = false;             ///< also while it needs reconnection; not while closing
  std::optional<std::string> account; ///< label of the connected account; feeds have none
  std::string health;                 ///< ok | needs_reconnection | failing | not_connected | not_configured
  std::optional<std::string> needs;   ///< reconnect (the person) | credentials, operator (the operator)
  std::optional<TimeMs> lastSyncAt;
  std::optional<std::string> lastSyncError; ///< plain words, while it is the latest thing that happened
  std::int64_t pending = 0;                 ///< entries not in agreement yet
  std::int64_t delivered = 0;
  bool feed = false;                  ///< connected through a secret URL
  std::string connect;                ///< how: oauth2 | credentials | feed | none
  nlohmann::ordered_json form;        ///< credentials: the form as JSON Schema; else null
  std::vector<std::string> formOrder; ///< its fields, as they are shown: JSON objects have no order
  /// Of a provider that sends them: on | off (the person's wish) | not_needed (a calendar is connected); else empty.
  std::string invitations;
  bool choosesCalendar = false;        ///< connected, and its calendars can be listed and chosen
  std::optional<std::string> calendar; ///< name of the chosen calendar; none: nobody chose
  std::string disconnectUrl;           ///< provider's page to withdraw consent; may be empty
};

/// How a person connects to it: oauth2 | credentials | feed | none. A provider that could do two does the first.
std::string connectKind(const ProviderInfo& info);

/// All providers in the order of the configuration; those that the role may not use are left out unless connected.
/// Throws Error("store_unavailable").
std::vector<ProviderStatus> providerStatuses(store::Store& store, const Providers& providers,
                                             const std::string& personId, const AllowedProviders& allowed);
/// As in GET /api/calendar/status/.
nlohmann::json toJson(const ProviderStatus& status);

} // namespace calbridge::connections
