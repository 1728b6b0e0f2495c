#pragma once
#include "fixture.hpp"
#include "http/edge/tls.hpp"
#include "temporary_folder.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdexcept>

namespace calbridge::http {

/// Writes a new key and a certificate that it signs itself, valid from an hour ago for two hours, as PEM files.
inline void writeCertificate(const std::filesystem::path& certificate, const std::filesystem::path& key,
                             const std::string& name) {
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> pair(EVP_EC_gen("P-256"), EVP_PKEY_free);
  std::unique_ptr<X509, void (*)(X509*)> made(X509_new(), X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  const time_t now = 1'780'000'000; // the ManualClock's
  ASN1_TIME_set(X509_getm_notBefore(made.get()), now - 3600);
  ASN1_TIME_set(X509_getm_notAfter(made.get()), now + 3600);
  X509_NAME* subject = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509_set_issuer_name(made.get(), subject);
  X509_set_pubkey(made.get(), pair.get());
  X509_sign(made.get(), pair.get(), EVP_sha256());
  // Written beside and renamed, as tools that renew certificates do.
  const auto write = [](const std::filesystem::path& path, auto&& content) {
    std::FILE* file = std::fopen((path.string() + ".new").c_str(), "w");
    if (!file)
      throw std::runtime_error("cannot write " + path.string());
    content(file);
    std::fclose(file);
    std::filesystem::permissions(path.string() + ".new", std::filesystem::perms(0600));
    std::filesystem::rename(path.string() + ".new", path);
  };
  write(certificate, [&](std::FILE* file) { PEM_write_X509(file, made.get()); });
  write(key, [&](std::FILE* file) { PEM_write_PrivateKey(file, pair.get(), nullptr, nullptr, 0, nullptr, nullptr); });
}

/// A server with TLS on its first port and without on its second.
class TlsEdge {
 public:
  explicit TlsEdge(Handler handler = {}) {
    writeCertificate(certificate, key, "first.example");
    identity = std::make_shared<TlsIdentity>(certificate, key, logger, clock);
    ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.tls = identity;
    options.listenPlain = {"127.0.0.1:0"};
    edge.emplace(std::move(options), std::move(handler));
  }
  std::uint16_t port() { return edge->port; }

  testing::TemporaryFolder folder;
  const std::filesystem::path certificate = folder.path / "certificate.pem", key = folder.path / "key.pem";
  ManualClock clock; ///< the identity's
  RecordingLogger logger;
  std::shared_ptr<TlsIdentity> identity;
  std::optional<Edge> edge;
};

/// A TLS client that trusts everybody and says exactly what a test wants said.
class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, int newest = TLS1_3_VERSION, const std::string& protocols = {})
      : raw(port), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_set_security_level(context_.get(), 0); // or it would refuse old versions by itself
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), newest);
    SSL_CTX_set_alpn_protos(context_.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned int>(protocols.size()));
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), raw.socket().impl()->sockfd());
    ERR_clear_error();
    connected = SSL_connect(ssl_.get()) == 1;
    if (const char* reason = connected ? nullptr : ERR_reason_error_string(ERR_peek_error()))
      error = reason;
  }

  bool send(std::string_view bytes) {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
  }
  /// What can be read at once; "" at the end.
  std::string read() {
    char buffer[65536];
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), buffer, sizeof buffer);
    return std::string(buffer, static_cast<std::size_t>(std::max(0, got)));
  }
  std::string readAll() {
    std::string all;
    for (std::string piece; !(piece = read()).empty();)
      all += piece;
    return all;
  }
  /// Did the server say that it ends (close_notify)?
  bool endedProperly() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
  void sendEnd() { SSL_shutdown(ssl_.get()); }
  std::string version() const { return SSL_get_version(ssl_.get()); }
  std::string cipher() const { return SSL_get_cipher_name(ssl_.get()); }
  std::string protocol() const {
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
    return std::string(reinterpret_cast<const char*>(chosen), size);
  }
  std::string serverName() const {
    std::unique_ptr<X509, void (*)(X509*)> shown(SSL_get1_peer_certificate(ssl_.get()), X509_free);
    char name[100] = {};
    if (shown)
      X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, name, sizeof name);
    return name;
  }
  SSL* ssl() { return ssl_.get(); }

  RawClient raw;
  bool connected = false;
  std::string error;

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
};

} // namespace calbridge::http
