#include "connections/access_token_slot.hpp"
#include "core/error.hpp"

namespace calbridge::connections {

AccessTokens::AccessTokens(store::Store& store, const Providers& providers, const Vault& vault, PersonLocks& locks,
                           const Clock& clock, Logger& log, std::size_t capacity)
    : store_(store), providers_(providers), vault_(vault), locks_(locks), clock_(clock), log_(log),
      capacity_(std::max<std::size_t>(capacity, 1)) {}

AccessTokens::~AccessTokens() = default;

Outcome<std::string> AccessTokens::accessToken(std::int64_t connectionId, const CallContext& context) {
  return obtain(connectionId, {}, context);
}

Outcome<std::string> AccessTokens::refreshNow(std::int64_t connectionId, const std::string& refusedToken,
                                              const CallContext& context) {
  Wish wish{true, refusedToken};
  auto outcome = obtain(connectionId, wish, context);
  wipe(wish.refused);
  return outcome;
}

void AccessTokens::accepted(std::int64_t connectionId, std::string_view token) {
  std::shared_ptr<Slot> slot;
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = slots_.find(connectionId); found != slots_.end())
      slot = found->second.first;
  }
  if (!slot || slot->proven)
    return;
  const std::scoped_lock lock(slot->mutex);
  if (slot->loaded && slot->credentials.accessToken == token)
    slot->proven = true;
}

void AccessTokens::forget(std::int64_t connectionId) {
  const std::scoped_lock lock(mutex_);
  const auto found = slots_.find(connectionId);
  if (found == slots_.end())
    return;
  recent_.erase(found->second.second);
  slots_.erase(found);
}

std::size_t AccessTokens::cached() const {
  const std::scoped_lock lock(mutex_);
  return slots_.size();
}

std::shared_ptr<AccessTokens::Slot> AccessTokens::slotOf(std::int64_t connectionId) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = slots_.find(connectionId); found != slots_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second.second);
    return found->second.first;
  }
  // A slot that somebody holds, or whose token is not stored yet, stays; the cache is then larger for a while.
  for (auto oldest = recent_.end(); slots_.size() >= capacity_ && oldest != recent_.begin();) {
    --oldest;
    const auto candidate = slots_.find(*oldest);
    const auto slot = candidate->second.first;
    {
      const std::unique_lock inside(slot->mutex, std::try_to_lock);
      // Two holders are the map and this loop; copies are made under mutex_ only, so nobody else is about to start.
      if (!inside || slot.use_count() > 2 || slot->unsaved)
        continue;
    }
    slots_.erase(candidate);
    oldest = recent_.erase(oldest);
  }
  recent_.push_front(connectionId);
  auto slot = std::make_shared<Slot>();
  slots_.emplace(connectionId, std::pair(slot, recent_.begin()));
  return slot;
}

bool AccessTokens::usable(const Slot& slot, const Wish& wish) const {
  if (!slot.loaded || slot.unsaved)
    return false;
  if (slot.needsNone)
    return true;
  const auto& credentials = slot.credentials;
  if (credentials.accessToken.empty() || (wish.afterRefusal && credentials.accessToken == wish.refused))
    return false;
  return credentials.expiresAt == 0 || credentials.expiresAt - clock_.now() > kExpiryMargin;
}

Outcome<std::string> AccessTokens::obtain(std::int64_t connectionId, const Wish& wish, const CallContext& context) {
  for (;;) {
    const auto slot = slotOf(connectionId);
    std::unique_lock lock(slot->mutex);
    if (usable(*slot, wish))
      return slot->credentials.accessToken;
    if (slot->busy) {
      const auto flight = slot->flight;
      slot->changed.wait(lock, [&] { return slot->flight != flight; });
      const bool mineCancelled = context.cancelled && context.cancelled->load();
      if (slot->lastFailure && (slot->lastFailure->status != Status::cancelled || mineCancelled))
        return *slot->lastFailure;
      // Shared even if it is short-lived; but not the very token that was refused.
      if (!slot->lastFailure && slot->loaded && !slot->unsaved &&
          !(wish.afterRefusal && slot->credentials.accessToken == wish.refused))
        return slot->credentials.accessToken;
      continue;
    }
    slot->busy = true;
    lock.unlock();
    const auto landed = [&](std::optional<Failure> failure) {
      const std::scoped_lock relock(slot->mutex);
      slot->busy = false;
      ++slot->flight;
      slot->lastFailure = std::move(failure);
      slot->changed.notify_all();
    };
    try {
      auto outcome = lead(connectionId, *slot, wish, context);
      const auto* failure = std::get_if<Failure>(&outcome);
      landed(failure ? std::optional(*failure) : std::nullopt);
      return outcome;
    } catch (const Error& error) {
      landed(Failure{Status::transient, error.message(), error.code(), {}});
      throw;
    } catch (...) {
      landed(Failure{Status::internal, "the access token could not be obtained", "", {}});
      throw;
    }
  }
}

/// Runs with the slot's `busy` held.
Outcome<std::string> AccessTokens::lead(std::int64_t connectionId, Slot& slot, const Wish& wish,
                                        const CallContext& context) {
  if (slot.unsaved && saveUnsaved(connectionId, slot) && usable(slot, wish))
    return slot.credentials.accessToken;
  // More than one round only if somebody else stores credentials of this connection in between.
  for (int round = 0; round < 4; ++round) {
    std::optional<KeyRing::Use> use(vault_.use());
    const auto record = store_.connection(connectionId);
    if (!record || record->state == "disconnected") {
      forget(connectionId);
      return connectionEnded();
    }
    Provider* provider = providers_.find(record->provider);
    if (provider && !provider->info().can("oauth2") && !provider->info().can("credentials")) {
      const std::scoped_lock lock(slot.mutex);
      slot.loaded = slot.needsNone = true;
      return std::string();
    }
    if (record->state == "needs_reconnection") {
      forget(connectionId);
      return Failure{Status::reauthRequired, "the person has to reconnect this calendar", "needs_reconnection", {}};
    }
    if ((!slot.loaded || slot.version != record->credentialsVersion) && !load(slot, *record)) {
      // Under the database's own key, which is not ours: that is no fault of the person's.
      if (!vault_.isCurrent(record->sealed) && hasDatabaseKey(store_, record->sealed) == true)
        return hold(slot, {Status::transient, kOutdated, "wrong_master_key", {}}, *record);
      if (auto failure =
              deadGrant(*record, "the stored access cannot be read any more; please reconnect", "vault_damaged"))
        return *failure;
      continue;
    }
    use.reset();
    if (usable(slot, wish))
      return slot.credentials.accessToken;
    if (!provider || !provider->info().configured)
      return hold(slot, {Status::permanent, record->provider + " is not configured", "provider_not_configured", {}},
                  *record);
    if (auto outcome = renew(slot, *record, *provider, wish, context))
      return *outcome;
  }
  return Failure{Status::transient, "the credentials of this connection keep changing", "", {}};
}

} // namespace calbridge::connections
