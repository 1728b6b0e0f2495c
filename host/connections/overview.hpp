#pragma once
#include "core/provider.hpp"
#include "store/store.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace calbridge::connections {

/// How everybody's connections to one provider are.
struct ProviderTally {
  std::string provider;
  std::string label;
  bool configured = false; ///< also false when the configuration does not name it any more
  std::int64_t connected = 0;
  std::int64_t failing = 0;              ///< of those: the latest attempt failed; it is repeated by itself
  std::int64_t needsReconnection = 0;    ///< of those: the grant is dead; only its person can renew it
  std::optional<std::string> quarantine; ///< why the provider's plugin is in quarantine, if it is
};

/// One connection that its person has to renew.
struct Need {
  store::DeadGrant grant;
  std::string label;                  ///< of the provider
  std::optional<std::string> account; ///< label of the connected account; feeds have none
};

/// Everybody's connections, as an admin sees them: numbers of all, particulars only of those that need somebody.
struct Overview {
  std::vector<ProviderTally> providers; ///< in the order of the configuration, then those that it does not name
  std::vector<Need> needs;              ///< the longest dead first
  std::optional<std::string> next;      ///< names the place where the next page begins; none: this is the last
};

/// At most `limit` needs of those behind `after`, which is empty or an earlier overview's `next`. Throws
/// Error("invalid_field") with pointer /after for any other text, and Error("store_unavailable").
Overview overview(store::Store& store, const Providers& providers, const std::string& after, std::size_t limit);
/// As in GET /api/calendar/connections/.
nlohmann::json toJson(const Overview& overview);

} // namespace calbridge::connections
