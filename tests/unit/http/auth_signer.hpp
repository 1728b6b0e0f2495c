#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <string>

namespace calbridge::http::test {

/// Signs tokens as an application would, and as an attacker would.
class Signer {
 public:
  enum class Type { rsa, p256, p384 };
  explicit Signer(Type type, unsigned bits = 2048);

  /// The public key as JWK with these additional members.
  nlohmann::json jwk(const nlohmann::json& more = nlohmann::json::object()) const;
  /// The public key in PEM: what an algorithm confusion attack takes for a shared secret.
  std::string pem() const;
  /// R and S for EC keys (RFC 7518 section 3.4), PKCS #1 v1.5 for RSA keys.
  std::string sign(const std::string& input) const;
  /// As OpenSSL writes it.
  std::string signDer(const std::string& input) const;
  /// header.payload.signature
  std::string token(const nlohmann::json& header, const nlohmann::json& claims) const;

 private:
  struct Release {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  std::unique_ptr<EVP_PKEY, Release> key_;
  Type type_;
};

/// header.payload, encoded.
std::string signingInput(const nlohmann::json& header, const nlohmann::json& claims);
std::string hmac(const std::string& secret, const std::string& input);
/// header.payload.MAC
std::string hmacToken(const std::string& secret, const nlohmann::json& header, const nlohmann::json& claims);

} // namespace calbridge::http::test
