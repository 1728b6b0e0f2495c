#include "connections/key_rotation.hpp"
#include "connections/audit_log.hpp"
#include "connections/key_file.hpp"
#include "connections/oauth_flow.hpp"
#include "connections/sealed_credentials.hpp"
#include "core/error.hpp"

namespace calbridge::connections {
namespace {

/// Rows in one transaction: a few milliseconds of the store's writer, so that nobody waits long behind them.
constexpr std::size_t kPage = 100;

} // namespace

KeyRotation::KeyRotation(store::Store& store, KeyRing& ring, const Vault& vault, KeySource source, const Clock& clock,
                         Random& random, Logger& log)
    : store_(store), ring_(ring), vault_(vault), source_(std::move(source)), clock_(clock), random_(random), log_(log) {
}

void KeyRotation::begin(const std::optional<std::string>& newKey) {
  if (underWay()) { // cut short earlier; there is one thing to do, and that is to finish it
    if (newKey && fromEnvironment() &&
        MasterKey::fromBase64(*newKey, "CALBRIDGE_NEW_MASTER_KEY").id() != ring_.newest()->id())
      throw Error("rotation_under_way", "a change to master key " + ring_.newest()->id() +
                                            " is under way; let it end before a change to another key");
    return;
  }
  refuseOtherHosts();
  const auto& wanted = newKey ? newKey : source_.newEnvironmentKey;
  const auto present = ring_.newest();
  std::optional<MasterKey> fresh;
  if (fromEnvironment()) {
    if (!wanted)
      throw Error("new_master_key_missing",
                  "the master key comes from CALBRIDGE_MASTER_KEY, so the new one has to come from "
                  "CALBRIDGE_NEW_MASTER_KEY. Make one with `openssl rand -base64 32`, put it into .env under that name "
                  "beside the old one, and call `calbridge vault rotate` again");
    fresh = MasterKey::fromBase64(*wanted, "CALBRIDGE_NEW_MASTER_KEY");
    if (fresh->id() == present->id())
      throw Error("new_master_key_same", "CALBRIDGE_NEW_MASTER_KEY holds the key that is in use already; make another "
                                         "with `openssl rand -base64 32`");
  } else {
    if (wanted)
      throw Error("new_master_key_unwanted",
                  "the master key is in " + source_.file.string() +
                      ", and a rotation makes its successor itself. Remove CALBRIDGE_NEW_MASTER_KEY");
    makeKeyFile(source_.newFile(), random_); // one that was made for a rotation that did not come about serves too
    fresh = readKeyFile(source_.newFile());
    if (!fresh)
      throw Error("master_key_unwritable", source_.newFile().string() + " vanished while it was being made");
  }
  // In this order: a row under the new key is never stored before the database says that there may be some.
  store_.setMeta(kMetaNextKeyId, fresh->id());
  try {
    refuseOtherHosts(); // again: one that starts announces itself before it reads which keys there are
  } catch (const Error&) {
    store_.setMeta(kMetaNextKeyId, "");
    throw;
  }
  log_.info("the master key is being changed", {{"from", present->id()}, {"to", fresh->id()}});
  {
    const std::scoped_lock lock(mutex_);
    progress_ = {.oldKey = present->id(), .newKey = fresh->id()};
  }
  ring_.add(std::move(*fresh));
}

/// Not when only the mark is there: then begin() did not see the end of storing it, and nothing has the new key.
bool KeyRotation::underWay() {
  return ring_.size() > 1 || store_.meta(kMetaNextKeyId) == ring_.newest()->id();
}

void KeyRotation::refuseOtherHosts() {
  for (const auto& node : store_.nodes())
    if (!node.own)
      throw Error("other_hosts", "the host " + node.name +
                                     " works on the same database and would be left without the new key. Stop all "
                                     "hosts but one, rotate, give the new key to the others, and start them");
}

bool KeyRotation::run(const std::atomic<bool>& stop, const std::function<void(const RotationProgress&)>& progress) {
  if (!underWay())
    return true;
  const auto newest = ring_.newest()->id();
  const auto stored = store_.meta(kMetaKeyId).value_or("");
  {
    const std::scoped_lock lock(mutex_);
    auto old = progress_.newKey == newest ? progress_.oldKey : stored; // else it began in another process
    progress_ = {.oldKey = old == newest ? "" : std::move(old), .newKey = newest};
  }
  ring_.awaitEarlierUses(); // from here on nothing is stored under the old key
  for (bool first = true;; first = false) {
    const auto changed = pass(stop, first ? progress : nullptr);
    if (!changed)
      return false;
    if (*changed == 0)
      break;
  }
  finish();
  if (progress)
    progress(this->progress());
  return true;
}

/// Looks at every sealed row once; how many needed the new key. nullopt when stopped.
std::optional<std::size_t> KeyRotation::pass(const std::atomic<bool>& stop,
                                             const std::function<void(const RotationProgress&)>& progress) {
  std::size_t changed = 0;
  RotationProgress seen = this->progress();
  seen.unreadable = seen.done = 0;
  if (seen.total == 0) {
    std::int64_t after = 0;
    for (auto page = store_.sealedConnections(after, 1000); !page.empty();
         page = store_.sealedConnections(after, 1000)) {
      seen.total += static_cast<std::int64_t>(page.size());
      after = page.back().id;
    }
    seen.total += static_cast<std::int64_t>(store_.oauthStates().size());
  }
  const auto tell = [&] {
    {
      const std::scoped_lock lock(mutex_);
      progress_ = seen;
    }
    if (progress)
      progress(seen);
  };

  std::int64_t after = 0;
  for (auto page = store_.sealedConnections(after, kPage); !page.empty();
       page = store_.sealedConnections(after, kPage)) {
    if (stop)
      return std::nullopt;
    after = page.back().id;
    std::vector<store::ConnectionRecord> fresh;
    for (auto& record : page) {
      ++seen.done;
      if (vault_.isCurrent(record.sealed))
        continue;
      if (sealAnew(record.sealed, placeOf(record))) {
        fresh.push_back(std::move(record));
      } else {
        --seen.done;
        ++seen.unreadable;
      }
    }
    if (!fresh.empty())
      store_.reseal(fresh, {});
    changed += fresh.size();
    tell();
  }
  std::vector<store::OAuthState> states;
  for (auto& state : store_.oauthStates()) {
    ++seen.done;
    if (!vault_.isCurrent(state.sealedVerifier) && sealAnew(state.sealedVerifier, verifierPlace(state)))
      states.push_back(std::move(state));
  }
  if (!states.empty())
    store_.reseal({}, states);
  changed += states.size();
  tell();
  return stop ? std::nullopt : std::optional(changed);
}

/// False when no key of ours opens it.
bool KeyRotation::sealAnew(std::string& sealed, const SealedPlace& place) {
  try {
    std::string plain = vault_.open(sealed, place);
    sealed = vault_.seal(plain, place);
    wipe(plain);
    return true;
  } catch (const Error& error) {
    if (error.code() != "vault_damaged")
      throw;
    log_.warning("a sealed row cannot be opened and keeps its former key", {{"detail", error.detail()}});
    return false;
  }
}

/// Every step may be done again: by another try of this process, or by the next start. The mark that a rotation is
/// under way goes last, so that none of them is left out.
void KeyRotation::finish() {
  const auto newest = ring_.newest();
  const auto holds = [&](const std::filesystem::path& file) {
    const auto key = readKeyFile(file);
    return key && key->id() == newest->id();
  };
  const bool waiting = !fromEnvironment() && holds(source_.newFile());
  if (!fromEnvironment() && !waiting && !holds(source_.file))
    throw Error("master_key_unwritable", "the new master key " + newest->id() + " is not in " +
                                             source_.newFile().string() +
                                             " any more. Put that file back before this host ends: nothing else has "
                                             "the key");
  store_.setMeta(kMetaKeyId, newest->id());
  if (waiting)
    replaceKeyFile(source_.newFile(), source_.file);
  ring_.awaitEarlierUses(); // who read a row before it got the new key may still be opening it
  ring_.keepNewest();
  store_.forgetReplaced();
  AuditLog(store_, clock_, log_)
      .note("vault.rotated", AuditLog::kHost, "",
            {{"from", progress().oldKey}, {"to", newest->id()}, {"rows", progress().done}});
  store_.setMeta(kMetaNextKeyId, "");
  const std::scoped_lock lock(mutex_);
  progress_.finished = true;
  log_.info("the master key was changed", {{"to", newest->id()},
                                           {"rows", std::to_string(progress_.done)},
                                           {"unreadable", std::to_string(progress_.unreadable)}});
}

RotationProgress KeyRotation::progress() const {
  const std::scoped_lock lock(mutex_);
  return progress_;
}

} // namespace calbridge::connections
