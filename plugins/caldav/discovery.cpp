#include "discovery.hpp"

#include "calbridge/oauth.hpp"

#include "url.hpp"

#include <algorithm>
#include <array>

namespace calbridge::caldav {
namespace {

using sdk::Problem;
using sdk::Status;

constexpr const char* kCalendarKey = "calendar";
constexpr const char* kPrincipalProperties = "<D:current-user-principal/><D:resourcetype/><C:calendar-home-set/>";
constexpr const char* kCalendarProperties =
    "<D:resourcetype/><D:displayname/><D:current-user-privilege-set/><C:supported-calendar-component-set/>"
    "<A:calendar-color/>";

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? std::string() : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::vector<std::string> hrefsIn(const XmlElement* property, const std::string& base) {
  std::vector<std::string> out;
  if (property != nullptr) {
    for (const XmlElement& child : property->children) {
      const std::string url = child.is(kDav, "href") ? resolved(base, trimmed(child.text)) : std::string();
      if (!url.empty()) {
        out.push_back(url);
      }
    }
  }
  return out;
}

[[noreturn]] void notCaldav(DavClient& client, const std::string& what) {
  throw Problem(Status::notFound, what + ". Asked were: " + client.trace(), "not_caldav");
}

/// Says nothing about what the server can do. 501 does: it has never heard of WebDAV.
bool isBusy(int status) {
  return status == 429 || (status >= 500 && status != 501);
}

/// Where the person was found.
struct Found {
  std::string principal;
  std::vector<std::string> homes; ///< when the same answer named them
};

/// One place that may tell who the person is; nullopt when it does not.
std::optional<Found> ask(DavClient& client, const std::string& url) {
  for (int round = 0; round < 2; ++round) {
    const DavClient::Answer answer = client.propfind(url, 0, kPrincipalProperties);
    if (isBusy(answer.response.status)) {
      throw sdk::restProblem(answer.response, client.call().clock().nowMs(),
                             hostOf(answer.url) + " cannot answer at the moment");
    }
    if (answer.response.status != 207) {
      return std::nullopt;
    }
    const auto resources = readMultistatus(answer.response.body);
    if (resources.empty()) {
      return std::nullopt;
    }
    const XmlElement* principal = resources.front().property(kDav, "current-user-principal");
    Found found;
    found.homes = hrefsIn(resources.front().property(kCalDav, "calendar-home-set"), answer.url);
    if (const auto urls = hrefsIn(principal, answer.url); !urls.empty()) {
      found.principal = urls.front();
      return found;
    }
    if (principal != nullptr && principal->child(kDav, "unauthenticated") != nullptr && round == 0) {
      client.insist(answer.url); // it answers everybody, and asks nobody who they are
      continue;
    }
    if (!found.homes.empty()) {
      found.principal = answer.url;
      return found;
    }
    return std::nullopt;
  }
  return std::nullopt;
}

Found findPerson(DavClient& client) {
  const std::string& server = client.account().server;
  const std::string origin = originOf(server);
  std::vector<std::string> places = {origin + "/.well-known/caldav", origin + "/"};
  if (targetOf(server) != "/") {
    // Services in a folder of their own redirect from within it, where they cannot from the root.
    places.insert(places.begin(), {server, asCollection(server) + ".well-known/caldav"});
  }
  for (const std::string& place : places) {
    if (auto found = ask(client, place)) {
      return *found;
    }
  }
  notCaldav(client, "there is no CalDAV server at " + server);
}

bool holdsEvents(const DavResource& resource) {
  const XmlElement* type = resource.property(kDav, "resourcetype");
  if (type == nullptr || type->child(kCalDav, "calendar") == nullptr) {
    return false;
  }
  const XmlElement* components = resource.property(kCalDav, "supported-calendar-component-set");
  if (components == nullptr || components->children.empty()) {
    return true; // RFC 4791 section 5.2.3: all kinds
  }
  return std::any_of(components->children.begin(), components->children.end(), [](const XmlElement& component) {
    return component.is(kCalDav, "comp") && component.nameValue == "VEVENT";
  });
}

/// RFC 3744 section 5.5: what the person may do there. A server that does not say is believed to let everything.
bool isWritable(const DavResource& resource) {
  const XmlElement* privileges = resource.property(kDav, "current-user-privilege-set");
  if (privileges == nullptr) {
    return true;
  }
  return std::any_of(privileges->children.begin(), privileges->children.end(), [](const XmlElement& privilege) {
    return std::any_of(privilege.children.begin(), privilege.children.end(), [](const XmlElement& right) {
      return right.space == kDav &&
             (right.name == "all" || right.name == "write" || right.name == "write-content" || right.name == "bind");
    });
  });
}

sdk::Calendar calendarOf(const DavResource& resource, const std::string& base) {
  sdk::Calendar calendar;
  calendar.id = asCollection(resolved(base, resource.href));
  if (const XmlElement* name = resource.property(kDav, "displayname"); name != nullptr) {
    calendar.name = trimmed(name->text);
  }
  if (const XmlElement* color = resource.property(kAppleIcal, "calendar-color"); color != nullptr) {
    const std::string text = trimmed(color->text);
    const bool usual = (text.size() == 7 || text.size() == 9) && text.front() == '#' &&
                       text.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string::npos;
    calendar.color = usual ? text.substr(0, 7) : std::string();
  }
  calendar.writable = isWritable(resource);
  return calendar;
}

void collect(DavClient& client, const std::string& home, std::vector<sdk::Calendar>& out) {
  const DavClient::Answer answer = client.propfind(asCollection(home), 1, kCalendarProperties);
  if (answer.response.status != 207) {
    if (isBusy(answer.response.status)) {
      throw sdk::restProblem(answer.response, client.call().clock().nowMs(), "the server cannot list its calendars");
    }
    notCaldav(client, "the server does not list the calendars of this account");
  }
  for (const DavResource& resource : readMultistatus(answer.response.body)) {
    if (!holdsEvents(resource)) {
      continue;
    }
    sdk::Calendar calendar = calendarOf(resource, answer.url);
    const bool known = std::any_of(out.begin(), out.end(), [&](const auto& c) { return sameUrl(c.id, calendar.id); });
    if (!known && calendar.id.size() > 1) {
      out.push_back(std::move(calendar));
    }
  }
}

/// The calendar whose address was typed; or one with a name that servers give the first; or simply the first one.
std::size_t preferred(const std::vector<sdk::Calendar>& calendars, const std::string& typed) {
  static constexpr std::array<std::string_view, 4> kUsual = {"/personal/", "/home/", "/default/", "/calendar/"};
  const auto rank = [&](const sdk::Calendar& calendar) -> std::size_t {
    if (!calendar.writable) {
      return kUsual.size() + 2;
    }
    if (sameUrl(calendar.id, asCollection(typed))) {
      return 0;
    }
    const auto usual =
        std::find_if(kUsual.begin(), kUsual.end(), [&](std::string_view end) { return calendar.id.ends_with(end); });
    return 1 + static_cast<std::size_t>(usual - kUsual.begin());
  };
  std::size_t best = 0;
  for (std::size_t i = 1; i < calendars.size(); ++i) {
    best = rank(calendars[i]) < rank(calendars[best]) ? i : best;
  }
  return best;
}

} // namespace

Discovered discover(DavClient& client) {
  Found found = findPerson(client);
  if (found.homes.empty()) {
    const DavClient::Answer answer = client.propfind(found.principal, 0, "<C:calendar-home-set/>");
    const auto resources =
        answer.response.status == 207 ? readMultistatus(answer.response.body) : std::vector<DavResource>();
    for (const DavResource& resource : resources) {
      for (const std::string& home : hrefsIn(resource.property(kCalDav, "calendar-home-set"), answer.url)) {
        found.homes.push_back(home);
      }
    }
    if (found.homes.empty()) {
      notCaldav(client, "the server knows this account, but has no calendars for it");
    }
  }
  Discovered out;
  out.principal = found.principal;
  for (const std::string& home : found.homes) {
    collect(client, home, out.calendars);
  }
  // In an order of our own: servers change theirs, and the default may not change with it.
  std::sort(out.calendars.begin(), out.calendars.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  const std::size_t best = out.calendars.empty() ? 0 : preferred(out.calendars, client.account().server);
  if (out.calendars.empty() || !out.calendars[best].writable) {
    throw Problem(Status::notFound,
                  out.calendars.empty()
                      ? "this account has no calendar for events; make one there and try again. Asked were: " +
                            client.trace()
                      : "none of this account's calendars may be written to; make one there and try again",
                  "no_writable_calendar");
  }
  out.calendars[best].primary = true;
  return out;
}

std::string defaultCalendar(DavClient& client) {
  if (const auto kept = client.call().kv().get(kCalendarKey); kept && !kept->empty()) {
    return *kept;
  }
  for (const sdk::Calendar& calendar : discover(client).calendars) {
    if (calendar.primary) {
      client.call().kv().set(kCalendarKey, calendar.id);
      return calendar.id;
    }
  }
  throw Problem(Status::notFound, "this account has no calendar to write to", "no_writable_calendar");
}

void forgetDefaultCalendar(sdk::Call& call) {
  call.kv().set(kCalendarKey, "");
}

} // namespace calbridge::caldav
