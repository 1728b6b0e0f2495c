#pragma once
#include "http/web/provider_card.hpp"
#include "store/records.hpp"

#include <functional>
#include <kainjow/mustache.hpp>
#include <vector>

namespace calbridge::http {

/// What the settings page says about one person's placements: when in the reader's zone, where, in which calendars,
/// and for own entries everything that the form needs to change them. `deliveries` gives those of a placement, `label`
/// the name of a provider for people.
kainjow::mustache::data
entryList(const std::vector<store::PlacementRecord>& placements, const Reader& reader,
          const std::function<std::vector<store::DeliveryRecord>(std::int64_t placementId)>& deliveries,
          const std::function<std::string(const std::string& provider)>& label);

} // namespace calbridge::http
