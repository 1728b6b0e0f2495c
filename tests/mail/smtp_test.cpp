#include "net/smtp_client.hpp"
#include "unit/net/scripted_server.hpp"
#include "unit/net/test_authority.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

using namespace calbridge;
using calbridge::test::Peer;
using calbridge::test::ScriptedServer;
using calbridge::test::TestAuthority;
using net::SmtpClient;
using net::SmtpClientOptions;
using Security = net::SmtpServer::Security;
using Kind = MailFailure::Kind;
using Scope = MailFailure::Scope;

extern char** environ; // NOLINT: POSIX wants it declared here

namespace {

constexpr int kNotInstalled = 77;

/// mail_server.py as a process, with its folder of received messages.
class RealServer {
 public:
  explicit RealServer(std::vector<std::string> options) {
    folder_ = std::filesystem::temp_directory_path() /
              ("calbridge-mail-" + std::to_string(::getpid()) + "-" + std::to_string(counter_++));
    std::filesystem::create_directory(folder_);
    options.insert(options.begin(),
                   {"/usr/bin/python3", "-W", "ignore",
                    std::string(CALBRIDGE_SOURCE_DIR) + "/tests/mail/mail_server.py", "--folder", folder_.string()});
    int in[2];
    int out[2];
    REQUIRE((::pipe2(in, O_CLOEXEC) == 0 && ::pipe2(out, O_CLOEXEC) == 0));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::vector<char*> arguments;
    for (auto& option : options)
      arguments.push_back(option.data());
    arguments.push_back(nullptr);
    REQUIRE(posix_spawn(&process_, arguments[0], &actions, nullptr, arguments.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    output_ = out[0];
    const std::string said = line();
    if (said.empty())
      std::_Exit(end() == kNotInstalled ? kNotInstalled : 1); // ctest counts it as skipped
    port_ = static_cast<std::uint16_t>(std::stoi(said));
  }
  ~RealServer() {
    end();
    std::filesystem::remove_all(folder_);
  }
  RealServer(const RealServer&) = delete;
  RealServer& operator=(const RealServer&) = delete;

  std::uint16_t port() const { return port_; }
  bool has(int number) const { return std::filesystem::exists(path(number, ".json")); }
  std::string message(int number) const {
    std::ifstream file(path(number, ".eml"), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  nlohmann::json envelope(int number) const { return nlohmann::json::parse(std::ifstream(path(number, ".json"))); }
  /// Ends the server; how many sessions it had.
  int sessions() {
    ::close(std::exchange(input_, -1));
    return std::stoi(line());
  }

 private:
  std::filesystem::path path(int number, const char* suffix) const {
    return folder_ / (std::to_string(number) + suffix);
  }
  std::string line() const {
    std::string text;
    for (char c = 0; ::read(output_, &c, 1) == 1 && c != '\n';)
      text.push_back(c);
    return text;
  }
  int end() {
    if (input_ >= 0)
      ::close(std::exchange(input_, -1));
    if (process_ <= 0)
      return 0;
    int status = 0;
    ::waitpid(std::exchange(process_, -1), &status, 0);
    ::close(output_);
    return WEXITSTATUS(status);
  }

  static inline int counter_ = 0;
  std::filesystem::path folder_;
  pid_t process_ = -1;
  int input_ = -1;
  int output_ = -1;
  std::uint16_t port_ = 0;
};

SmtpClientOptions optionsFor(std::uint16_t port, Security security = Security::plain) {
  SmtpClientOptions options;
  options.server.host = "localhost";
  options.server.port = port;
  options.server.security = security;
  return options;
}

constexpr std::string_view kMessage =
    "From: <from@calbridge.example>\r\nTo: <john@example.com>\r\nSubject: dots\r\n\r\n"
    ".\r\n..two\r\nplain\r\n.last\r\n";

Mail mailTo(const std::string& to, std::string_view message = kMessage) {
  return {"from@calbridge.example", {to}, message};
}

MailOptions patient() {
  const char* deadline = std::getenv("CALBRIDGE_TEST_DEADLINE");
  MailOptions options;
  options.timeout = std::chrono::seconds(deadline ? std::atoi(deadline) : 60);
  return options;
}

/// What a server sent that says everything at once, whatever it is asked.
MailFailure failureAgainst(const std::string& bytes, Security security = Security::plain) {
  ScriptedServer server([&](Peer& peer, int) {
    peer.send(bytes);
    peer.awaitClose();
  });
  const std::string authority = server.authority();
  SmtpClientOptions options = optionsFor(static_cast<std::uint16_t>(std::stoi(authority.substr(10))), security);
  options.server.host = "127.0.0.1";
  SmtpClient client(options);
  const auto failure = client.send(mailTo("john@example.com"), patient());
  REQUIRE(failure);
  return *failure;
}

} // namespace

TEST_CASE("a message arrives as it was written, over STARTTLS or TLS from the start, after a log-in") {
  const TestAuthority authority;
  const auto identity = authority.issue("mail", "DNS:localhost");
  const auto [mode, security] = GENERATE(std::pair<std::string, Security>{"starttls", Security::startTls},
                                         std::pair<std::string, Security>{"tls", Security::tls});
  RealServer server({"--mode", mode, "--certificate", identity.certificateFile, "--key", identity.keyFile, "--user",
                     "calendar", "--password", "correct horse"});
  SmtpClientOptions options = optionsFor(server.port(), security);
  options.extraCaFile = authority.caFile();
  options.server.username = "calendar";
  options.server.password = "correct horse";

  SECTION("with the right password and a certificate that is trusted, several over one session") {
    {
      SmtpClient client(options);
      for (int i = 0; i < 3; ++i) {
        const auto failure = client.send(mailTo("john@example.com"), patient());
        INFO((failure ? failure->message : std::string()));
        REQUIRE_FALSE(failure);
      }
    }
    CHECK(server.message(0) == kMessage);
    CHECK(server.envelope(2) == nlohmann::json({{"from", "from@calbridge.example"}, {"to", {"john@example.com"}}}));
    CHECK(server.sessions() == 1);
  }
  SECTION("with the wrong password everything is refused, and the password is in no message") {
    options.server.password = "canary-battery-staple";
    SmtpClient client(options);
    const auto failure = client.send(mailTo("john@example.com"), patient());
    REQUIRE(failure);
    CHECK(failure->kind == Kind::refused);
    CHECK(failure->scope == Scope::everything);
    CHECK(failure->code == 535);
    CHECK_FALSE(failure->sent);
    CHECK(failure->message.find("canary") == std::string::npos);
    CHECK_FALSE(server.has(0));
  }
  SECTION("a certificate of an authority that nobody trusts is refused before anything is said") {
    options.extraCaFile.clear();
    SmtpClient client(options);
    const auto failure = client.send(mailTo("john@example.com"), patient());
    REQUIRE(failure);
    CHECK(failure->kind == Kind::tls);
    CHECK_FALSE(server.has(0));
  }
  SECTION("a certificate for another name is refused") {
    options.server.host = "127.0.0.1";
    SmtpClient client(options);
    const auto failure = client.send(mailTo("john@example.com"), patient());
    REQUIRE(failure);
    CHECK(failure->kind == Kind::tls);
  }
}

TEST_CASE("nothing is sent in the clear to a server that offers no STARTTLS, or injects text into it") {
  RealServer server({"--mode", "plain"});
  SmtpClient client(optionsFor(server.port(), Security::startTls));
  const auto failure = client.send(mailTo("john@example.com"), patient());
  REQUIRE(failure);
  CHECK(failure->kind == Kind::tls);
  CHECK(failure->message.find("STARTTLS") != std::string::npos);
  CHECK_FALSE(server.has(0));

  const MailFailure injected =
      failureAgainst("220 hello\r\n250-mail\r\n250 STARTTLS\r\n220 go\r\n250 injected\r\n", Security::startTls);
  CHECK(injected.kind == Kind::tls);
  CHECK(injected.message.find("between STARTTLS and TLS") != std::string::npos);
}

TEST_CASE("a refusal says whom it is about, and whether it is for good") {
  struct Case {
    std::vector<std::string> options;
    Scope scope;
    int code;
    std::string enhanced;
    bool permanent;
  };
  const Case refusal = GENERATE(Case{{"--unknown", "john@example.com"}, Scope::recipient, 550, "5.1.1", true},
                                Case{{"--greylisted", "1"}, Scope::recipient, 450, "4.7.1", false},
                                Case{{"--sender-refused"}, Scope::everything, 550, "5.7.1", true},
                                Case{{"--spam"}, Scope::message, 554, "5.7.1", true});
  RealServer server(refusal.options);
  SmtpClient client(optionsFor(server.port()));
  const auto failure = client.send(mailTo("john@example.com"), patient());
  REQUIRE(failure);
  CHECK(failure->kind == Kind::refused);
  CHECK(failure->scope == refusal.scope);
  CHECK(failure->code == refusal.code);
  CHECK(failure->enhanced == refusal.enhanced);
  CHECK(failure->permanent() == refusal.permanent);
  CHECK_FALSE(failure->sent);
  CHECK_FALSE(server.has(0));
}

TEST_CASE("greylisted once, the same message is taken the next time") {
  RealServer server({"--greylisted", "1"});
  SmtpClient client(optionsFor(server.port()));
  CHECK(client.send(mailTo("john@example.com"), patient()));
  CHECK_FALSE(client.send(mailTo("john@example.com"), patient()));
  CHECK(server.has(0));
}

TEST_CASE("a session that the server has closed is replaced, and nothing is sent twice") {
  RealServer server({"--closes-after"});
  {
    SmtpClient client(optionsFor(server.port()));
    for (int i = 0; i < 3; ++i) {
      const auto failure = client.send(mailTo("john@example.com"), patient());
      INFO((failure ? failure->message : std::string()));
      CHECK_FALSE(failure);
    }
  }
  CHECK(server.has(2));
  CHECK_FALSE(server.has(3));
}

TEST_CASE("when the connection ends after the message's end was sent, it is said that it may have been delivered") {
  RealServer server({"--drops", "1"});
  SmtpClient client(optionsFor(server.port()));
  const auto failure = client.send(mailTo("john@example.com"), patient());
  REQUIRE(failure);
  CHECK(failure->kind == Kind::broken);
  CHECK(failure->sent);
  CHECK(server.has(0));
}

TEST_CASE("no address and no text can end a command or a line early") {
  RealServer server({});
  SmtpClient client(optionsFor(server.port()));
  const std::string good(kMessage);
  const std::vector<std::string> addresses = {"",
                                              "john",
                                              "@example.com",
                                              "john@",
                                              "john@example.com>\r\nRCPT TO:<eve@example.com",
                                              "john@example.com> NOTIFY=NEVER",
                                              "john doe@example.com",
                                              "<john@example.com>",
                                              "j\xC3\xB6hn@example.com",
                                              "john@exa mple.com",
                                              "john@-example.com",
                                              "john@example..com",
                                              ".john@example.com",
                                              std::string(65, 'j') + "@example.com",
                                              std::string("john@example.com\0", 17)};
  for (const std::string& address : addresses) {
    INFO(address);
    auto failure = client.send(mailTo(address), patient());
    REQUIRE(failure);
    CHECK(failure->kind == Kind::invalid);
    Mail mail = mailTo("john@example.com");
    mail.from = address;
    failure = client.send(mail, patient());
    REQUIRE(failure);
    CHECK(failure->kind == Kind::invalid);
  }
  for (const std::string& text :
       {std::string(), good + "\n.\n", good + "a\rb\r\n", good + std::string("\0\r\n", 3), good + "\xC3\xB6\r\n",
        good + std::string(999, 'x') + "\r\n", std::string((1 << 20) + 1, '\n')}) {
    const auto failure = client.send(mailTo("john@example.com", text), patient());
    REQUIRE(failure);
    CHECK(failure->kind == Kind::invalid);
    CHECK_FALSE(failure->sent);
  }
  CHECK_FALSE(client.send(mailTo("o'brien+calendar@example.com", good + std::string(998, 'x')), patient()));
  CHECK(server.has(0));
  CHECK(server.message(0) == good + std::string(998, 'x') + "\r\n");
  CHECK(server.sessions() == 1);
}

TEST_CASE("a server that talks nonsense is an error in words, whatever it says") {
  CHECK(failureAgainst("HTTP/1.1 400 Bad Request\r\n\r\n").kind == Kind::broken);
  CHECK(failureAgainst(std::string(10000, '2')).kind == Kind::broken);
  CHECK(
      failureAgainst("220-" + std::string(100, 'x') + "\r\n220-more\r\n250 mismatched ending\r\n250 ok\r\n999 what\r\n")
          .kind == Kind::broken);
  std::string endless = "220 x\r\n";
  for (int i = 0; i < 200; ++i)
    endless += "250-line\r\n";
  CHECK(failureAgainst(endless + "250 end\r\n250 sender\r\n").kind == Kind::broken);
  CHECK(failureAgainst("220 x\r\n250-x\r\n550 AUTH PLAIN\r\n").kind == Kind::broken);
  const MailFailure rude = failureAgainst("220 x\r\n554 5.7.1 go \x1b[31m away\r\n");
  CHECK(rude.kind == Kind::refused);
  CHECK(rude.scope == Scope::everything);
  CHECK(rude.enhanced == "5.7.1");
  CHECK(rude.message.find('\x1b') == std::string::npos);
  const MailFailure busy = failureAgainst("421 4.3.2 too many of you\r\n");
  CHECK(busy.kind == Kind::refused);
  CHECK(busy.scope == Scope::everything);
  CHECK(busy.enhanced == "4.3.2");
  CHECK_FALSE(busy.permanent());
  CHECK(failureAgainst("220 x\r\n250 x\r\n550 \x1b[31m\xff red\r\n").message.find('\x1b') == std::string::npos);
}

TEST_CASE("a server that does not answer costs the time that was given, and a caller who stops waits no longer") {
  ScriptedServer server([](Peer& peer, int) { peer.awaitClose(); });
  const std::string authority = server.authority();
  SmtpClientOptions options = optionsFor(static_cast<std::uint16_t>(std::stoi(authority.substr(10))));
  options.server.host = "127.0.0.1";
  SmtpClient client(options);
  MailOptions brief;
  brief.timeout = std::chrono::milliseconds(300);
  const auto late = client.send(mailTo("john@example.com"), brief);
  REQUIRE(late);
  CHECK(late->kind == Kind::timeout);
  CHECK_FALSE(late->sent);

  std::atomic<bool> cancelled{true};
  MailOptions stopped = patient();
  stopped.cancelled = &cancelled;
  const auto ended = client.send(mailTo("john@example.com"), stopped);
  REQUIRE(ended);
  CHECK(ended->kind == Kind::cancelled);
}

TEST_CASE("nobody there is a failure that may pass") {
  std::uint16_t port = 0;
  {
    ScriptedServer gone([](Peer&, int) {});
    port = static_cast<std::uint16_t>(std::stoi(gone.authority().substr(10)));
  }
  SmtpClient client(optionsFor(port));
  const auto failure = client.send(mailTo("john@example.com"), patient());
  REQUIRE(failure);
  CHECK(failure->kind == Kind::connect);
  CHECK_FALSE(failure->permanent());
}
