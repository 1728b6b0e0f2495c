#pragma once
#include "http/services.hpp"
#include "store/records.hpp"

#include <string>

namespace calbridge::http {

/// The first configured provider that makes feeds. Throws Error("provider_not_configured") when there is none.
Provider& feedProvider(const Services& services);

/// One placement as a whole iCalendar document (RFC 5545), with the UID that it has in the person's feed, so that an
/// import and a subscription do not show it twice. Throws Error("internal_error") when the plugin fails.
std::string icsDocument(const Services& services, const store::PlacementRecord& placement);

} // namespace calbridge::http
