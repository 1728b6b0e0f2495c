#pragma once
#include "core/certificate_files.hpp"
#include "core/logger.hpp"
#include "core/time.hpp"

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_st;

namespace calbridge::http {

/// The certificate of our TLS listeners and what they speak with it: TLS 1.2 and 1.3, ephemeral ECDH with AEAD ciphers,
/// no compression, no renegotiation, HTTP/1.1 alone (RFC 7301). Thread-safe.
class TlsIdentity {
 public:
  /// Reads both PEM files. Throws Error("tls_certificate_invalid") that names the file and what to do. `logger` and
  /// `clock` are borrowed and outlive this.
  TlsIdentity(std::filesystem::path certificateFile, std::filesystem::path keyFile, Logger& logger, const Clock& clock);

  /// For one new connection. Looks at the files first, at most once a second, and takes what is new in them; what is
  /// broken leaves the former certificate in use, with the reason in the log, once for each state of the files.
  std::shared_ptr<ssl_ctx_st> current();
  /// Reads the files now, changed or not. False, with the reason in the log, when the former certificate stays.
  bool reload();

 private:
  /// Of both files: when changed (ns), how large, which inode; zeros for a file that is not there.
  using State = std::array<std::uint64_t, 6>;

  State stateOfFiles() const;
  std::shared_ptr<ssl_ctx_st> read(bool again) const;
  bool take(const State& state);

  const std::filesystem::path certificateFile_;
  const std::filesystem::path keyFile_;
  Logger& logger_;
  const Clock& clock_;
  std::mutex mutex_; ///< guards everything below
  std::shared_ptr<ssl_ctx_st> context_;
  State seen_{};
  TimeMs looked_ = 0; ///< monotonic
};

/// The server's side of one TLS connection over a connected, blocking socket, which it borrows. One thread at a time;
/// whoever wants to end it from outside shuts the socket down.
class TlsSession {
 public:
  TlsSession(std::shared_ptr<ssl_ctx_st> context, int socket);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// Blocks until the handshake is done. False with the reason when it failed; then nothing else may be called.
  bool accept(std::string& why);
  /// Bytes received; 0 for any kind of end. An end without close_notify is one, too: what HTTP transfers tells its own
  /// length (RFC 9112 section 9.8), so a request that was cut off is never taken for whole. Writing stays possible.
  std::size_t read(char* to, std::size_t size) noexcept;
  /// Writes all of it. False when the peer is gone.
  bool write(std::string_view bytes) noexcept;
  /// Says that nothing more will be written (RFC 8446 section 6.1), once.
  void closeNotify() noexcept;

 private:
  std::shared_ptr<ssl_ctx_st> context_;
  ssl_st* ssl_;
  bool usable_ = false; ///< the handshake is done, and no error has ended the session
  bool closed_ = false;
};

} // namespace calbridge::http
