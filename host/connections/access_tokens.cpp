#include "connections/access_tokens.hpp"
#include "core/error.hpp"

#include <atomic>
#include <condition_variable>

namespace calbridge::connections {
namespace {

constexpr TimeMs kHoldAfterFailure = 1000;        // ms; a herd of deliveries asks a failing provider once a second
constexpr TimeMs kHoldAfterMisconfigured = 60000; // ms; only the operator can cure it

Failure ended() {
  return {Status::reauthRequired, "this calendar is not connected any more", "not_connected", {}};
}

/// Is `sealed` under a master key of the database, as far as it has one? On PostgreSQL that may be another than this
/// host's, if this host was held up and taken for dead while another one changed the key.
std::optional<bool> hasDatabaseKey(store::Store& store, const std::string& sealed) {
  const auto key = store.meta(kMetaKeyId);
  if (!key || key->empty())
    return std::nullopt;
  const auto own = Vault::keyIdOf(sealed);
  // The next one vanishes only when nobody uses the keys any more who began before: see KeyRotation.
  return *key == own || store.meta(kMetaNextKeyId) == own;
}

constexpr const char* kOutdated = "the database has another master key than this host; give it that key and restart it";

} // namespace

struct AccessTokens::Wish {
  bool afterRefusal = false;
  std::string refused;
};

/// What is known of one connection. `busy` is the right to change it and to talk to store and provider; the fields are
/// written by the thread that has it, under `mutex`, and read by it without.
struct AccessTokens::Slot {
  struct Unsaved {
    Credentials credentials;
    std::string personId;
    std::string provider;
    std::string sealed; ///< kept, so that the store knows a repeated attempt again
    std::int64_t expectedVersion = 0;
    int unproven = 0;
  };

  std::mutex mutex;
  std::condition_variable changed;
  bool busy = false;
  std::uint64_t flight = 0;           ///< counts finished ones
  std::optional<Failure> lastFailure; ///< of the last flight

  bool loaded = false;
  bool needsNone = false; ///< the provider works without tokens
  Credentials credentials;
  std::int64_t version = 0;
  int unproven = 0;                ///< renewals after refusals in a row, up to this token, of which none was accepted
  std::atomic<bool> proven{false}; ///< the provider has taken the token; by anybody
  TimeMs obtainedAt = 0;           ///< monotonic
  std::optional<Failure> held;
  TimeMs heldUntil = 0;           ///< monotonic
  std::optional<Unsaved> unsaved; ///< refreshed, but not stored yet; must not be used

