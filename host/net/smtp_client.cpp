#include "net/smtp_client.hpp"

#include "core/mail_address.hpp"
#include "net/tls_context.hpp"

#include <Poco/Net/NetSSL.h>
#include <algorithm>

namespace calbridge::net {
namespace {

using Kind = MailFailure::Kind;

constexpr std::size_t kLongestMessage = 1 << 20;
constexpr std::size_t kLongestLine = 998; // RFC 5322 section 2.1.1, without CRLF
constexpr std::size_t kMostRecipients = 100;

Kind kindOf(HttpFailure::Kind kind) {
  switch (kind) {
  case HttpFailure::Kind::tls:
    return Kind::tls;
  case HttpFailure::Kind::timeout:
    return Kind::timeout;
  case HttpFailure::Kind::cancelled:
    return Kind::cancelled;
  case HttpFailure::Kind::truncated:
  case HttpFailure::Kind::malformed:
  case HttpFailure::Kind::tooLarge:
    return Kind::broken;
  case HttpFailure::Kind::refusedByEgress:
  case HttpFailure::Kind::connect:
    return Kind::connect;
  }
  return Kind::connect;
}

MailFailure failureOf(Kind kind, std::string message, bool sent) {
  MailFailure failure;
  failure.kind = kind;
  failure.message = std::move(message);
  failure.sent = sent;
  return failure;
}

/// Lines end with CRLF, hold 7-bit characters, and none is too long.
std::optional<std::string> complaintAboutText(std::string_view message) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    if (c == '\r') {
      if (i + 1 == message.size() || message[i + 1] != '\n') {
        return "the message holds a carriage return that ends no line";
      }
    } else if (c == '\n') {
      if (i == 0 || message[i - 1] != '\r') {
        return "the message holds a line that does not end with CRLF";
      }
      width = 0;
    } else if (c == '\0' || static_cast<unsigned char>(c) > 0x7E) {
      return "the message holds a character beyond 7 bits: encode it (RFC 2045, RFC 2047)";
    } else if (++width > kLongestLine) {
      return "the message holds a line of more than 998 characters";
    }
  }
  return std::nullopt;
}

} // namespace

std::optional<std::string> complaint(const Mail& mail) {
  if (!isMailAddress(mail.from)) {
    return "the sender is no e-mail address that can be used";
  }
  if (mail.to.empty() || mail.to.size() > kMostRecipients) {
    return "a message has between 1 and 100 recipients";
  }
  if (!std::all_of(mail.to.begin(), mail.to.end(), isMailAddress)) {
    return "a recipient is no e-mail address that can be used";
  }
  if (mail.message.empty() || mail.message.size() > kLongestMessage) {
    return "a message has between 1 byte and 1 MiB";
  }
  return complaintAboutText(mail.message);
}

SmtpClient::SmtpClient(SmtpClientOptions options) : options_(std::move(options)) {
  Poco::Net::initializeSSL();
  context_ = clientTlsContext(options_.extraCaFile);
}

SmtpClient::~SmtpClient() = default;

std::optional<MailFailure> SmtpClient::send(const Mail& mail, const MailOptions& options) {
  if (auto why = complaint(mail); why) {
    return failureOf(Kind::invalid, std::move(*why), false);
  }
  bool sent = false;
  try {
    deliver(mail, sent, options);
    return std::nullopt;
  } catch (SmtpError& error) {
    error.failure.sent = sent;
    return std::move(error.failure);
  } catch (const ExchangeError& error) {
    const bool late = error.kind == HttpFailure::Kind::timeout;
    return failureOf(kindOf(error.kind),
                     late ? "the mail server " + options_.server.host + " took too long" : error.message, sent);
  }
}

void SmtpClient::deliver(const Mail& mail, bool& sent, const MailOptions& options) {
  const Deadline deadline(options.timeout, options.cancelled);
  Session session = takeTurn(deadline);
  struct Turn {
    SmtpClient& client;
    Session& session;
    bool good = false;
    ~Turn() {
      if (!good) {
        session.reset();
      }
      client.endTurn(std::move(session));
    }
  } turn{*this, session};

  if (session) { // from an earlier message; if it has ended since, nothing is lost
    bool begun = false;
    try {
      session->send(mail, begun, sent, deadline);
      turn.good = true;
      return;
    } catch (const SmtpError& error) {
      if (begun || (error.failure.kind != Kind::broken && error.failure.code != 421)) {
        throw;
      }
    } catch (const ExchangeError& error) {
      if (begun || error.kind != HttpFailure::Kind::truncated) {
        throw;
      }
    }
  }
  session = open(deadline, options.cancelled);
  bool begun = false;
  session->send(mail, begun, sent, deadline);
  turn.good = true;
}

SmtpClient::Session SmtpClient::open(const Deadline& deadline, const std::atomic<bool>* cancelled) {
  const Url url = options_.server.url();
  const auto addresses = resolver_.resolve(url.host, deadline);
  std::optional<ExchangeError> last;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // An address that swallows packets must leave time for the next one.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.end() - Deadline::SteadyClock::now());
    try {
      auto connection = Connection::open(url, Poco::Net::SocketAddress(addresses[i], url.port), context_,
                                         Deadline(left / static_cast<long>(addresses.size() - i), cancelled));
      return std::make_unique<SmtpSession>(options_.server, std::move(connection), context_, deadline);
    } catch (const ExchangeError& error) {
      if (error.kind != HttpFailure::Kind::connect && error.kind != HttpFailure::Kind::timeout) {
        throw; // somebody was reached: another address would only hide what is wrong
      }
      last = error;
    }
  }
  deadline.slice(); // says "timeout" when that is what it was
  throw last.value_or(ExchangeError{HttpFailure::Kind::connect, "cannot resolve " + url.host});
}

/// Waits until there is room for one more session; gives an idle one if there is one that looks alive.
SmtpClient::Session SmtpClient::takeTurn(const Deadline& deadline) {
  std::vector<Session> dead; // outside of the lock
  std::unique_lock lock(mutex_);
  while (busy_ >= options_.maxSessions) {
    free_.wait_for(lock, deadline.slice());
  }
  Session found;
  while (!idle_.empty() && !found) {
    Session candidate = std::move(idle_.back());
    idle_.pop_back();
    const bool fresh = Deadline::SteadyClock::now() - candidate->idleSince <= options_.idleTimeout;
    (fresh && candidate->usable() ? found : dead.emplace_back()) = std::move(candidate);
  }
  ++busy_;
  return found;
}

void SmtpClient::endTurn(Session session) {
  {
    const std::lock_guard lock(mutex_);
    --busy_;
    if (session) {
      session->idleSince = Deadline::SteadyClock::now();
      idle_.push_back(std::move(session));
    }
  }
  free_.notify_one();
}

} // namespace calbridge::net
