#pragma once
#include "connections/overview.hpp"
#include "http/web/assets.hpp"
#include "http/web/provider_card.hpp"

#include <string>

namespace calbridge::http {

/// Everybody's connections for an admin, as the content of layout.html: a card of numbers for each provider, and one
/// item for each connection that its person has to renew. `first` is false for pages behind the first.
std::string connectionsPage(const connections::Overview& overview, bool first, const Reader& reader,
                            const Assets& assets);

} // namespace calbridge::http