  ~Slot() {
    wipe(credentials);
    if (unsaved)
      wipe(unsaved->credentials);
  }
};

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
      return ended();
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

/// False when what is stored cannot be opened.
bool AccessTokens::load(Slot& slot, const store::ConnectionRecord& record) {
  try {
    auto credentials = openCredentials(vault_, record);
    if (credentials.accessToken.empty()) // what a person typed is access that does not end by itself
      credentials.accessToken = std::move(credentials.secret);
    const std::scoped_lock lock(slot.mutex);
    wipe(slot.credentials);
    slot.credentials = std::move(credentials);
    slot.version = record.credentialsVersion;
    slot.loaded = true;
    slot.unproven = 0;
    slot.proven = false;
    slot.obtainedAt = clock_.monotonic();
    slot.held.reset();
    return true;
  } catch (const Error& error) {
    if (error.code() != "vault_damaged")
      throw;
    log_.error("stored credentials cannot be opened",
               {{"connection", std::to_string(record.id)}, {"detail", error.detail()}});
    return false;
  }
}

/// Asks the provider for a new token. nullopt: the store has newer credentials; look again.
std::optional<Outcome<std::string>> AccessTokens::renew(Slot& slot, const store::ConnectionRecord& record,
                                                        Provider& provider, const Wish& wish,
                                                        const CallContext& context) {
  const auto& label = provider.info().label;
  const auto dead = [&](const store::ConnectionRecord& seen, const std::string& reason, const std::string& code) {
    auto failure = deadGrant(seen, reason, code);
    return failure ? std::optional<Outcome<std::string>>(std::move(*failure)) : std::nullopt;
  };
  // What was refused because its time was over says nothing about the grant.
  const bool over = slot.credentials.expiresAt != 0 && slot.credentials.expiresAt <= clock_.now();
  const bool onProbation = wish.afterRefusal && !slot.proven && slot.credentials.accessToken == wish.refused &&
                           clock_.monotonic() - slot.obtainedAt < kProbation;
  const int unproven = onProbation ? slot.unproven : 0;
  if (unproven >= kUnprovenRenewals && !over)
    return dead(record, label + " refuses access although it was just renewed several times; please reconnect",
                "refused");
  if (slot.held && clock_.monotonic() < slot.heldUntil) {
    auto failure = *slot.held;
    failure.retryAfter = std::chrono::milliseconds(slot.heldUntil - clock_.monotonic());
    return failure;
  }
  if (slot.credentials.refreshToken.empty() && !provider.info().can("oauth2"))
    return dead(record,
                label + " no longer accepts this user name and password; please connect again with the current ones",
                "invalid_credentials");
  if (slot.credentials.refreshToken.empty())
    return dead(record, "access to " + label + " has ended and cannot be renewed; please reconnect",
                "no_refresh_token");

  auto outcome = provider.refresh(slot.credentials.refreshToken, context);
  if (auto* failure = std::get_if<Failure>(&outcome)) {
    if (failure->status != Status::reauthRequired)
      return hold(slot, *failure, record);
    const auto now = store_.connection(record.id);
    if (now && now->credentialsVersion != record.credentialsVersion)
      return std::nullopt; // another node was faster, or the person has reconnected
    return dead(record,
                label + " no longer accepts this connection: access was withdrawn or has expired; please reconnect",
                failure->code);
  }

  auto& fresh = std::get<Grant>(outcome).credentials;
  if (fresh.accessToken.empty())
    return hold(slot, {Status::transient, label + " answered without a token", "no_access_token", {}}, record);
  if (fresh.refreshToken.empty())
    fresh.refreshToken = slot.credentials.refreshToken;
  if (fresh.scope.empty())
    fresh.scope = slot.credentials.scope;
  {
    const std::scoped_lock lock(slot.mutex);
    slot.unsaved = Slot::Unsaved{std::move(fresh),          record.personId,
                                 record.provider,           "",
                                 record.credentialsVersion, wish.afterRefusal && !over ? unproven + 1 : unproven};
    slot.held.reset();
  }
  if (!saveUnsaved(record.id, slot))
    return std::nullopt;
  auto saved = record;
  saved.credentialsVersion = slot.version;
  if (wish.afterRefusal && slot.credentials.accessToken == wish.refused)
    return dead(saved, label + " renews access without a change; please reconnect", "refused");
  return slot.credentials.accessToken;
}

/// Stores what a refresh brought, and only then makes it the token in use. False: somebody else has stored newer
/// credentials, ours are dropped. Throws, and keeps them for the next try, when the store fails.
bool AccessTokens::saveUnsaved(std::int64_t connectionId, Slot& slot) {
  const auto use = vault_.use();
  if (auto& unsaved = *slot.unsaved; !vault_.isCurrent(unsaved.sealed))
    unsaved.sealed = sealCredentials(vault_, unsaved.credentials, connectionId, unsaved.personId, unsaved.provider);
  if (hasDatabaseKey(store_, slot.unsaved->sealed) == false)
    throw Error("wrong_master_key", kOutdated);
  const bool stored = store_.storeCredentials(connectionId, slot.unsaved->expectedVersion, slot.unsaved->sealed);
  const std::scoped_lock lock(slot.mutex);
  if (stored) {
    wipe(slot.credentials);
    slot.credentials = std::move(slot.unsaved->credentials);
    slot.version = slot.unsaved->expectedVersion + 1;
    slot.unproven = slot.unsaved->unproven;
    slot.proven = false;
    slot.obtainedAt = clock_.monotonic();
    slot.loaded = true;
  } else {
    wipe(slot.unsaved->credentials);
  }
  slot.unsaved.reset();
  return stored;
}

/// Lets nobody ask again too early. What only the operator can cure is not the entry's fault: it waits as well.
Failure AccessTokens::hold(Slot& slot, const Failure& failure, const store::ConnectionRecord& record) {
  auto held = failure;
  TimeMs rest = kHoldAfterFailure;
  switch (failure.status) {
  case Status::cancelled:
    return held; // says nothing about the provider
  case Status::rateLimited:
  case Status::transient:
  case Status::deadline:
    break;
  default:
    held.status = Status::transient;
    rest = kHoldAfterMisconfigured;
  }
  if (held.retryAfter)
    rest = std::max<TimeMs>(rest, held.retryAfter->count());
  held.retryAfter = std::chrono::milliseconds(rest);
  log_.warning("access token not renewed", {{"connection", std::to_string(record.id)},
                                            {"provider", record.provider},
                                            {"status", toString(failure.status)},
                                            {"code", failure.code}});
  const std::scoped_lock lock(slot.mutex);
  slot.held = held;
  slot.heldUntil = clock_.monotonic() + rest;
  return held;
}

/// nullopt: newer credentials have come meanwhile; look again.
std::optional<Failure> AccessTokens::deadGrant(const store::ConnectionRecord& record, const std::string& reason,
                                               const std::string& code) {
  {
    const auto lock = locks_.hold(record.personId);
    const auto now = store_.connection(record.id);
    if (!now || now->state == "disconnected") {
      forget(record.id);
      return ended();
    }
    if (now->credentialsVersion != record.credentialsVersion)
      return std::nullopt;
    // A closing connection has lost its last use: nothing can be removed any more.
    if (now->state == "closing")
      store_.endConnection(record.id);
    else if (!store_.needReconnection(record.id, record.credentialsVersion, reason, clock_.now()))
      return std::nullopt;
  }
  log_.warning("the grant of a connection is dead", {{"connection", std::to_string(record.id)},
                                                     {"provider", record.provider},
                                                     {"person", record.personId},
                                                     {"code", code}});
  forget(record.id);
  return Failure{Status::reauthRequired, reason, code, {}};
}

} // namespace calbridge::connections
