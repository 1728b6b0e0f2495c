/// What a mail server says to the host's SMTP session. The first section says how it is met: words of `starttls`,
/// `login`, `two` (recipients). Every further one is what one read gives: "=== line" with a line's end behind it,
/// "=== part" without; or why there is none ("=== timeout", "=== broken"). Behind the last one the server is gone.
///
/// Invariants: what goes out is commands of one line each, in their order, and the message, whose dots arrive as they
/// were; in the clear nothing but EHLO and STARTTLS; no log-in where none was offered; success is what the server said
/// behind a 3xx for DATA; a failure has its reason in printable ASCII, a code that fits its kind, and no password.
#include "core/digest.hpp"
#include "fuzz/target.hpp"
#include "net/smtp_session.hpp"

#include <algorithm>
#include <deque>
#include <typeinfo>

namespace calbridge::fuzz {
namespace {

using net::SmtpServer;
using net::SmtpSession;

const std::string kPassword = "canary-password";
const std::string kMessage = "Subject: dots\r\n\r\n.\r\n..two\r\nplain\r\n.last\r\n";

/// Both directions of one conversation. Outlives the session.
struct Wire {
  std::deque<Section> script;
  std::vector<std::string> written; ///< one entry a write
  std::string read;
  std::string piece; ///< of the script, partly read
};

class ScriptedConnection final : public net::Connection {
 public:
  explicit ScriptedConnection(Wire& wire) : wire_(wire) {}

  void write(std::string_view bytes, bool& sent, const net::Deadline&) override {
    sent = true;
    wire_.written.emplace_back(bytes);
  }

  std::size_t read(std::span<char> into, const net::Deadline&) override {
    while (wire_.piece.empty()) {
      if (wire_.script.empty())
        return 0;
      const Section next = std::move(wire_.script.front());
      wire_.script.pop_front();
      if (next.title == "timeout")
        throw net::ExchangeError{HttpFailure::Kind::timeout, "no complete answer in the time given"};
      if (next.title == "broken")
        throw net::ExchangeError{HttpFailure::Kind::truncated, "the connection broke"};
      wire_.piece = next.text + (next.title == "part" ? "" : "\r\n");
    }
    const std::size_t size = std::min(into.size(), wire_.piece.size());
    std::copy_n(wire_.piece.begin(), size, into.begin());
    wire_.read.append(wire_.piece, 0, size);
    wire_.piece.erase(0, size);
    return size;
  }

  bool usable() override { return true; }

 private:
  Wire& wire_;
};

void check(const MailFailure& failure, const Wire& wire) {
  require(!failure.message.empty() && failure.message.size() <= 1000, "a failure has a reason", failure.message);
  require(!hasControls(failure.message) && isUtf8(failure.message), "a reason is text", failure.message);
  for (const std::string& secret : {kPassword, base64Encode(kPassword)})
    require(wire.read.find(secret) != std::string::npos || failure.message.find(secret) == std::string::npos,
            "a reason shows no password", failure.message);
  const bool refused = failure.kind == MailFailure::Kind::refused;
  require(refused == (failure.code != 0) && (!refused || (failure.code >= 400 && failure.code < 600)),
          "a refusal has the code of one", std::to_string(failure.code));
  require(failure.enhanced.find_first_not_of("0123456789.") == std::string::npos, "a code is one", failure.enhanced);
}

/// A dot at a line's beginning was doubled (RFC 5321 section 4.5.2).
std::string withoutDots(std::string_view text) {
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find("\r\n", begin), text.size() - 2) + 2;
    const std::string_view line = text.substr(begin, end - begin);
    require(line != ".\r\n", "nothing ends the message early");
    out += line.starts_with('.') ? line.substr(1) : line;
    begin = end;
  }
  return out;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

/// How many messages went out whole. Dies on what no client may say.
int checkWritten(const Wire& wire, const SmtpServer& server) {
  int whole = 0;
  bool text = false; // a message is what comes next, or its end
  for (std::size_t i = 0; i < wire.written.size(); ++i) {
    const std::string& said = wire.written[i];
    if (text && said != "QUIT\r\n" && said != ".\r\n") {
      require(withoutDots(said) == kMessage, "the message arrives as it was written", said);
      continue;
    }
    require(said.ends_with("\r\n") && said.find_first_of("\r\n") == said.size() - 2, "a command is one line", said);
    whole += text && said == ".\r\n" ? 1 : 0;
    text = said == "DATA\r\n";
    static const std::vector<std::string_view> kAny = {"EHLO ", "STARTTLS\r\n", "QUIT\r\n"};
    require(server.security != SmtpServer::Security::startTls ||
                std::any_of(kAny.begin(), kAny.end(), [&](auto start) { return said.starts_with(start); }),
            "nothing that matters is said before TLS", said);
    require(!said.starts_with("AUTH ") || upper(wire.read).find("AUTH") != std::string::npos,
            "a log-in is for who offers one", said);
  }
  return whole;
}

} // namespace

void run(std::string_view input) {
  auto parts = sections(input);
  const std::string how = parts.front().text;
  SmtpServer server;
  server.host = "mail.example.com";
  server.security =
      how.find("starttls") != std::string::npos ? SmtpServer::Security::startTls : SmtpServer::Security::plain;
  if (how.find("login") != std::string::npos) {
    server.username = "calendar";
    server.password = kPassword;
  }
  Wire wire;
  wire.script.assign(parts.begin() + 1, parts.end());
  Mail mail{"from@calbridge.example", {"john@example.com"}, kMessage};
  if (how.find("two") != std::string::npos)
    mail.to.emplace_back("sarah@example.com");

  const net::Deadline deadline(std::chrono::minutes(10), nullptr);
  int taken = 0;
  bool sent = false;
  try {
    SmtpSession session(server, std::make_unique<ScriptedConnection>(wire), nullptr, deadline);
    require(server.security == SmtpServer::Security::plain, "no session without its TLS");
    for (; taken < 3; ++taken) {
      bool begun = false;
      session.send(mail, begun, sent, deadline);
      require(begun && !sent, "a message that was answered is not in doubt");
    }
  } catch (const net::SmtpError& error) {
    check(error.failure, wire);
  } catch (const net::ExchangeError& error) {
    require(!error.message.empty(), "a failure has a reason");
  } catch (const std::bad_cast&) { // the handshake, for which this connection is not the one
    require(server.security == SmtpServer::Security::startTls && wire.piece.empty(),
            "TLS begins where it is wanted, with nothing left over", wire.piece);
  }
  const int whole = checkWritten(wire, server);
  require(taken <= whole && whole - taken <= 1, "what was taken was sent whole");
  require(!sent || whole == taken + 1, "in doubt is only what was sent whole");
  const auto lines = std::count(wire.read.begin(), wire.read.end(), '\n');
  require(lines >= taken * 4, "success takes the server's word", wire.read);
}

} // namespace calbridge::fuzz
