#include "net/smtp_session.hpp"

#include "core/digest.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace calbridge::net {
namespace {

using Scope = MailFailure::Scope;
using Kind = MailFailure::Kind;

constexpr std::size_t kLongestLine = 4096;
constexpr int kMostLines = 100;
constexpr std::size_t kLongestText = 500;

SmtpError failed(Kind kind, std::string message) {
  MailFailure failure;
  failure.kind = kind;
  failure.message = std::move(message);
  return {std::move(failure)};
}

/// "5.1.1 no such user" → "5.1.1" (RFC 2034).
std::string enhancedCode(std::string_view text) {
  const std::string_view code = text.substr(0, text.find(' '));
  const bool digits =
      !code.empty() && code.find_first_not_of("0123456789.") == std::string_view::npos && code.size() <= 11;
  const bool three = std::count(code.begin(), code.end(), '.') == 2;
  return digits && three && std::string_view("245").find(code.front()) != std::string_view::npos ? std::string(code)
                                                                                                 : std::string();
}

SmtpError refused(const SmtpReply& reply, Scope scope, const std::string& what) {
  MailFailure failure;
  failure.kind = Kind::refused;
  // 421: the server is about to close, whatever was asked (RFC 5321 section 3.8).
  failure.scope = reply.code == 421 ? Scope::everything : scope;
  failure.code = reply.code;
  failure.enhanced = enhancedCode(reply.text);
  failure.message = what + ": " + std::to_string(reply.code) + " " + reply.text;
  return {std::move(failure)};
}

void expect(const SmtpReply& reply, int hundreds, Scope scope, const char* what) {
  if (reply.code / 100 == hundreds) {
    return;
  }
  if (reply.code / 100 == 4 || reply.code / 100 == 5) {
    throw refused(reply, scope, what);
  }
  throw failed(Kind::broken, std::string("the mail server answered ") + std::to_string(reply.code) +
                                 ", which is no answer here (" + what + ")");
}

/// RFC 5321 section 4.5.2: a line that begins with a dot gets another one.
std::string dotStuffed(std::string_view message) {
  std::string out;
  out.reserve(message.size() + message.size() / 64 + 8);
  bool lineStarts = true;
  for (const char c : message) {
    if (lineStarts && c == '.') {
      out.push_back('.');
    }
    out.push_back(c);
    lineStarts = c == '\n';
  }
  if (!lineStarts) {
    out += "\r\n";
  }
  return out;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

} // namespace

SmtpSession::SmtpSession(const SmtpServer& server, std::unique_ptr<Connection> connection,
                         const Poco::Net::Context::Ptr& context, const Deadline& deadline)
    : connection_(std::move(connection)) {
  expect(reply(deadline), 2, Scope::everything, "the mail server does not take mail");
  open_ = true;
  hello(server.clientName, deadline);
  if (server.security == SmtpServer::Security::startTls) {
    if (!offersTls_) {
      throw failed(Kind::tls, server.host + " offers no STARTTLS, and nothing is sent in the clear: use its port for "
                                            "submission (587), or smtps:// (465)");
    }
    expect(command("STARTTLS", deadline), 2, Scope::everything, "the mail server does not start TLS");
    if (!received_.empty()) { // sent in the clear to be taken for part of what is protected (CVE-2011-0411)
      throw failed(Kind::tls, server.host + " sent something between STARTTLS and TLS");
    }
    open_ = false;
    connection_ = Connection::secure(std::move(connection_), server.url(), context, deadline);
    open_ = true;
    hello(server.clientName, deadline); // what was said before does not count (RFC 3207 section 4.2)
  }
  if (!server.username.empty()) {
    logIn(server, deadline);
  }
}

SmtpSession::~SmtpSession() {
  if (!open_ || !connection_) {
    return;
  }
  try {
    bool sent = false;
    connection_->write("QUIT\r\n", sent, Deadline(std::chrono::milliseconds(100), nullptr));
  } catch (const ExchangeError&) { // it was only polite
  }
}

void SmtpSession::hello(const std::string& clientName, const Deadline& deadline) {
  offersTls_ = false;
  mechanisms_.clear();
  std::vector<std::string> lines;
  write("EHLO " + clientName + "\r\n", deadline);
  expect(reply(deadline, &lines), 2, Scope::everything, "the mail server does not answer EHLO as it must");
  for (std::size_t i = 1; i < lines.size(); ++i) { // behind its name
    std::istringstream words(upper(std::move(lines[i])));
    std::string word;
    words >> word;
    offersTls_ = offersTls_ || word == "STARTTLS";
    if (word == "AUTH") {
      while (words >> word) {
        mechanisms_.insert(word);
      }
    }
  }
}

void SmtpSession::logIn(const SmtpServer& server, const Deadline& deadline) {
  constexpr const char* kRefused = "the mail server refuses SMTP_USERNAME and SMTP_PASSWORD";
  if (mechanisms_.contains("PLAIN")) { // RFC 4616
    const std::string secret = std::string(1, '\0') + server.username + std::string(1, '\0') + server.password;
    expect(command("AUTH PLAIN " + base64Encode(secret), deadline), 2, Scope::everything, kRefused);
  } else if (mechanisms_.contains("LOGIN")) {
    expect(command("AUTH LOGIN", deadline), 3, Scope::everything, kRefused);
    expect(command(base64Encode(server.username), deadline), 3, Scope::everything, kRefused);
    expect(command(base64Encode(server.password), deadline), 2, Scope::everything, kRefused);
  } else {
    throw failed(Kind::broken, "the mail server offers neither AUTH PLAIN nor AUTH LOGIN: unset SMTP_USERNAME if it "
                               "wants no log-in");
  }
}

void SmtpSession::send(const Mail& mail, bool& begun, bool& sent, const Deadline& deadline) {
  expect(command("MAIL FROM:<" + mail.from + ">", deadline), 2, Scope::everything,
         "the mail server does not take mail from this sender");
  begun = true;
  for (const std::string& recipient : mail.to) {
    expect(command("RCPT TO:<" + recipient + ">", deadline), 2, Scope::recipient,
           "the mail server does not take mail for this address");
  }
  expect(command("DATA", deadline), 3, Scope::message, "the mail server does not take the message");
  write(dotStuffed(mail.message), deadline);
  sent = true; // a part of the end may be enough
  write(".\r\n", deadline);
  const SmtpReply last = reply(deadline);
  sent = false;
  expect(last, 2, Scope::message, "the mail server does not take the message");
}

SmtpReply SmtpSession::command(std::string_view text, const Deadline& deadline) {
  write(std::string(text) + "\r\n", deadline);
  return reply(deadline);
}

void SmtpSession::write(std::string_view bytes, const Deadline& deadline) {
  bool sent = false;
  connection_->write(bytes, sent, deadline);
}

SmtpReply SmtpSession::reply(const Deadline& deadline, std::vector<std::string>* texts) {
  SmtpReply reply;
  for (int lines = 0; lines < kMostLines; ++lines) {
    const std::string text = line(deadline);
    const bool numbered = text.size() >= 3 && text[0] >= '2' && text[0] <= '5' && text[1] >= '0' && text[1] <= '9' &&
                          text[2] >= '0' && text[2] <= '9' && (text.size() == 3 || text[3] == ' ' || text[3] == '-');
    if (!numbered) {
      throw failed(Kind::broken, "the mail server does not speak SMTP");
    }
    const int code = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    if (lines > 0 && code != reply.code) { // RFC 5321 section 4.2.1: each line has the same
      throw failed(Kind::broken, "the lines of the mail server's answer contradict each other");
    }
    reply.code = code;
    if (texts != nullptr) {
      texts->push_back(text.substr(std::min<std::size_t>(4, text.size())));
    }
    if (text.size() > 4 && reply.text.size() < kLongestText) {
      reply.text += (reply.text.empty() ? "" : " ") + text.substr(4);
    }
    if (text.size() == 3 || text[3] == ' ') {
      reply.text.resize(std::min(reply.text.size(), kLongestText));
      std::replace_if(
          reply.text.begin(), reply.text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
      return reply;
    }
  }
  throw failed(Kind::broken, "the mail server's answer does not end");
}

/// One line without its end.
std::string SmtpSession::line(const Deadline& deadline) {
  for (;;) {
    if (const std::size_t end = received_.find('\n'); end != std::string::npos) {
      std::string text = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (text.ends_with('\r')) {
        text.pop_back();
      }
      return text;
    }
    if (received_.size() > kLongestLine) {
      throw failed(Kind::broken, "the mail server's answer is too long");
    }
    std::array<char, 1024> buffer{};
    const std::size_t got = connection_->read(buffer, deadline);
    if (got == 0) {
      open_ = false;
      throw failed(Kind::broken, "the mail server closed the connection");
    }
    received_.append(buffer.data(), got);
  }
}

} // namespace calbridge::net
