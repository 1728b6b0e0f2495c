#pragma once
#include "core/time.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

struct x509_st;
struct evp_pkey_st;

namespace calbridge {

/// What a TLS server shows: its certificate, the ones that lead from it to an authority, and the private key.
struct ServerCertificate {
  std::shared_ptr<x509_st> leaf;
  std::vector<std::shared_ptr<x509_st>> chain; ///< without the leaf, in the file's order
  std::shared_ptr<evp_pkey_st> key;            ///< unencrypted in memory; never printed
  TimeMs notBefore = 0;
  TimeMs notAfter = 0;

  /// Subject and end of validity, for the log.
  std::string describe() const;
};

/// One thing that is wrong with the two files, and which of them it is about.
struct CertificateComplaint {
  enum class About { certificate, key };
  About about = About::certificate;
  std::string message; ///< names the file and what to do
};

struct ReadCertificate {
  std::shared_ptr<const ServerCertificate> certificate; ///< null exactly when there are problems
  std::vector<CertificateComplaint> problems;
  std::vector<CertificateComplaint> warnings; ///< a key file that others may read, a certificate that is not valid now
};

/// Reads PEM files: the certificate with its chain, the key (PKCS #8 or the older forms, not encrypted), and checks
/// that they belong together and that the key is strong enough (112 bits of security). Touches nothing else. `now` is
/// what the validity is held against.
ReadCertificate readServerCertificate(const std::filesystem::path& certificateFile,
                                      const std::filesystem::path& keyFile, TimeMs now);

} // namespace calbridge
