#pragma once
#include "store/store.hpp"

#include <nlohmann/json.hpp>

namespace calbridge::http {

/// What became of one event: how it was routed, and how far each delivery that it asked for has come by now.
nlohmann::json receipt(store::Store& store, const store::EventRecord& event);

/// One delivery as receipts and the operator's list show it.
nlohmann::json describeDelivery(const store::DeliveryRecord& delivery);

} // namespace calbridge::http
