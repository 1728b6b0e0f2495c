#include "http/edge/tls.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <climits>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

namespace calbridge::http {

namespace {

constexpr TimeMs kLookAgainMs = 1000;

std::string opensslReason() {
  const unsigned long code = ERR_peek_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason ? reason : "the connection ended";
}

/// Takes http/1.1 of what the client offers; a client that offers other protocols only is refused (RFC 7301
/// section 3.2).
int chooseProtocol(SSL*, const unsigned char** out, unsigned char* outSize, const unsigned char* offered,
                   unsigned int offeredSize, void*) {
  static constexpr std::string_view kOurs = "http/1.1";
  for (unsigned int i = 0; i < offeredSize; i += offered[i] + 1U) {
    const std::string_view one(reinterpret_cast<const char*>(offered) + i + 1, offered[i]);
    if (one != kOurs)
      continue;
    *out = offered + i + 1;
    *outSize = offered[i];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void require(bool done, const char* what) {
  if (!done)
    throw Error("tls_certificate_invalid", std::string("TLS cannot be set up: ") + what + ": " + opensslReason());
}

std::shared_ptr<SSL_CTX> contextFor(const ServerCertificate& certificate) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  require(context != nullptr, "no context");
  SSL_CTX* ssl = context.get();
  // IGNORE_UNEXPECTED_EOF: see TlsSession::read. Without it, an end would also forbid to write the 408.
  SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ssl, SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS); // idle connections hold no buffers
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);               // tickets do, with keys of this context's life
  SSL_CTX_set_alpn_select_cb(ssl, chooseProtocol, nullptr);
  require(SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1, "versions");
  require(SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1, "ciphers");
  require(SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384") == 1, "groups");
  require(SSL_CTX_use_certificate(ssl, certificate.leaf.get()) == 1, "the certificate");
  require(SSL_CTX_use_PrivateKey(ssl, certificate.key.get()) == 1, "the key");
  for (const auto& link : certificate.chain)
    require(SSL_CTX_add1_chain_cert(ssl, link.get()) == 1, "the certificate's chain");
  return context;
}

} // namespace

TlsIdentity::TlsIdentity(std::filesystem::path certificateFile, std::filesystem::path keyFile, Logger& logger,
                         const Clock& clock)
    : certificateFile_(std::move(certificateFile)), keyFile_(std::move(keyFile)), logger_(logger), clock_(clock),
      seen_(stateOfFiles()), looked_(clock.monotonic()) {
  context_ = read(false);
}

TlsIdentity::State TlsIdentity::stateOfFiles() const {
  State state{};
  std::size_t at = 0;
  for (const auto* file : {&certificateFile_, &keyFile_}) {
    struct stat status {};
    if (::stat(file->c_str(), &status) == 0) {
      state[at] = static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000U +
                  static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
      state[at + 1] = static_cast<std::uint64_t>(status.st_size);
      state[at + 2] = status.st_ino;
    }
    at += 3;
  }
  return state;
}

std::shared_ptr<SSL_CTX> TlsIdentity::read(bool again) const {
  const ReadCertificate result = readServerCertificate(certificateFile_, keyFile_, clock_.now());
  if (!result.certificate) {
    std::string all;
    for (const auto& problem : result.problems)
      all += (all.empty() ? "" : "; ") + problem.message;
    throw Error("tls_certificate_invalid", all);
  }
  auto context = contextFor(*result.certificate);
  if (again) // at the start, whoever read the configuration has warned
    for (const auto& warning : result.warnings)
      logger_.warning(warning.message);
  logger_.info("TLS certificate read", {{"certificate", result.certificate->describe()}});
  return context;
}

bool TlsIdentity::take(const State& state) {
  seen_ = state;
  looked_ = clock_.monotonic();
  try {
    context_ = read(true);
    return true;
  } catch (const Error& e) {
    logger_.error("the new TLS certificate is not used; the former one stays", {{"reason", e.what()}});
    return false;
  }
}

std::shared_ptr<SSL_CTX> TlsIdentity::current() {
  std::lock_guard lock(mutex_);
  if (clock_.monotonic() - looked_ >= kLookAgainMs) {
    looked_ = clock_.monotonic();
    if (const State state = stateOfFiles(); state != seen_)
      take(state);
  }
  return context_;
}

bool TlsIdentity::reload() {
  std::lock_guard lock(mutex_);
  return take(stateOfFiles());
}

TlsSession::TlsSession(std::shared_ptr<SSL_CTX> context, int socket)
    : context_(std::move(context)), ssl_(SSL_new(context_.get())) {
  if (!ssl_ || SSL_set_fd(ssl_, socket) != 1) {
    SSL_free(ssl_);
    throw Error("tls_unavailable", "no memory for a TLS connection");
  }
}

TlsSession::~TlsSession() {
  SSL_free(ssl_); // leaves the socket open
}

bool TlsSession::accept(std::string& why) {
  ERR_clear_error(); // what another connection left in this thread's queue is not this one's error
  usable_ = SSL_accept(ssl_) == 1;
  if (!usable_)
    why = opensslReason();
  return usable_;
}

std::size_t TlsSession::read(char* to, std::size_t size) noexcept {
  if (!usable_)
    return 0;
  ERR_clear_error();
  const int got = SSL_read(ssl_, to, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
  if (got > 0)
    return static_cast<std::size_t>(got);
  usable_ = SSL_get_error(ssl_, got) == SSL_ERROR_ZERO_RETURN;
  ERR_clear_error();
  return 0;
}

bool TlsSession::write(std::string_view bytes) noexcept {
  while (usable_ && !bytes.empty()) {
    ERR_clear_error();
    const int sent = SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)));
    usable_ = sent > 0;
    if (usable_)
      bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  ERR_clear_error();
  return usable_;
}

void TlsSession::closeNotify() noexcept {
  if (!usable_ || closed_)
    return;
  closed_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

} // namespace calbridge::http
