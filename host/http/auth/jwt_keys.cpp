#include "http/auth/jwt_keys.hpp"

#include "core/error.hpp"
#include "http/auth/base64_url.hpp"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <sstream>
#include <sys/stat.h>

namespace calbridge::http {
namespace {

using nlohmann::json;

constexpr TimeMs kLookEveryMs = 5000;
constexpr std::size_t kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxKeys = 64;
constexpr int kMinRsaBits = 2048; // RFC 7518 section 3.3
constexpr int kMaxRsaBits = 8192;
constexpr int kMaxExponentBits = 64;
constexpr std::size_t kP256Bytes = 32;

template <auto free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
using Bignum = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Bignum bignum(std::string_view big) {
  return Bignum(BN_bin2bn(bytes(big), static_cast<int>(big.size()), nullptr));
}

/// A string member; nullopt when absent or of another type.
std::optional<std::string> text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? std::optional(found->get<std::string>()) : std::nullopt;
}

/// A base64url member.
std::optional<std::string> octets(const json& object, const char* name) {
  const auto encoded = text(object, name);
  return encoded ? base64UrlDecode(*encoded) : std::nullopt;
}

EVP_PKEY* build(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params && context && EVP_PKEY_fromdata_init(context.get()) == 1)
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get());
  return key;
}

/// The form in which ES256 writes a signature, R and S of 32 bytes each (RFC 7518 section 3.4) → DER.
std::optional<std::string> derSignature(std::string_view raw) {
  if (raw.size() != 2 * kP256Bytes)
    return std::nullopt;
  Bignum r = bignum(raw.substr(0, kP256Bytes));
  Bignum s = bignum(raw.substr(kP256Bytes));
  const Signature signature(ECDSA_SIG_new());
  if (!r || !s || !signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1)
    return std::nullopt;
  (void)r.release(); // both belong to the signature now
  (void)s.release();
  unsigned char* out = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &out);
  if (size <= 0)
    return std::nullopt;
  std::string der(reinterpret_cast<const char*>(out), static_cast<std::size_t>(size));
  OPENSSL_free(out);
  return der;
}

} // namespace

/// Reads one key of a set: either a key, or the reason why there is none.
struct JwtKeySet::Reader {
  std::string reason;

  Handle rsa(const json& jwk) {
    const auto n = octets(jwk, "n");
    const auto e = octets(jwk, "e");
    if (!n || !e || n->size() > kMaxRsaBits / 8 + 1 || e->size() > kMaxExponentBits / 8)
      return fail("its n or e is missing, not base64url or too long");
    const Bignum modulus = bignum(*n);
    const Bignum exponent = bignum(*e);
    const ParamBuilder builder(OSSL_PARAM_BLD_new());
    if (!modulus || !exponent || !builder)
      return fail("there is no memory for it");
    if (BN_num_bits(modulus.get()) < kMinRsaBits || BN_num_bits(modulus.get()) > kMaxRsaBits)
      return fail("an RSA key must have 2048 to 8192 bits");
    if (!BN_is_odd(modulus.get()) || !BN_is_odd(exponent.get()) || BN_is_one(exponent.get()))
      return fail("its n or e is no RSA number");
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
    Handle key(build("RSA", builder.get()));
    return key ? std::move(key) : fail("OpenSSL does not accept it");
  }

  Handle ec(const json& jwk) {
    if (text(jwk, "crv") != "P-256")
      return fail("of the EC curves only P-256 (ES256) is supported");
    const auto x = octets(jwk, "x");
    const auto y = octets(jwk, "y");
    if (!x || !y || x->size() != kP256Bytes || y->size() != kP256Bytes)
      return fail("its x or y is missing or not 32 bytes in base64url");
    const std::string point = '\x04' + *x + *y; // uncompressed, SEC 1 section 2.3.3
    const ParamBuilder builder(OSSL_PARAM_BLD_new());
    if (!builder)
      return fail("there is no memory for it");
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
    Handle key(build("EC", builder.get()));
    const KeyContext check(key ? EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr) : nullptr);
    return check && EVP_PKEY_public_check(check.get()) == 1 ? std::move(key) : fail("its point is not on the curve");
  }

  Handle read(const json& jwk, std::string& algorithm) {
    if (!jwk.is_object())
      return fail("it is no JSON object");
    const auto kty = text(jwk, "kty");
    algorithm = kty == "RSA" ? "RS256" : kty == "EC" ? "ES256" : "";
    if (algorithm.empty())
      return fail("its kty is neither RSA nor EC");
    if (jwk.contains("d"))
      return fail("it holds a private key; give public keys only, and replace this one");
    if (jwk.contains("use") && text(jwk, "use") != "sig")
      return fail("its use is not \"sig\"");
    if (const auto ops = jwk.find("key_ops");
        ops != jwk.end() && (!ops->is_array() || std::find(ops->begin(), ops->end(), "verify") == ops->end()))
      return fail("its key_ops do not name \"verify\"");
    if (jwk.contains("alg") && text(jwk, "alg") != algorithm)
      return fail("its alg is not " + algorithm);
    if (jwk.contains("kid") && !text(jwk, "kid"))
      return fail("its kid is no string");
    return kty == "RSA" ? rsa(jwk) : ec(jwk);
  }

  Handle fail(std::string why) {
    reason = std::move(why);
    ERR_clear_error();
    return nullptr;
  }
};

