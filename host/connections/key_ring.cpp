#include "connections/key_ring.hpp"
#include "connections/key_file.hpp"
#include "connections/vault.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

namespace calbridge::connections {
namespace {

constexpr auto kMetaKeyId = "master_key_id";

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
                  ". Give back the former CALBRIDGE_MASTER_KEY or key file; without it everybody has to reconnect");
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

KeyRing::KeyRing(std::vector<MasterKey> newestFirst) : keys_(std::move(newestFirst)) {
  if (keys_.empty())
    throw Error("master_key_invalid", "a key ring needs at least one master key");
}

const MasterKey* KeyRing::find(std::string_view id) const noexcept {
  for (const auto& key : keys_)
    if (key.id() == id)
      return &key;
  return nullptr;
}

OpenedKeyRing openKeyRing(const KeySource& source, store::Store& store, Random& random) {
  const auto expected = store.meta(kMetaKeyId);
  bool created = false;
  std::optional<MasterKey> key;
  std::string origin;
  if (source.environmentKey) {
    origin = "CALBRIDGE_MASTER_KEY";
    key = MasterKey::fromBase64(*source.environmentKey, origin);
  } else {
    origin = "the key file " + source.file.string();
    key = readKeyFile(source.file);
    if (!key && expected)
      refuseForeign(*expected, "there is no CALBRIDGE_MASTER_KEY and no key file " + source.file.string());
    if (!key) {
      created = makeKeyFile(source.file, random);
      key = readKeyFile(source.file);
      if (!key)
        throw Error("master_key_unwritable", origin + " vanished while it was being made");
    }
  }
  if (expected && *expected != key->id())
    refuseForeign(*expected, origin + " holds key " + key->id());
  if (!expected)
    if (const auto first = store.metaOnce(kMetaKeyId, key->id()); first != key->id())
      refuseForeign(first, origin + " holds key " + key->id());
  std::vector<MasterKey> keys;
  keys.push_back(std::move(*key));
  return {KeyRing(std::move(keys)), created};
}

} // namespace calbridge::connections
