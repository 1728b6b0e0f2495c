#pragma once
#include "core/random.hpp"
#include "store/store.hpp"

#include <string>
#include <string_view>

namespace calbridge::delivery {

/// The names under which entries exist outside. They are computed and not stored: a retry after a crash, a second node
/// and a reconnection all arrive at the same name, and so at the same entry. They are made of what the application and
/// the configuration call things, never of row numbers: a database restored from a backup gives those out anew.
class EntryIdentity {
 public:
  /// Reads the installation's id from the store, or makes it: two installations must not name each other's entries.
  EntryIdentity(store::Store& store, Random& random);

  /// 40 hexadecimal digits. `appointment` is the id of the appointment or of the person's own entry; `provider` is
  /// empty for feeds: there the entry and its download are one.
  std::string uid(std::string_view person, std::string_view appointment, std::string_view provider) const;
  /// UUID form; another one for every creation after a confirmed removal (`generation`).
  std::string idempotencyKey(std::string_view person, std::string_view appointment, std::string_view provider,
                             int generation) const;

  /// Key in the store's meta table: when a backup was put in place of the database (`calbridge resync --restored`).
  static constexpr const char* kRestoredKey = "restored_at";
  /// The number of a first attempt: 1; or 2 on a restored database, because entries that it does not know may exist,
  /// and a plugin looks for them before it makes one when an earlier attempt is possible.
  int firstAttempt() const { return firstAttempt_; }

 private:
  std::string name(std::string_view person, std::string_view appointment, std::string_view provider) const;

  std::string installation_;
  int firstAttempt_ = 1;
};

} // namespace calbridge::delivery
