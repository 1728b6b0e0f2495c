#pragma once
#include "core/mailer.hpp"
#include "core/url.hpp"
#include "net/connection.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace calbridge::net {

/// Ends a conversation from the inside; the client turns it into a MailFailure. Never leaves this room.
struct SmtpError {
  MailFailure failure;
};

/// What a server answered: all lines of one reply.
struct SmtpReply {
  int code = 0;
  std::string text; ///< lines joined by blanks, control characters replaced, cut at 500 bytes
};

/// How to meet the server.
struct SmtpServer {
  enum class Security {
    plain,    ///< no TLS: for this machine only
    startTls, ///< TLS before anything is said that matters (RFC 3207); a server that does not offer it is refused
    tls,      ///< TLS from the first byte (RFC 8314)
  };
  std::string host;
  std::uint16_t port = 587;
  Security security = Security::startTls;
  std::string username; ///< empty: no log-in
  std::string password;
  std::string clientName = "localhost"; ///< what EHLO says

  /// As connections know it.
  Url url() const { return {security == Security::tls ? "https" : "http", host, port, "/"}; }
};

/// One conversation with a mail server (RFC 5321), open for several messages. One thread at a time.
class SmtpSession {
 public:
  /// Reads the greeting, starts TLS and logs in as `server` says. Throws SmtpError and ExchangeError.
  SmtpSession(const SmtpServer& server, std::unique_ptr<Connection> connection, const Poco::Net::Context::Ptr& context,
              const Deadline& deadline);
  /// Takes its leave, without waiting for an answer.
  ~SmtpSession();
  SmtpSession(const SmtpSession&) = delete;
  SmtpSession& operator=(const SmtpSession&) = delete;

  /// Hands one message over; `mail` has been checked. `sent` becomes true when the end of the message goes out: from
  /// then on nobody but the server knows. Throws SmtpError and ExchangeError, after which the session is of no use.
  void send(const Mail& mail, bool& begun, bool& sent, const Deadline& deadline);
  /// Is it still open, as far as can be seen without asking, with nothing said that nobody asked for?
  bool usable() { return received_.empty() && connection_->usable(); }

  Deadline::SteadyClock::time_point idleSince{};

 private:
  void hello(const std::string& clientName, const Deadline& deadline);
  void logIn(const SmtpServer& server, const Deadline& deadline);
  SmtpReply command(std::string_view line, const Deadline& deadline);
  /// `texts`, if not null, gets the text of each line, uncut.
  SmtpReply reply(const Deadline& deadline, std::vector<std::string>* texts = nullptr);
  std::string line(const Deadline& deadline);
  void write(std::string_view bytes, const Deadline& deadline);

  std::unique_ptr<Connection> connection_;
  std::string received_; ///< read, but not yet used
  bool offersTls_ = false;
  std::set<std::string> mechanisms_; ///< of AUTH, upper case
  bool open_ = false;                ///< there is somebody to say QUIT to
};

} // namespace calbridge::net
