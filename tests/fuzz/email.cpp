/// What the email plugin makes of entries, and of what the mail server says. The first section is the JSON of a push.
/// Every further one is what comes of a mail: "=== CODE SCOPE ENHANCED" with the server's words ("=== 550
/// recipient 5.1.1"), or a word for what went wrong ("=== timeout", "=== connect", "=== tls", "=== broken", "===
/// cancelled"); without one it is taken.
///
/// Invariants beside those of PluginDriver: a call sends one mail at most, to the one recipient; it keeps the rules
/// that the mailer holds it to; its headers are those that the plugin means, each once; its calendar is one VEVENT of
/// one attendee, which libical reads without a complaint; a failed mail is no success.
#include "calbridge/json.hpp"
#include "core/digest.hpp"
#include "core/mail_address.hpp"
#include "fuzz/plugin_driver.hpp"
#include "fuzz/target.hpp"
#include "net/smtp_client.hpp"
#include "plugins/wire.hpp"

#include <algorithm>
#include <charconv>
#include <libical/ical.h>
#include <set>
#include <sstream>

namespace calbridge::fuzz {
namespace {

using plugins::Operation;

constexpr std::string_view kSender = "calendar@example.com";

MailFailure failureOf(const Section& section) {
  using Kind = MailFailure::Kind;
  using Scope = MailFailure::Scope;
  static const std::map<std::string_view, Kind> kKinds = {{"timeout", Kind::timeout},
                                                          {"connect", Kind::connect},
                                                          {"tls", Kind::tls},
                                                          {"broken", Kind::broken},
                                                          {"cancelled", Kind::cancelled}};
  MailFailure failure;
  failure.message = section.text.empty() ? "it failed" : section.text;
  if (const auto kind = kKinds.find(section.title); kind != kKinds.end()) {
    failure.kind = kind->second;
    return failure;
  }
  failure.kind = Kind::refused;
  std::istringstream words(section.title);
  std::string scope;
  words >> failure.code >> scope >> failure.enhanced;
  if (failure.code < 400 || failure.code > 599) // the session takes no other for a refusal
    failure.code = 550;
  failure.scope = scope == "recipient" ? Scope::recipient : scope == "message" ? Scope::message : Scope::everything;
  return failure;
}

/// Headers of a block, unfolded, lower case name → value.
std::map<std::string, std::string> headersIn(std::string_view block) {
  std::map<std::string, std::string> found;
  std::string* last = nullptr;
  for (std::size_t begin = 0; begin < block.size();) {
    const std::size_t end = std::min(block.find("\r\n", begin), block.size());
    const std::string_view line = block.substr(begin, end - begin);
    begin = end + 2;
    if (line.starts_with(' ')) {
      require(last != nullptr && line.find_first_not_of(' ') != std::string_view::npos, "a folded line goes on", line);
      last->append(line);
      continue;
    }
    const std::size_t colon = line.find(": ");
    require(colon != std::string_view::npos, "a header has a name", line);
    const auto [it, fresh] = found.emplace(line.substr(0, colon), line.substr(colon + 2));
    require(fresh, "a header is there once", line);
    last = &it->second;
  }
  return found;
}

std::string withoutLineEnds(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](char c) { return c != '\r' && c != '\n'; });
  return out;
}

void checkCalendar(const std::string& text, bool upsert) {
  struct Free {
    void operator()(icalcomponent* component) const { icalcomponent_free(component); }
  };
  const std::unique_ptr<icalcomponent, Free> calendar(icalparser_parse_string(text.c_str()));
  require(calendar && icalcomponent_isa(calendar.get()) == ICAL_VCALENDAR_COMPONENT, "a mail has a calendar", text);
  require(icalcomponent_count_errors(calendar.get()) == 0, "libical has no complaints", text);
  require(icalcomponent_get_method(calendar.get()) == (upsert ? ICAL_METHOD_REQUEST : ICAL_METHOD_CANCEL),
          "its method is what was asked for", text);
  require(icalcomponent_count_components(calendar.get(), ICAL_VEVENT_COMPONENT) == 1, "it has one VEVENT", text);
  icalcomponent* event = icalcomponent_get_first_component(calendar.get(), ICAL_VEVENT_COMPONENT);
  for (const icalproperty_kind once : {ICAL_UID_PROPERTY, ICAL_DTSTAMP_PROPERTY, ICAL_SEQUENCE_PROPERTY,
                                       ICAL_ORGANIZER_PROPERTY, ICAL_ATTENDEE_PROPERTY})
    require(icalcomponent_count_properties(event, once) == 1, "what must be there is there once", text);
  require(icalcomponent_count_properties(event, ICAL_DTSTART_PROPERTY) <= 1 &&
              icalcomponent_count_properties(event, ICAL_ATTACH_PROPERTY) == 0,
          "no text becomes a property", text);
}