std::shared_ptr<const JwtKeySet> JwtKeySet::parse(const std::string& content) {
  const json document = json::parse(content, nullptr, false);
  const auto keys = document.is_object() ? document.find("keys") : document.end();
  if (document.is_discarded() || !document.is_object() || keys == document.end() || !keys->is_array())
    throw Error("invalid_configuration", "it is no JSON Web Key Set: a JSON object with an array \"keys\" is expected");
  if (keys->size() > kMaxKeys)
    throw Error("invalid_configuration", "it holds more than 64 keys");
  auto set = std::make_shared<JwtKeySet>();
  for (std::size_t i = 0; i < keys->size(); ++i) {
    const json& jwk = (*keys)[i];
    Reader reader;
    Key key;
    key.handle = reader.read(jwk, key.algorithm);
    if (key.handle) {
      key.kid = text(jwk, "kid").value_or("");
      set->keys_.push_back(std::move(key));
    } else {
      set->leftOut_.push_back("/keys/" + std::to_string(i) + " is left out: " + reader.reason);
    }
  }
  if (set->keys_.empty())
    throw Error("invalid_configuration",
                "it holds no usable key" + (set->leftOut_.empty() ? std::string() : "; " + set->leftOut_.front()));
  return set;
}

bool JwtKeySet::verify(std::string_view algorithm, const std::string* kid, std::string_view input,
                       std::string_view signature) const {
  std::string der;
  if (algorithm == "ES256") {
    auto converted = derSignature(signature);
    if (!converted)
      return false;
    der = std::move(*converted);
    signature = der;
  }
  const bool named = kid && std::any_of(keys_.begin(), keys_.end(), [&](const Key& key) { return key.kid == *kid; });
  return std::any_of(keys_.begin(), keys_.end(), [&](const Key& key) {
    if (key.algorithm != algorithm || (kid && key.kid != (named ? *kid : "")))
      return false;
    const DigestContext context(EVP_MD_CTX_new());
    const bool good =
        context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.handle.get()) == 1 &&
        EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(input), input.size()) == 1;
    if (!good)
      ERR_clear_error(); // or another user of this thread would take it for its own
    return good;
  });
}

JwtKeyFile::JwtKeyFile(std::string path, const Clock& clock, Logger& logger)
    : path_(std::move(path)), clock_(clock), logger_(logger), stamp_(stampOf(path_)), keys_(read()),
      nextLook_(clock.monotonic() + kLookEveryMs) {
  for (const std::string& line : keys_->leftOut())
    logger_.warning("security.jwt_keys: a key is not used", {{"file", path_}, {"reason", line}});
}

JwtKeyFile::Stamp JwtKeyFile::stampOf(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0)
    return {};
  return {.device = file.st_dev,
          .inode = file.st_ino,
          .size = file.st_size,
          .seconds = file.st_mtim.tv_sec,
          .nanoseconds = file.st_mtim.tv_nsec};
}

std::shared_ptr<const JwtKeySet> JwtKeyFile::read() const {
  const auto fail = [this](const std::string& why) {
    throw Error("invalid_configuration",
                "security.jwt_keys: the key set " + path_ + " cannot be used: " + why +
                    ". Give a file with the public RSA or P-256 keys that sign the application's tokens (RFC 7517)");
  };
  std::ifstream file(path_, std::ios::binary);
  std::string content(kMaxFileBytes + 1, '\0');
  if (!file)
    fail("it cannot be opened");
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (file.bad() || (file.gcount() == 0 && !file.eof()))
    fail("it cannot be read");
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (content.size() > kMaxFileBytes)
    fail("it is larger than 1 MiB");
  try {
    return JwtKeySet::parse(content);
  } catch (const Error& error) {
    fail(error.message());
  }
  return nullptr;
}

std::shared_ptr<const JwtKeySet> JwtKeyFile::keys() {
  const TimeMs now = clock_.monotonic();
  {
    const std::lock_guard lock(mutex_);
    if (now < nextLook_)
      return keys_;
    nextLook_ = now + kLookEveryMs; // this thread looks, the others go on with what is known
  }
  look();
  const std::lock_guard lock(mutex_);
  return keys_;
}

void JwtKeyFile::look() {
  const std::lock_guard turn(looking_);
  const Stamp stamp = stampOf(path_); // before reading: a change in between shows the next time
  if (stamp == stamp_)
    return;
  stamp_ = stamp;
  try {
    std::shared_ptr<const JwtKeySet> fresh = read();
    for (const std::string& line : fresh->leftOut())
      logger_.warning("security.jwt_keys: a key is not used", {{"file", path_}, {"reason", line}});
    logger_.info("security.jwt_keys: the key set was read again",
                 {{"file", path_}, {"keys", std::to_string(fresh->size())}});
    const std::lock_guard lock(mutex_);
    keys_ = std::move(fresh);
  } catch (const Error& error) {
    logger_.error("the changed key set is broken; the old keys stay in use", {{"reason", error.message()}});
  }
}

} // namespace calbridge::http
