/// What a CalDAV server answers: XML, redirects, challenges, tags. The first section is what is asked: `authenticate
/// SERVER`, `list`, or words of `push` or `delete` with `known` (the entry has been there), `chosen` (a calendar was
/// chosen) and `digest` (an earlier call was asked for one). Every further one is an answer, as in google and outlook.
///
/// Invariants beside those of PluginDriver: nothing is asked outside of the server's domain, nor in the clear; only
/// methods that CalDAV needs; what is written or deleted depends on a tag, on nothing being there, or on what was just
/// read; the calendars of a list are URLs within the domain, at most one of them the usual one; a repeated push at a
/// silent server is no success.
#include "calbridge/json.hpp"
#include "core/digest.hpp"
#include "core/url.hpp"
#include "fuzz/plugin_driver.hpp"
#include "fuzz/target.hpp"
#include "plugins/wire.hpp"

#include <algorithm>
#include <set>

namespace calbridge::fuzz {
namespace {

using plugins::Operation;

constexpr std::string_view kPassword = "canary-password";
constexpr std::string_view kDomain = "example.com";
const std::string kServer = "https://dav.example.com/";
const std::string kCalendar = "https://dav.example.com/john/personal/";

PushRequest pushRequest(const std::string& words) {
  const auto has = [&](const char* word) { return words.find(word) != std::string::npos; };
  PushRequest request;
  request.operation = has("delete") ? PushRequest::Operation::remove : PushRequest::Operation::upsert;
  request.secret = nlohmann::json({{"server", kServer}, {"username", "john"}, {"password", kPassword}}).dump();
  request.uid = "u-1";
  request.idempotencyKey = "0b4e3a52-7c1d-4f6e-9a8b-1c2d3e4f5a6b";
  if (has("known")) {
    request.providerEventId = kCalendar + "u-1.ics";
    request.etag = "\"1\"";
  }
  if (has("chosen"))
    request.calendar = "https://dav.example.com/john/work/";
  request.sequence = 3;
  request.stamp = 1796000000000;
  request.entry.title = "Deep clean";
  request.entry.time = {false,           "2026-12-01T09:00:00", "2026-12-01T11:00:00",
                        "Europe/London", 1796115600000,         1796122800000};
  return request;
}

struct Planned {
  Operation operation = Operation::push;
  std::string request;
  bool upsert = false;
};

Planned planned(const std::string& line) {
  constexpr std::string_view kTyped = "authenticate ";
  if (line.starts_with(kTyped))
    return {Operation::authenticate,
            plugins::authenticateToWire(
                {{"server", line.substr(kTyped.size())}, {"username", "john"}, {"password", kPassword}})};
  const PushRequest push = pushRequest(line);
  if (line.starts_with("list")) {
    Credentials credentials;
    credentials.secret = push.secret;
    return {Operation::listCalendars, plugins::accessToWire(credentials)};
  }
  return {Operation::push, plugins::toWire(push), push.operation == PushRequest::Operation::upsert};
}

std::string headerOf(const HttpRequest& request, std::string_view name) {
  const auto found = std::find_if(request.headers.begin(), request.headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == request.headers.end() ? std::string() : found->second;
}

bool inDomain(const std::string& host) {
  return host == kDomain || host.ends_with("." + std::string(kDomain));
}

void checkRequests(const std::vector<HttpRequest>& requests, bool typed) {
  static const std::set<std::string> kMethods = {"PROPFIND", "REPORT", "GET", "PUT", "DELETE"};
  std::string read; // what was just read
  for (const HttpRequest& request : requests) {
    require(kMethods.contains(request.method), "a method is one that CalDAV needs", request.method);
    const auto url = parseUrl(request.url);
    require(url.has_value(), "a URL is one", request.url);
    require(typed || (url->scheme == "https" && inDomain(url->host)), "nothing is asked elsewhere", request.url);
    for (const auto& [name, value] : request.headers)
      require(!hasControls(value), "a header is one line", name);
    if (request.method == "GET")
      read = request.url;
    if (request.method != "PUT" && request.method != "DELETE")
      continue;
    const bool fresh = headerOf(request, "If-None-Match") == "*";
    const std::string tag = headerOf(request, "If-Match");
    require(request.method == "PUT" || !fresh, "a deletion is of something", request.url);
    require(!tag.starts_with("W/"), "a weak tag never matches", tag);
    require(fresh || !tag.empty() || !read.empty(), "nothing is overwritten or deleted unseen", request.url);
  }
}

} // namespace

void run(std::string_view input) {
  static PluginDriver driver(CALBRIDGE_PLUGIN, plugins::settingsToWire("", "", nullptr));
  static const std::string basic = base64Encode("john:" + std::string(kPassword));
  driver.typedServers = true;
  driver.secrets = {kPassword, basic};
  driver.values.clear();
  driver.script.clear();
  auto parts = sections(input);
  const std::string& line = parts.front().text;
  const Planned plan = planned(line);
  const bool typed = plan.operation == Operation::authenticate;
  if (!typed) {
    driver.values["calendar"] = kCalendar;
    if (line.find("digest") != std::string::npos)
      driver.values["auth"] =
          R"({"https://dav.example.com":{"basic":false,"realm":"r","nonce":"n","opaque":"","algorithm":"MD5","qop":true}})";
    else
      driver.values["auth"] = R"({"https://dav.example.com":{"basic":true}})";
    if (line.starts_with("list") || line.find("lost") != std::string::npos)
      driver.values.clear(); // as if nothing had been learnt yet
  }
  for (std::size_t i = 1; i < parts.size(); ++i)
    driver.script.push_back(exchangeOf(parts[i]));

  const plugins::Reply reply = driver.call(plan.operation, plan.request);
  checkRequests(driver.requests, typed);
  if (reply.status != Status::ok)
    return;
  if (typed) {
    require(std::holds_alternative<Authentication>(plugins::authenticationFromWire(reply, {})),
            "the host can take it over", reply.body);
  } else if (plan.operation == Operation::listCalendars) {
    const auto listed = plugins::calendarsFromWire(reply, driver.secrets);
    const auto* calendars = std::get_if<std::vector<Calendar>>(&listed);
    require(calendars != nullptr, "the host can take it over", reply.body);
    const auto usual = std::count_if(calendars->begin(), calendars->end(), [](const auto& c) { return c.primary; });
    require(usual == 1, "exactly one calendar is the usual one", reply.body);
    for (const Calendar& calendar : *calendars)
      require(calendar.id.starts_with("https://") && calendar.id.ends_with('/'), "a calendar is a URL", calendar.id);
  } else {
    const auto pushed = plugins::pushFromWire(reply, plan.upsert, driver.secrets);
    require(std::holds_alternative<PushReply>(pushed), "the host can take it over", reply.body);
    if (plan.upsert) {
      driver.script.clear();
      require(driver.call(plan.operation, plan.request).status != Status::ok, "without an answer there is no success");
    }
  }
}

} // namespace calbridge::fuzz