void checkMail(const PluginDriver::SentMail& sent, bool upsert) {
  require(!net::complaint({sent.from, {sent.to}, sent.message}), "the mailer takes what the plugin writes",
          sent.message);
  require(sent.from == kSender, "a mail is from the installation", sent.from);
  const std::string_view message = sent.message;
  const std::size_t end = message.find("\r\n\r\n");
  require(end != std::string_view::npos, "headers end", message);
  const auto headers = headersIn(message.substr(0, end));
  static const std::set<std::string> kMeant = {"Date",
                                               "From",
                                               "To",
                                               "Reply-To",
                                               "Subject",
                                               "Message-ID",
                                               "Auto-Submitted",
                                               "List-Unsubscribe",
                                               "List-Unsubscribe-Post",
                                               "MIME-Version",
                                               "Content-Type"};
  for (const auto& [name, value] : headers)
    require(kMeant.contains(name), "no text becomes a header", name);
  const std::string& to = headers.at("To");
  require(to == sent.to || to.ends_with("<" + sent.to + ">"), "a mail says whom it is for", to);
  const std::string& type = headers.at("Content-Type");
  const std::string mark = "--" + type.substr(type.find('"') + 1, type.rfind('"') - type.find('"') - 1);
  std::vector<std::size_t> marks;
  for (std::size_t at = 0; (at = message.find("\r\n" + mark, at)) != std::string_view::npos; ++at)
    marks.push_back(at);
  require(marks.size() == 3 && message.substr(marks[2]) == "\r\n" + mark + "--\r\n", "a mail has two parts", message);
  const std::string_view part = message.substr(marks[1], marks[2] - marks[1]);
  const std::size_t body = part.find("\r\n\r\n") + 4;
  const auto calendar = base64Decode(withoutLineEnds(part.substr(body)));
  require(calendar.has_value(), "the calendar is base64", part);
  checkCalendar(*calendar, upsert);
}

} // namespace

void run(std::string_view input) {
  static const std::string settings =
      plugins::settingsToWire("", "", {{"from", kSender}, {"from_name", "Exämple \"Ltd\", <x>"}});
  static PluginDriver driver(CALBRIDGE_PLUGIN, settings);
  driver.mailScript.clear();
  const auto parts = sections(input);
  for (std::size_t i = 1; i < parts.size(); ++i)
    driver.mailScript.push_back(failureOf(parts[i]));
  const std::string& request = parts.front().text;
  const auto said = nlohmann::json::parse(request, nullptr, false);
  const auto text = [&](const nlohmann::json::json_pointer& at) {
    return said.is_object() && said.contains(at) && said[at].is_string() ? said[at].get<std::string>() : std::string();
  };
  const std::string recipient = text("/recipient/email"_json_pointer);
  driver.mailTo = isMailAddress(recipient) ? recipient : std::string(); // the host writes to nobody else
  for (const auto& own :
       {"/uid"_json_pointer, "/idempotency_key"_json_pointer, "/recipient/unsubscribe_url"_json_pointer})
    if (text(own).size() > 300)
      return; // the host's own words are short
  const bool fails = !driver.mailScript.empty();

  const plugins::Reply reply = driver.call(Operation::push, request);
  require(driver.mails.size() <= 1, "a push is one mail at most");
  const bool upsert = text("/operation"_json_pointer) == "upsert";
  for (const auto& mail : driver.mails)
    checkMail(mail, upsert);
  require(driver.mails.empty() || (reply.status == Status::ok) != fails, "a push ends as its mail does", reply.body);
  if (reply.status != Status::ok)
    return;
  require(std::holds_alternative<PushReply>(plugins::pushFromWire(reply, upsert, {})), "the host can take it over",
          reply.body);
  const auto first = driver.mails;
  const plugins::Reply again = driver.call(Operation::push, request);
  require(again.body == reply.body && driver.mails.size() == first.size() &&
              (first.empty() || first.front().message == driver.mails.front().message),
          "the same push is the same mail");
}

} // namespace calbridge::fuzz
