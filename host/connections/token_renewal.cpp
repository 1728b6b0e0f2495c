#include "connections/access_token_slot.hpp"
#include "core/error.hpp"

namespace calbridge::connections {
namespace {

constexpr TimeMs kHoldAfterFailure = 1000;        // ms; a herd of deliveries asks a failing provider once a second
constexpr TimeMs kHoldAfterMisconfigured = 60000; // ms; only the operator can cure it

} // namespace

std::optional<bool> hasDatabaseKey(store::Store& store, const std::string& sealed) {
  const auto key = store.meta(kMetaKeyId);
  if (!key || key->empty())
    return std::nullopt;
  const auto own = Vault::keyIdOf(sealed);
  // The next one vanishes only when nobody uses the keys any more who began before: see KeyRotation.
  return *key == own || store.meta(kMetaNextKeyId) == own;
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
      return connectionEnded();
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
