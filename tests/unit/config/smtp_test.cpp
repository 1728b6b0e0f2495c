#include "config/readers.hpp"

#include <catch2/catch.hpp>

using namespace calbridge;
using Security = SmtpConfig::Security;

namespace {

std::optional<SmtpConfig> read(std::map<std::string, std::string> variables, Problems& problems) {
  return readSmtp(Environment([variables](const std::string& name) -> std::optional<std::string> {
                    const auto it = variables.find(name);
                    return it == variables.end() ? std::nullopt : std::optional<std::string>(it->second);
                  }),
                  problems);
}

} // namespace

TEST_CASE("SMTP_URL says where the mail server is, and the scheme how to meet it") {
  struct Case {
    const char* url;
    const char* host;
    int port;
    Security security;
  };
  const Case each = GENERATE(Case{"smtp://mail.example.com", "mail.example.com", 587, Security::startTls},
                             Case{"smtp://Mail.Example.com:2525/", "mail.example.com", 2525, Security::startTls},
                             Case{"smtps://mail.example.com", "mail.example.com", 465, Security::tls},
                             Case{"smtps://mail.example.com:443", "mail.example.com", 443, Security::tls},
                             Case{"smtp://localhost:25", "localhost", 25, Security::plain},
                             Case{"smtp://127.0.0.1:80", "127.0.0.1", 80, Security::plain},
                             Case{"smtp://[::1]:25", "::1", 25, Security::plain},
                             Case{"smtps://localhost", "localhost", 465, Security::tls});
  Problems problems;
  const auto smtp = read({{"SMTP_URL", each.url}, {"SMTP_USERNAME", "u"}, {"SMTP_PASSWORD", "p w"}}, problems);
  INFO(each.url);
  REQUIRE(smtp);
  CHECK(problems.empty());
  CHECK(*smtp == SmtpConfig{each.host, static_cast<std::uint16_t>(each.port), each.security, "u", "p w"});
}

TEST_CASE("without SMTP_URL there is no mail server, and that is no problem") {
  Problems problems;
  CHECK_FALSE(read({}, problems));
  CHECK(problems.empty());
}

TEST_CASE("an address that is none, credentials in it, and half a log-in are problems that show no secret") {
  const std::map<std::string, std::string> variables =
      GENERATE(std::map<std::string, std::string>{{"SMTP_URL", "mail.example.com"}},
               std::map<std::string, std::string>{{"SMTP_URL", "https://mail.example.com"}},
               std::map<std::string, std::string>{{"SMTP_URL", "smtp://"}},
               std::map<std::string, std::string>{{"SMTP_URL", "smtp://mail.example.com:99999"}},
               std::map<std::string, std::string>{{"SMTP_URL", "smtp://mail.example.com/path"}},
               std::map<std::string, std::string>{{"SMTP_URL", "smtp://user:canary@mail.example.com"}},
               std::map<std::string, std::string>{{"SMTP_URL", "smtp://mail.example.com"}, {"SMTP_USERNAME", "u"}},
               std::map<std::string, std::string>{{"SMTP_URL", "smtp://mail.example.com"}, {"SMTP_PASSWORD", "canary"}},
               std::map<std::string, std::string>{{"SMTP_USERNAME", "u"}, {"SMTP_PASSWORD", "canary"}},
               std::map<std::string, std::string>{
                   {"SMTP_URL", "smtp://mail.example.com"}, {"SMTP_USERNAME", "u"}, {"SMTP_PASSWORD", "canary\n"}});
  Problems problems;
  CHECK_FALSE(read(variables, problems));
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].where.starts_with("SMTP_"));
  CHECK(problems[0].text().find("canary") == std::string::npos);
}
