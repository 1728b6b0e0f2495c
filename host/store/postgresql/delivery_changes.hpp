#pragma once
#include "store/delivery_rules.hpp"
#include "store/postgresql/due_book.hpp"
#include "store/postgresql/session.hpp"

#include <vector>

namespace calbridge::store::postgresql {

/// Reads the columns that the operations list as a delivery row, in their order.
DeliveryRow readDeliveryRow(Row& row);
/// Whether an attempt may have reached the provider without having been recorded: any claim counts as one, for a claim
/// is on disk before the attempt begins.
inline Touched touched(const DeliveryRow& row) {
  return row.untriedIn != 0 ? Touched::no : Touched::maybe;
}

/// The new and changed delivery rows of one transaction, stored together.
class DeliveryChanges {
 public:
  using Key = HeldClaims::Key;

  /// A row for a placement that is wanted and was never delivered to this connection.
  void add(const Key& key, const std::string& provider, std::int64_t revision, Reach reach, TimeMs now);
  void change(const Key& key, const std::string& provider, const DeliveryRow& row);
  /// Stores them; `settled`: they are outcomes, and the leases end. Does nothing when there are none.
  void store(Session& session, bool settled) const;

  struct Due {
    std::int64_t connectionId = 0;
    TimeMs at = 0;
    std::string provider;
  };
  /// The rows that are due now or later.
  const std::vector<Due>& dues() const { return dues_; }

 private:
  struct Added {
    Key key;
    std::int64_t revision = 0;
    std::optional<TimeMs> dueAt;
  };
  std::vector<Added> added_;
  std::vector<std::pair<Key, DeliveryRow>> changed_;
  std::vector<Due> dues_;
};

} // namespace calbridge::store::postgresql
