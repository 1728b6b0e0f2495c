#include "core/certificate_files.hpp"

#include <ctime>
#include <fstream>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <optional>
#include <sstream>
#include <sys/stat.h>

namespace calbridge {
namespace {

using About = CertificateComplaint::About;

constexpr std::uintmax_t kMaxFile = 1U << 20U;
constexpr int kLeastSecurityBits = 112; // RSA of 2048 bits; what OpenSSL's security level 2 asks for
constexpr TimeMs kExpiresSoon = TimeMs{14} * 24 * 3600 * 1000;

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioFree>;

std::optional<std::string> contentsOf(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error) || std::filesystem::file_size(file, error) > kMaxFile)
    return std::nullopt;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf()))
    return std::nullopt;
  return text.str();
}

Bio bioOf(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Asked for the passphrase of an encrypted key; nobody is there to type it.
int noPassphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

TimeMs timeOf(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<TimeMs>(::timegm(&parts)) * 1000 : 0;
}

void readChain(const std::filesystem::path& file, ServerCertificate& into,
               std::vector<CertificateComplaint>& problems) {
  const auto complain = [&](const std::string& why) { problems.push_back({About::certificate, why}); };
  const auto text = contentsOf(file);
  if (!text)
    return complain("the certificate file " + file.string() + " does not exist or can not be read");
  const Bio bio = bioOf(*text);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    std::shared_ptr<X509> held(one, X509_free);
    if (!into.leaf)
      into.leaf = std::move(held);
    else
      into.chain.push_back(std::move(held));
  }
  const unsigned long error = ERR_peek_last_error();
  const bool ended = ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!into.leaf || !ended) {
    into.leaf.reset();
    return complain("the certificate file " + file.string() +
                    " is no PEM file of certificates: the host's own first, then those that lead to its authority");
  }
  into.notBefore = timeOf(X509_get0_notBefore(into.leaf.get()));
  into.notAfter = timeOf(X509_get0_notAfter(into.leaf.get()));
}

void readKey(const std::filesystem::path& file, ServerCertificate& into, ReadCertificate& result) {
  const auto complain = [&](const std::string& why) { result.problems.push_back({About::key, why}); };
  const auto text = contentsOf(file);
  if (!text)
    return complain("the key file " + file.string() + " does not exist or can not be read");
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
    result.warnings.push_back(
        {About::key, "others than the host may read or change the private key: chmod 600 " + file.string()});
  const Bio bio = bioOf(*text);
  bool encrypted = false;
  into.key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, noPassphrase, &encrypted), EVP_PKEY_free);
  ERR_clear_error();
  if (!into.key)
    return complain(encrypted ? "the key in " + file.string() +
                                    " is encrypted; the host starts unattended, so give it an unencrypted one (openssl "
                                    "pkey -in OLD -out NEW) in a file with mode 600"
                              : "the key file " + file.string() + " is no PEM file of a private key");
  if (EVP_PKEY_get_security_bits(into.key.get()) < kLeastSecurityBits)
    complain("the key in " + file.string() + " is too weak: use RSA of at least 2048 bits, or ECDSA P-256");
}

} // namespace

std::string ServerCertificate::describe() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(leaf.get()), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(std::max(size, 0L))) + ", valid until " + formatRfc3339(notAfter);
}

ReadCertificate readServerCertificate(const std::filesystem::path& certificateFile,
                                      const std::filesystem::path& keyFile, TimeMs now) {
  ReadCertificate result;
  auto read = std::make_shared<ServerCertificate>();
  readChain(certificateFile, *read, result.problems);
  readKey(keyFile, *read, result);
  if (read->leaf && read->key && X509_check_private_key(read->leaf.get(), read->key.get()) != 1)
    result.problems.push_back({About::key, "the key in " + keyFile.string() +
                                               " does not belong to the certificate in " + certificateFile.string()});
  ERR_clear_error();
  if (!result.problems.empty())
    return result;
  const auto warn = [&](const std::string& why) {
    result.warnings.push_back({About::certificate, "the certificate in " + certificateFile.string() + " " + why});
  };
  if (now < read->notBefore)
    warn("is not valid before " + formatRfc3339(read->notBefore));
  else if (now > read->notAfter)
    warn("has expired at " + formatRfc3339(read->notAfter) + ": clients refuse it; put a new one in its place");
  else if (read->notAfter - now < kExpiresSoon)
    warn("expires at " + formatRfc3339(read->notAfter));
  result.certificate = std::move(read);
  return result;
}

} // namespace calbridge
