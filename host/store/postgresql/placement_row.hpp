#pragma once
#include "store/postgresql/session.hpp"
#include "store/records.hpp"

namespace calbridge::store::postgresql {

/// Reads the columns that the operations list as a placement, in their order.
PlacementRecord readPlacement(Row& row);

} // namespace calbridge::store::postgresql
