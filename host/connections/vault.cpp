#include "connections/vault.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

#include <array>
#include <initializer_list>
#include <memory>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace calbridge::connections {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kKeyIdBytes = 8;
constexpr std::size_t kNonceBytes = 12; // NIST SP 800-38D section 8.2: 96 bits; keys are fresh, so random is safe
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kKeyBytes = MasterKey::kBytes;
constexpr std::size_t kWrapAt = 1 + kKeyIdBytes;
constexpr std::size_t kBodyAt = kWrapAt + kNonceBytes + kKeyBytes + kTagBytes;
constexpr std::size_t kMinimum = kBodyAt + kNonceBytes + kTagBytes;
constexpr std::size_t kMaxPlain = 1 << 20;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

/// A data key on the stack, gone when the scope ends.
struct DataKey {
  std::array<std::uint8_t, kKeyBytes> bytes{};
  ~DataKey() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

const unsigned char* in(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* out(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

/// Fields are length-prefixed, so that no two places give the same bytes.
std::string associatedData(std::string_view layer, const SealedPlace& place, std::string_view keyId) {
  std::string data;
  for (const std::string_view field :
       {std::string_view("calbridge.vault.1"), layer, std::string_view(place.table), std::string_view(place.row),
        std::string_view(place.personId), std::string_view(place.provider), keyId}) {
    const auto size = static_cast<std::uint32_t>(field.size());
    for (int shift = 24; shift >= 0; shift -= 8)
      data.push_back(static_cast<char>(size >> shift & 0xFF));
    data.append(field);
  }
  return data;
}

/// nonce + ciphertext + tag.
std::string encrypt(std::string_view key, std::string_view plain, std::string_view associated, Random& random) {
  std::array<std::uint8_t, kNonceBytes> nonce{};
  random.fill(nonce);
  std::string sealed(kNonceBytes + plain.size() + kTagBytes, '\0');
  std::copy(nonce.begin(), nonce.end(), out(sealed));
  const Context context(EVP_CIPHER_CTX_new());
  int length = 0;
  // Lengths fit into int: kMaxPlain bounds them.
  if (!context || EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, in(key), nonce.data()) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &length, in(associated), static_cast<int>(associated.size())) != 1 ||
      EVP_EncryptUpdate(context.get(), out(sealed) + kNonceBytes, &length, in(plain), static_cast<int>(plain.size())) !=
          1 ||
      EVP_EncryptFinal_ex(context.get(), out(sealed) + kNonceBytes + plain.size(), &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out(sealed) + kNonceBytes + plain.size()) !=
          1)
    throw Error("vault_failed", "encryption failed", "OpenSSL refused AES-256-GCM");
  return sealed;
}

/// False, with `plain` wiped, when the tag does not fit.
bool decrypt(std::string_view key, std::string_view sealed, std::string_view associated, std::string& plain) {
  if (sealed.size() < kNonceBytes + kTagBytes)
    return false;
  const auto size = sealed.size() - kNonceBytes - kTagBytes;
  std::string tag(sealed.substr(kNonceBytes + size));
  plain.assign(size + 1, '\0'); // never empty, so that OpenSSL gets a real address
  const Context context(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool authentic =
      context && EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, in(key), in(sealed)) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &length, in(associated), static_cast<int>(associated.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), out(plain), &length, in(sealed) + kNonceBytes, static_cast<int>(size)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), out(plain) + size, &length) == 1;
  if (!authentic) {
    wipe(plain);
    return false;
  }
  plain.resize(size);
  return true;
}

[[noreturn]] void damaged(const SealedPlace& place, const std::string& why) {
  throw Error("vault_damaged", "stored credentials cannot be opened; the person has to reconnect",
              place.table + " row " + place.row + ": " + why);
}

} // namespace

std::string Vault::seal(std::string_view plain, const SealedPlace& place) const {
  if (plain.size() > kMaxPlain)
    throw Error("vault_failed", "a secret is larger than 1 MiB");
  const auto newest = ring_.newest();
  const MasterKey& master = *newest;
  DataKey key;
  random_.fill(key.bytes);
  std::string keyId;
  for (std::size_t i = 0; i < kKeyIdBytes; ++i)
    keyId.push_back(static_cast<char>(std::stoi(master.id().substr(2 * i, 2), nullptr, 16)));
  return std::string(1, kVersion) + keyId +
         encrypt(master.bytes(), key.view(), associatedData("key", place, master.id()), random_) +
         encrypt(key.view(), plain, associatedData("data", place, master.id()), random_);
}

std::string Vault::open(std::string_view sealed, const SealedPlace& place) const {
  if (sealed.empty())
    damaged(place, "nothing is stored");
  if (sealed.front() != kVersion)
    damaged(place, "unknown format version");
  if (sealed.size() < kMinimum || sealed.size() > kMinimum + kMaxPlain)
    damaged(place, "wrong length");
  const std::string keyId = keyIdOf(sealed);
  const auto master = ring_.find(keyId);
  if (!master)
    damaged(place, "sealed with master key " + keyId + ", which is not at hand");
  std::string unwrapped;
  if (!decrypt(master->bytes(), sealed.substr(kWrapAt, kBodyAt - kWrapAt), associatedData("key", place, keyId),
               unwrapped))
    damaged(place, "the data key does not authenticate");
  std::string plain;
  const bool authentic = decrypt(unwrapped, sealed.substr(kBodyAt), associatedData("data", place, keyId), plain);
  wipe(unwrapped);
  if (!authentic)
    damaged(place, "the content does not authenticate");
  return plain;
}

std::string Vault::keyIdOf(std::string_view sealed) {
  if (sealed.size() < kMinimum || sealed.front() != kVersion)
    return {};
  return hexEncode(sealed.substr(1, kKeyIdBytes));
}

void wipe(std::string& secret) noexcept {
  secret.resize(secret.capacity()); // a string that shrank keeps its former content behind the end
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

} // namespace calbridge::connections
