#pragma once
#include "store/records.hpp"
#include "store/sqlite/statement.hpp"

namespace calbridge::store::sqlite {

/// Reads the columns that the operations list as a placement, in their order.
PlacementRecord readPlacement(Row& row);
/// The reminders column: minutes separated by commas.
std::string remindersText(const std::vector<int>& reminders);

} // namespace calbridge::store::sqlite
