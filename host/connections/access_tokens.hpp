#pragma once
#include "connections/person_locks.hpp"
#include "connections/sealed_credentials.hpp"
#include "core/logger.hpp"
#include "core/provider.hpp"
#include "store/store.hpp"

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace calbridge::connections {

/// Gives deliveries a usable access token for a connection and keeps it fresh.
///
/// However many threads ask, one refresh per connection is under way at a time and all share its result. A rotated
/// token is stored (compare-and-set on the credentials' version, durable) before it is handed out; if the store fails
/// then, the token is kept in memory and storing is tried again before anything else. Opened credentials are cached,
/// the least recently used first to go, and wiped when they go.
///
/// Failures are values. Status::reauthRequired means that nothing more is to be tried: the connection is
/// `needs_reconnection` in the store by then, or, when it was already closing, it has been ended. A Failure with
/// retryAfter must not be repeated earlier; within that time no call reaches the provider.
/// Throws Error("store_unavailable") when the database fails. Thread-safe; everything passed in is borrowed.
class AccessTokens {
 public:
  static constexpr std::size_t kDefaultCapacity = 10000;
  static constexpr TimeMs kExpiryMargin = 60000; ///< ms; a token that ends sooner is refreshed first
  /// ms; a token that was renewed because its predecessor was refused, and is refused itself within this time without
  /// ever having been accepted, counts against the grant.
  static constexpr TimeMs kProbation = 300000;
  /// So many of those in a row prove that renewing does not help. One does not: tokens can end before their first use,
  /// when they live for moments or the queue is long.
  static constexpr int kUnprovenRenewals = 3;

  AccessTokens(store::Store& store, const Providers& providers, const Vault& vault, PersonLocks& locks,
               const Clock& clock, Logger& log, std::size_t capacity = kDefaultCapacity);
  ~AccessTokens();
  AccessTokens(const AccessTokens&) = delete;
  AccessTokens& operator=(const AccessTokens&) = delete;

  /// A token that is valid for another minute at least, as far as is known; the secret of a provider that people
  /// connect to by typing (`credentials`); empty for providers that need neither. Blocks for a refresh if one is
  /// needed; `context.timeout` bounds the provider's part, `context.cancelled` ends it early (Status::cancelled).
  Outcome<std::string> accessToken(std::int64_t connectionId, const CallContext& context);

  /// For a push that was refused with reauth_required although the token seemed valid. Returns a newer token if there
  /// is one already (here or, from another node, in the store), else refreshes once. If the refused token itself is
  /// the last of kUnprovenRenewals such refreshes of which none was ever accepted(), the grant is useless:
  /// needs_reconnection.
  Outcome<std::string> refreshNow(std::int64_t connectionId, const std::string& refusedToken,
                                  const CallContext& context);

  /// The provider has taken `token`: should it be refused later, then because it has ended, and renewing helps.
  void accepted(std::int64_t connectionId, std::string_view token);

  /// Drops and wipes what is cached, after the connection was made anew or has ended.
  void forget(std::int64_t connectionId);
  /// Connections in the cache.
  std::size_t cached() const;

 private:
  struct Slot;
  struct Wish;
  Outcome<std::string> obtain(std::int64_t connectionId, const Wish& wish, const CallContext& context);
  Outcome<std::string> lead(std::int64_t connectionId, Slot& slot, const Wish& wish, const CallContext& context);
  bool load(Slot& slot, const store::ConnectionRecord& record);
  std::optional<Outcome<std::string>> renew(Slot& slot, const store::ConnectionRecord& record, Provider& provider,
                                            const Wish& wish, const CallContext& context);
  bool saveUnsaved(std::int64_t connectionId, Slot& slot);
  bool usable(const Slot& slot, const Wish& wish) const;
  Failure hold(Slot& slot, const Failure& failure, const store::ConnectionRecord& record);
  std::optional<Failure> deadGrant(const store::ConnectionRecord& record, const std::string& reason,
                                   const std::string& code);
  std::shared_ptr<Slot> slotOf(std::int64_t connectionId);

  store::Store& store_;
  const Providers& providers_;
  const Vault& vault_;
  PersonLocks& locks_;
  const Clock& clock_;
  Logger& log_;
  const std::size_t capacity_;

  mutable std::mutex mutex_; ///< guards the two below; never held while a slot works
  std::list<std::int64_t> recent_;
  std::unordered_map<std::int64_t, std::pair<std::shared_ptr<Slot>, std::list<std::int64_t>::iterator>> slots_;
};

} // namespace calbridge::connections
