#include "config/readers.hpp"
#include "core/url.hpp"

#include <algorithm>

namespace calbridge {
namespace {

constexpr const char* kUrl = "SMTP_URL";
constexpr const char* kForm = "write smtp://host:587 (TLS by STARTTLS) or smtps://host:465 (TLS from the start)";

/// No control characters: none of them can be meant, and NUL separates the parts of AUTH PLAIN (RFC 4616).
bool isClean(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; });
}

} // namespace

std::optional<SmtpConfig> readSmtp(const Environment& environment, Problems& problems) {
  const auto text = environment.get(kUrl);
  SmtpConfig smtp;
  smtp.username = environment.get("SMTP_USERNAME").value_or("");
  smtp.password = environment.get("SMTP_PASSWORD").value_or("");
  const std::size_t before = problems.size();
  for (const auto& [name, value] : {std::pair{"SMTP_USERNAME", &smtp.username}, {"SMTP_PASSWORD", &smtp.password}})
    if (!isClean(*value))
      problems.push_back({name, "the value contains a control character"});
  if (smtp.username.empty() != smtp.password.empty())
    problems.push_back(
        {smtp.username.empty() ? "SMTP_USERNAME" : "SMTP_PASSWORD",
         "SMTP_USERNAME and SMTP_PASSWORD go together: set both, or neither for a server without log-in"});
  if (!text) {
    if (!smtp.username.empty())
      problems.push_back({kUrl, std::string("is not set, but SMTP_USERNAME is: ") + kForm});
    return std::nullopt;
  }
  if (text->find('@') != std::string::npos) {
    problems.push_back({kUrl, "must not hold a user name or password: put them into SMTP_USERNAME and SMTP_PASSWORD"});
    return std::nullopt;
  }
  const bool tls = text->starts_with("smtps://");
  if (!tls && !text->starts_with("smtp://")) {
    problems.push_back({kUrl, std::string("is no address of a mail server: ") + kForm});
    return std::nullopt;
  }
  // The same form as a web address, whose reader is strict; a port that was not written reads as 443 or 80.
  const std::string rest = text->substr(tls ? 8 : 7);
  const auto url = parseUrl("https://" + rest);
  const auto other = parseUrl("http://" + rest);
  if (!url || !other || url->target != "/") {
    problems.push_back({kUrl, std::string("is no address of a mail server: ") + kForm});
    return std::nullopt;
  }
  smtp.host = url->host;
  smtp.port = url->port == other->port ? url->port : static_cast<std::uint16_t>(tls ? 465 : 587);
  smtp.security = tls                 ? SmtpConfig::Security::tls
                  : url->isLoopback() ? SmtpConfig::Security::plain
                                      : SmtpConfig::Security::startTls;
  return problems.size() == before ? std::optional(std::move(smtp)) : std::nullopt;
}

} // namespace calbridge
