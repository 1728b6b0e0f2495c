#include "connections/disconnection.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace calbridge::connections {

Disconnection::Disconnection(store::Store& store, const Providers& providers, const Vault& vault, AccessTokens& tokens,
                             PersonLocks& locks, const Clock& clock, Logger& log)
    : store_(store), providers_(providers), vault_(vault), tokens_(tokens), locks_(locks), clock_(clock), log_(log) {}

DisconnectResult Disconnection::disconnect(const std::string& personId, const std::string& provider, Entries entries) {
  const Provider* known = providers_.find(provider);
  DisconnectResult result;
  if (known)
    result.disconnectUrl = known->info().disconnectUrl;
  std::vector<std::int64_t> toFinish;
  {
    const auto lock = locks_.hold(personId);
    for (const auto& record : store_.connectionsOf(personId)) {
      if (record.provider != provider || (record.state != "connected" && record.state != "needs_reconnection"))
        continue;
      result.wasConnected = true;
      const auto now = clock_.now();
      if (record.sealed.empty()) { // a feed: nothing at a provider, and the secret has to die now
        store_.endConnection(record.id);
        continue;
      }
      const bool wanted = entries == Entries::remove;
      const bool possible = record.state == "connected" && known && known->info().configured;
      store_.beginClosing(record.id, wanted && possible, now, wanted && possible ? now + kClosingTime : now);
      const auto left = wanted && possible ? store_.removalsLeft(record.id) : 0;
      result.removing += left;
      result.entriesRemain = result.entriesRemain || (wanted && !possible);
      if (left == 0)
        toFinish.push_back(record.id);
    }
  }
  if (!result.wasConnected && !known)
    throw Error("not_found", "there is no such calendar provider");
  if (result.wasConnected)
    log_.info("calendar disconnected", {{"provider", provider},
                                        {"person", personId},
                                        {"entries", entries == Entries::keep ? "keep" : "remove"},
                                        {"removing", std::to_string(result.removing)}});
  for (const auto id : toFinish)
    finishClosing(id);
  return result;
}

bool Disconnection::finishClosing(std::int64_t connectionId) {
  bool providerDown = false;
  return finish(connectionId, true, providerDown);
}

std::size_t Disconnection::finishDue() {
  std::size_t finished = 0;
  std::set<std::string> down; // revoking at these would only wait again
  for (const auto& record : store_.connectionsIn("closing")) {
    if (record.closingDeadline > clock_.now() && store_.removalsLeft(record.id) > 0)
      continue;
    bool providerDown = false;
    finished += finish(record.id, !down.contains(record.provider), providerDown) ? 1 : 0;
    if (providerDown)
      down.insert(record.provider);
  }
  return finished;
}

std::optional<TimeMs> Disconnection::nextDeadline() {
  std::optional<TimeMs> next;
  for (const auto& record : store_.connectionsIn("closing"))
    next = std::min(next.value_or(record.closingDeadline), record.closingDeadline);
  return next;
}

bool Disconnection::erase(const std::string& personId) {
  // Erasing comes first, so that no provider can stand in its way; the records seen before still hold what revoking
  // needs.
  const auto use = vault_.use();
  std::vector<store::ConnectionRecord> records;
  bool erased = false;
  {
    const auto lock = locks_.hold(personId);
    records = store_.connectionsOf(personId);
    erased = store_.erasePerson(personId);
  }
  const TimeMs end = clock_.monotonic() + kRevokeTimeout.count();
  for (const auto& record : records) {
    tokens_.forget(record.id);
    const auto left = std::chrono::milliseconds(end - clock_.monotonic());
    if (erased && left.count() > 0)
      revoke(record, left);
  }
  if (erased)
    log_.info("person erased", {{"person", personId}, {"connections", std::to_string(records.size())}});
  return erased;
}

bool Disconnection::finish(std::int64_t connectionId, bool mayRevoke, bool& providerDown) {
  {
    const std::scoped_lock lock(mutex_);
    if (!ending_.insert(connectionId).second)
      return false; // another thread is at it
  }
  struct Leave {
    Disconnection& self;
    std::int64_t id;
    ~Leave() {
      const std::scoped_lock lock(self.mutex_);
      self.ending_.erase(id);
    }
  } leave{*this, connectionId};

  const auto use = vault_.use(); // across the revocation, which is cut off after a few seconds
  const auto record = store_.connection(connectionId);
  if (!record || record->state != "closing")
    return false;
  if (mayRevoke)
    if (const auto failure = revoke(*record, kRevokeTimeout))
      providerDown = failure->status == Status::transient || failure->status == Status::deadline;
  return end(*record);
}

/// Destroys the credentials that were seen, but not those of a reconnection that came in between.
bool Disconnection::end(const store::ConnectionRecord& seen) {
  const auto lock = locks_.hold(seen.personId);
  const auto now = store_.connection(seen.id);
  if (!now || now->state != "closing" || now->closingDeadline != seen.closingDeadline)
    return false;
  store_.endConnection(seen.id);
  tokens_.forget(seen.id);
  log_.info("connection ended",
            {{"connection", std::to_string(seen.id)}, {"provider", seen.provider}, {"person", seen.personId}});
  return true;
}

bool Disconnection::canRevoke(const store::ConnectionRecord& record) const {
  const Provider* provider = providers_.find(record.provider);
  // A revocation ends every grant of that account (Google), so it waits for the last connection that uses it.
  return provider && provider->info().configured && provider->info().can("revoke") && !record.sealed.empty() &&
         !record.accountId.empty() && store_.connectionsUsing(record.provider, record.accountId, record.id) == 0;
}

std::optional<Failure> Disconnection::revoke(const store::ConnectionRecord& record, std::chrono::milliseconds timeout) {
  if (!canRevoke(record))
    return std::nullopt;
  Credentials credentials;
  try {
    credentials = openCredentials(vault_, record);
  } catch (const Error& error) {
    if (error.code() != "vault_damaged")
      throw;
    log_.warning("nothing to revoke with", {{"connection", std::to_string(record.id)}, {"detail", error.detail()}});
    return std::nullopt;
  }
  CallContext context;
  context.timeout = timeout;
  context.requestId = "revoke-" + std::to_string(record.id);
  auto failure = providers_.find(record.provider)->revoke(credentials, context);
  wipe(credentials);
  if (failure)
    log_.warning("a grant could not be revoked; its tokens are destroyed here all the same",
                 {{"connection", std::to_string(record.id)},
                  {"provider", record.provider},
                  {"status", toString(failure->status)},
                  {"code", failure->code}});
  return failure;
}

} // namespace calbridge::connections
