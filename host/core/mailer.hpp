#pragma once
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge {

/// A message on its way: envelope and text. Borrowed for the call.
struct Mail {
  std::string from;            ///< envelope sender: where bounces go
  std::vector<std::string> to; ///< envelope recipients, at least one
  std::string_view message;    ///< RFC 5322, CRLF, 7 bit, lines of at most 998 bytes
};

/// Why a message was not handed over.
struct MailFailure {
  enum class Kind {
    invalid,   ///< envelope or message break the rules above; nothing was sent
    connect,   ///< nobody there
    tls,       ///< no trusted TLS, or none offered
    timeout,   ///< the time was used up
    cancelled, ///< the caller stopped it
    broken,    ///< the connection ended or the server talked nonsense
    refused,   ///< the server said no: see `code`
  };
  /// What a refusal is about.
  enum class Scope {
    everything, ///< greeting, log-in or sender: every message would be refused
    recipient,  ///< one of the recipients
    message,    ///< this text
  };
  Kind kind = Kind::connect;
  Scope scope = Scope::everything;
  int code = 0;         ///< refused: 4xx (for now) or 5xx (for good), RFC 5321 section 4.2.1
  std::string enhanced; ///< refused: "5.1.1" (RFC 3463), where the server says it
  bool sent = false;    ///< the whole message was sent and no answer came: it may be on its way
  std::string message;  ///< plain words with the server's own; no secrets

  bool permanent() const { return kind == Kind::refused && code >= 500; }
};

struct MailOptions {
  std::chrono::milliseconds timeout{30000};     ///< for everything, from connect to the last answer
  const std::atomic<bool>* cancelled = nullptr; ///< may be null; looked at between reads
};

/// Outbound mail through the installation's own server. One instance serves all threads.
class Mailer {
 public:
  virtual ~Mailer() = default;
  /// Hands one message over, to all of its recipients or to none. nullopt: the server has taken responsibility for it
  /// (RFC 5321 section 6.1). Never throws for what the server does.
  virtual std::optional<MailFailure> send(const Mail& mail, const MailOptions& options) = 0;
};

} // namespace calbridge
