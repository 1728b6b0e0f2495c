#pragma once
#include "connections/provider_status.hpp"
#include "core/provider.hpp"
#include "http/web/assets.hpp"

#include <kainjow/mustache.hpp>
#include <string>
#include <vector>

namespace calbridge::http {

/// The reader of a page.
struct Reader {
  TimeMs now = 0;
  std::string zone; ///< IANA, known
  bool admin = false;
};

/// The path of a provider's picture; of the general one where it has none of its own.
std::string providerIcon(const std::string& provider, const Assets& assets);

/// What the template provider_card.html says about one provider: state, health and sync in plain words, and which
/// buttons there are. `missing` names the settings that an operator still has to give; only admins are told.
kainjow::mustache::data providerCard(const connections::ProviderStatus& status, const std::vector<std::string>& missing,
                                     const Reader& reader, const Assets& assets);

} // namespace calbridge::http
