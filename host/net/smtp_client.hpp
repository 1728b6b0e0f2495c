#pragma once
#include "core/mailer.hpp"
#include "net/resolver.hpp"
#include "net/smtp_session.hpp"

#include <Poco/Net/RejectCertificateHandler.h>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

namespace calbridge::net {

struct SmtpClientOptions {
  SmtpServer server;
  std::filesystem::path extraCaFile; ///< PEM, trusted beside the system's store; may be empty
  std::size_t maxSessions = 4;       ///< servers limit the connections of one client
  std::chrono::milliseconds idleTimeout{15000};
};

/// Mail over one server, on the same sockets, TLS and deadlines as outbound HTTP. (Poco's SMTPClientSession knows
/// timeouts per read only, takes a reply's text for granted and writes no message without a MailMessage of its own.)
///
/// - TLS as SmtpServer::Security says, certificates and host names checked; never a fall-back to plain text.
/// - A session is kept for further messages for a while. One that turns out to be dead before its MAIL was answered is
///   replaced once.
/// - Envelope and message are checked before anything is sent: no address and no line can end a command early.
///
/// Thread-safe.
class SmtpClient final : public Mailer {
 public:
  /// Throws Error("ca_file_invalid").
  explicit SmtpClient(SmtpClientOptions options);
  ~SmtpClient() override;
  SmtpClient(const SmtpClient&) = delete;
  SmtpClient& operator=(const SmtpClient&) = delete;

  std::optional<MailFailure> send(const Mail& mail, const MailOptions& options) override;

 private:
  using Session = std::unique_ptr<SmtpSession>;
  void deliver(const Mail& mail, bool& sent, const MailOptions& options);
  Session open(const Deadline& deadline, const std::atomic<bool>* cancelled);
  Session takeTurn(const Deadline& deadline);
  void endTurn(Session session);

  const SmtpClientOptions options_;
  Poco::Net::Context::Ptr context_;
  Poco::Net::RejectCertificateHandler reject_{false};
  Resolver resolver_;

  std::mutex mutex_;
  std::condition_variable free_;
  std::size_t busy_ = 0;
  std::vector<Session> idle_;
};

/// Why this cannot be sent as it is; nullopt: it can.
std::optional<std::string> complaint(const Mail& mail);

} // namespace calbridge::net
