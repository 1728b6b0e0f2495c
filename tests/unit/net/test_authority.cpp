#include "test_authority.hpp"

#include <cstdio>
#include <memory>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <stdlib.h>

namespace calbridge::test {
namespace {

void require(bool fine) {
  if (!fine) {
    throw std::runtime_error("OpenSSL refused to make a test certificate");
  }
}

void extend(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

X509* makeCertificate(EVP_PKEY* key, const std::string& name, long serial) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

template <typename Write>
void writeFile(const std::filesystem::path& path, Write write) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
  require(file && write(file.get()) == 1);
}

} // namespace

TestAuthority::TestAuthority() {
  std::string name = (std::filesystem::temp_directory_path() / "calbridge-ca-XXXXXX").string();
  require(mkdtemp(name.data()) != nullptr);
  folder_ = name;
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* ca = makeCertificate(key, "calbridge test authority", 1);
  X509_set_issuer_name(ca, X509_get_subject_name(ca));
  extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
  extend(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
  require(X509_sign(ca, key, EVP_sha256()) > 0);
  key_ = key;
  certificate_ = ca;
  caFile_ = folder_ / "ca.pem";
  writeFile(caFile_, [&](std::FILE* file) { return PEM_write_X509(file, ca); });
}

TestAuthority::~TestAuthority() {
  EVP_PKEY_free(static_cast<EVP_PKEY*>(key_));
  X509_free(static_cast<X509*>(certificate_));
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

TestAuthority::Identity TestAuthority::issue(const std::string& name, const std::string& subjectAltName) const {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* ca = static_cast<X509*>(certificate_);
  X509* certificate = makeCertificate(key, name, 2);
  X509_set_issuer_name(certificate, X509_get_subject_name(ca));
  extend(certificate, ca, NID_subject_alt_name, subjectAltName);
  require(X509_sign(certificate, static_cast<EVP_PKEY*>(key_), EVP_sha256()) > 0);
  Identity identity{folder_ / (name + ".pem"), folder_ / (name + ".key")};
  writeFile(identity.certificateFile, [&](std::FILE* file) { return PEM_write_X509(file, certificate); });
  writeFile(identity.keyFile,
            [&](std::FILE* file) { return PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

} // namespace calbridge::test
