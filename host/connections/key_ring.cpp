#include "connections/key_ring.hpp"
#include "connections/key_file.hpp"
#include "connections/vault.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

namespace calbridge::connections {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const auto first = text.find_first_not_of(space);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

[[noreturn]] void refuseForeign(const std::string& expected, const std::string& found) {
  throw Error("wrong_master_key",
              "the tokens in this database are sealed with master key " + expected + ", but " + found +
                  ". Give it the CALBRIDGE_MASTER_KEY or key file with that id (after `calbridge vault rotate`, the "
                  "new one); without it everybody has to reconnect");
}

} // namespace

MasterKey::MasterKey(std::string_view bytes) : bytes_(bytes) {
  if (bytes_.size() != kBytes) {
    wipe(bytes_);
    throw Error("master_key_invalid", "a master key has 32 bytes, not " + std::to_string(bytes.size()));
  }
  std::string labelled = "calbridge master key id\n" + bytes_;
  id_ = sha256Hex(labelled).substr(0, 16);
  wipe(labelled);
}

MasterKey::~MasterKey() {
  wipe(bytes_);
}

MasterKey MasterKey::fromBase64(std::string_view text, const std::string& origin) {
  auto bytes = base64Decode(trimmed(text));
  if (!bytes || bytes->size() != kBytes) {
    if (bytes)
      wipe(*bytes);
    throw Error("master_key_invalid", origin + " is not a master key: expected 32 bytes in base64 (44 characters). " +
                                          "`openssl rand -base64 32` makes one");
  }
  MasterKey key(*bytes);
  wipe(*bytes);
  return key;
}

KeyRing::KeyRing(std::vector<MasterKey> newestFirst) {
  if (newestFirst.empty())
    throw Error("master_key_invalid", "a key ring needs at least one master key");
  for (auto& key : newestFirst)
    keys_.push_back(std::make_shared<const MasterKey>(std::move(key)));
}

KeyRing::Key KeyRing::newest() const {
  const std::scoped_lock lock(mutex_);
  return keys_.front();
}

KeyRing::Key KeyRing::find(std::string_view id) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& key : keys_)
    if (key->id() == id)
      return key;
  return nullptr;
}

std::size_t KeyRing::size() const {
  const std::scoped_lock lock(mutex_);
  return keys_.size();
}

void KeyRing::add(MasterKey key) {
  const std::scoped_lock lock(mutex_);
  for (const auto& known : keys_)
    if (known->id() == key.id())
      return;
  keys_.insert(keys_.begin(), std::make_shared<const MasterKey>(std::move(key)));
}

void KeyRing::keepNewest() {
  const std::scoped_lock lock(mutex_);
  keys_.resize(1);
}

KeyRing::Use::Use(const KeyRing& ring) : ring_(&ring) {
  const std::scoped_lock lock(ring.mutex_);
  number_ = ++ring.lastUse_;
  ring.uses_.insert(number_);
}

KeyRing::Use::~Use() {
  if (ring_ == nullptr)
    return;
  const std::scoped_lock lock(ring_->mutex_);
  ring_->uses_.erase(number_);
  ring_->ended_.notify_all();
}

void KeyRing::awaitEarlierUses() const {
  std::unique_lock lock(mutex_);
  const auto last = lastUse_;
  ended_.wait(lock, [&] { return uses_.empty() || *uses_.begin() > last; });
}

namespace {

/// The keys at hand, whether they fit the database or not.
struct FoundKeys {
  std::optional<MasterKey> present;
  std::optional<MasterKey> next; ///< of a rotation
  std::string origin;            ///< of the present one
  std::string nextOrigin;
};

FoundKeys findKeys(const KeySource& source) {
  FoundKeys found;
  if (source.environmentKey) {
    found.origin = "CALBRIDGE_MASTER_KEY";
    found.nextOrigin = "CALBRIDGE_NEW_MASTER_KEY";
    found.present = MasterKey::fromBase64(*source.environmentKey, found.origin);
    if (source.newEnvironmentKey)
      found.next = MasterKey::fromBase64(*source.newEnvironmentKey, found.nextOrigin);
  } else {
    found.origin = "the key file " + source.file.string();
    found.nextOrigin = "the key file " + source.newFile().string();
    found.present = readKeyFile(source.file);
    found.next = readKeyFile(source.newFile());
  }
  return found;
}

std::optional<std::string> keyIdIn(store::Store& store, const char* meta) {
  auto id = store.meta(meta);
  return id && id->empty() ? std::nullopt : id;
}

std::vector<MasterKey> ringOf(MasterKey first, std::optional<MasterKey> second = std::nullopt) {
  std::vector<MasterKey> keys;
  keys.push_back(std::move(first));
  if (second)
    keys.push_back(std::move(*second));
  return keys;
}

/// For a database that has no key yet.
OpenedKeyRing tieFirstKey(const KeySource& source, FoundKeys found, store::Store& store, Random& random) {
  bool created = false;
  if (!found.present) {
    created = makeKeyFile(source.file, random);
    found.present = readKeyFile(source.file);
    if (!found.present)
      throw Error("master_key_unwritable", found.origin + " vanished while it was being made");
  }
  if (const auto first = store.metaOnce(kMetaKeyId, found.present->id()); first != found.present->id())
    refuseForeign(first, found.origin + " holds key " + found.present->id());
  return {KeyRing(ringOf(std::move(*found.present))), created};
}

} // namespace

OpenedKeyRing openKeyRing(const KeySource& source, store::Store& store, Random& random) {
  const auto expected = keyIdIn(store, kMetaKeyId);
  const auto next = keyIdIn(store, kMetaNextKeyId);
  auto found = findKeys(source);
  if (!expected)
    return tieFirstKey(source, std::move(found), store, random);

  if (found.next && found.next->id() == *expected) {
    // Every token has the new key; only the last steps of the rotation are missing.
    if (!source.environmentKey)
      replaceKeyFile(source.newFile(), source.file);
    return {KeyRing(ringOf(std::move(*found.next))), false, next.has_value(), source.environmentKey.has_value()};
  }
  if (!found.present)
    refuseForeign(*expected, "there is no CALBRIDGE_MASTER_KEY and no key file " + source.file.string());
  if (next && *next != *expected) {
    // Some tokens have the new key already, others still have the old one.
    const bool hasOld = found.present->id() == *expected;
    if (!hasOld || !found.next || found.next->id() != *next)
      throw Error("wrong_master_key",
                  "a change from master key " + *expected + " to " + *next +
                      " began and has not ended, and it needs both. Missing is " + (hasOld ? *next : *expected) +
                      (source.environmentKey
                           ? ": set CALBRIDGE_MASTER_KEY to the old one and CALBRIDGE_NEW_MASTER_KEY to the new one"
                           : ": put the old one into " + source.file.string() + " and the new one into " +
                                 source.newFile().string()) +
                      "; this start then finishes the change");
    return {KeyRing(ringOf(std::move(*found.next), std::move(found.present))), false, true};
  }
  if (found.present->id() != *expected)
    refuseForeign(*expected, found.origin + " holds key " + found.present->id());
  return {KeyRing(ringOf(std::move(*found.present))), false, next.has_value()};
}

} // namespace calbridge::connections
