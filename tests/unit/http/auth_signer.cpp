#include "auth_signer.hpp"

#include "core/digest.hpp"

#include <array>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdexcept>

namespace calbridge::http::test {
namespace {

void must(bool good, const char* what) {
  if (!good)
    throw std::runtime_error(what);
}

std::string number(EVP_PKEY* key, const char* name, int width) {
  BIGNUM* value = nullptr;
  must(EVP_PKEY_get_bn_param(key, name, &value) == 1, name);
  std::string out(static_cast<std::size_t>(width > 0 ? width : BN_num_bytes(value)), '\0');
  BN_bn2binpad(value, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  BN_free(value);
  return base64UrlEncode(out);
}

} // namespace

Signer::Signer(Type type, unsigned bits)
    : key_(type == Type::rsa ? EVP_RSA_gen(bits) : EVP_EC_gen(type == Type::p256 ? "P-256" : "P-384")), type_(type) {
  must(key_ != nullptr, "key generation");
}

nlohmann::json Signer::jwk(const nlohmann::json& more) const {
  nlohmann::json out;
  if (type_ == Type::rsa) {
    out = {{"kty", "RSA"},
           {"n", number(key_.get(), OSSL_PKEY_PARAM_RSA_N, 0)},
           {"e", number(key_.get(), OSSL_PKEY_PARAM_RSA_E, 0)}};
  } else {
    const int width = type_ == Type::p256 ? 32 : 48;
    out = {{"kty", "EC"},
           {"crv", type_ == Type::p256 ? "P-256" : "P-384"},
           {"x", number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, width)},
           {"y", number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, width)}};
  }
  out.update(more);
  return out;
}

std::string Signer::pem() const {
  BIO* memory = BIO_new(BIO_s_mem());
  must(memory && PEM_write_bio_PUBKEY(memory, key_.get()) == 1, "PEM");
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free(memory);
  return out;
}

std::string Signer::signDer(const std::string& input) const {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  must(context && EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_.get()) == 1, "sign");
  std::size_t size = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(input.data());
  must(EVP_DigestSign(context, nullptr, &size, data, input.size()) == 1, "sign");
  std::string out(size, '\0');
  must(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size, data, input.size()) == 1, "sign");
  EVP_MD_CTX_free(context);
  out.resize(size);
  return out;
}

std::string Signer::sign(const std::string& input) const {
  const std::string der = signDer(input);
  if (type_ == Type::rsa)
    return der;
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  must(signature != nullptr, "DER");
  const int width = type_ == Type::p256 ? 32 : 48;
  std::string out(static_cast<std::size_t>(2 * width), '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), to, width);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), to + width, width);
  ECDSA_SIG_free(signature);
  return out;
}

std::string Signer::token(const nlohmann::json& header, const nlohmann::json& claims) const {
  const std::string input = signingInput(header, claims);
  return input + "." + base64UrlEncode(sign(input));
}

std::string signingInput(const nlohmann::json& header, const nlohmann::json& claims) {
  return base64UrlEncode(header.dump()) + "." + base64UrlEncode(claims.dump());
}

std::string hmac(const std::string& secret, const std::string& input) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), mac.data(), &size);
  return {reinterpret_cast<const char*>(mac.data()), size};
}

std::string hmacToken(const std::string& secret, const nlohmann::json& header, const nlohmann::json& claims) {
  const std::string input = signingInput(header, claims);
  return input + "." + base64UrlEncode(hmac(secret, input));
}

} // namespace calbridge::http::test
