#pragma once
#include "connections/access_tokens.hpp"
#include "connections/person_locks.hpp"

namespace calbridge::connections {

/// What becomes of the entries that calbridge put into the calendar.
enum class Entries { keep, remove };

struct DisconnectResult {
  bool wasConnected = false;  ///< false: there was nothing to disconnect; nothing was changed
  std::int64_t removing = 0;  ///< entries that are being removed now, in the background
  bool entriesRemain = false; ///< removal was asked for, but the grant is dead: the person has to delete them
  std::string disconnectUrl;  ///< provider's page to withdraw consent, where there is no revoke; may be empty
};

/// Ends connections. For the person it is over when disconnect() returns; entries may still be removed for a minute
/// (state closing), which is what the tokens are kept for. Thread-safe; everything passed in is borrowed.
class Disconnection {
 public:
  static constexpr TimeMs kClosingTime = 60000; ///< ms until the tokens are destroyed with entries removed or not
  static constexpr std::chrono::milliseconds kRevokeTimeout{5000};

  Disconnection(store::Store& store, const Providers& providers, const Vault& vault, AccessTokens& tokens,
                PersonLocks& locks, const Clock& clock, Logger& log);

  /// Disconnects the person's live connection to that provider. Feeds, `keep`, dead grants and calendars without
  /// entries end within the call (≤ 5 s, the provider's revocation); otherwise deliveries remove the entries and then
  /// call finishClosing. Errors: not_found (no such provider), store_unavailable.
  DisconnectResult disconnect(const std::string& personId, const std::string& provider, Entries entries);

  /// Ends a connection that is closing: revokes the grant where the provider can and no other connection uses that
  /// account (best effort, ≤ 5 s), then destroys the tokens, also if revoking failed. Nothing happens, and false comes
  /// back, if the connection is not closing (any more). To be called when its removals are done, or its deadline has
  /// passed, or the provider proves to be down or refuses.
  bool finishClosing(std::int64_t connectionId);
  /// finishClosing for every closing connection that has no removals left or whose deadline has passed; what a crash
  /// left behind is found here too. Cheap when there are none. Returns how many ended.
  std::size_t finishDue();
  /// When the next closing connection's deadline passes; nullopt when none is closing.
  std::optional<TimeMs> nextDeadline();

  /// Erases the person with all connections (store.erasePerson), then tries to revoke the grants, ≤ 5 s in all.
  /// False when there is no such person.
  bool erase(const std::string& personId);

 private:
  bool finish(std::int64_t connectionId, bool mayRevoke, bool& providerDown);
  bool end(const store::ConnectionRecord& seen);
  bool canRevoke(const store::ConnectionRecord& record) const;
  std::optional<Failure> revoke(const store::ConnectionRecord& record, std::chrono::milliseconds timeout);

  store::Store& store_;
  const Providers& providers_;
  const Vault& vault_;
  AccessTokens& tokens_;
  PersonLocks& locks_;
  const Clock& clock_;
  Logger& log_;

  std::mutex mutex_;
  std::set<std::int64_t> ending_; ///< guarded by mutex_: somebody is at it
};

} // namespace calbridge::connections
