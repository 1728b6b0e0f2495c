#include "event_sync.hpp"

#include "calbridge/oauth.hpp"
#include "discovery.hpp"
#include "icalendar/mapping.hpp"
#include "url.hpp"

#include <algorithm>
#include <array>

namespace calbridge::caldav {
namespace {

using sdk::Problem;
using sdk::Status;

constexpr int kRounds = 3;      ///< of one step
constexpr int kMostRounds = 12; ///< of all steps of one push
/// No METHOD: a calendar object resource may have none (RFC 4791 section 4.1).
constexpr const char* kHead =
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//calbridge//calbridge 1.0//EN\r\nCALSCALE:GREGORIAN\r\n";

/// If-Match compares strongly (RFC 9110 section 13.1.1): a weak tag would never match. Nor would one with blanks around
/// it, and one with control characters in it is none (section 8.8.3) and cannot be sent.
std::string strong(std::string_view etag) {
  const std::size_t first = etag.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return {};
  }
  etag = etag.substr(first, etag.find_last_not_of(" \t\r\n") - first + 1);
  const bool control = std::any_of(etag.begin(), etag.end(), [](char c) { return c == 0x7F || (c >= 0 && c < 0x20); });
  return control || etag.starts_with("W/") ? std::string() : std::string(etag);
}

bool gone(int status) {
  return status == 404 || status == 410;
}

/// Has the text a UID property of that value? Lines may be folded (RFC 5545 section 3.1) and end in LF alone.
bool carriesUid(std::string_view text, const std::string& uid) {
  std::string unfolded;
  unfolded.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      continue;
    }
    if (text[i] == '\n' && i + 1 < text.size() && (text[i + 1] == ' ' || text[i + 1] == '\t')) {
      ++i;
      continue;
    }
    unfolded.push_back(text[i]);
  }
  unfolded.insert(0, "\n");
  unfolded.push_back('\n');
  return unfolded.find("\nUID:" + uid + "\n") != std::string::npos;
}

/// The server says that the UID is there already under another name: in this calendar (RFC 4791 section 5.3.2.1), or in
/// another one of this account (RFC 6638 section 3.2.4.1, which some servers extend to all entries).
constexpr std::array<const char*, 2> kUidTaken = {"no-uid-conflict", "unique-scheduling-object-resource"};

bool isUidConflict(const sdk::HttpResponse& response) {
  return (response.status == 403 || response.status == 409 || response.status == 412) &&
         std::any_of(kUidTaken.begin(), kUidTaken.end(),
                     [&](const char* name) { return response.body.find(name) != std::string::npos; });
}

/// Where it is, as far as the server says that; empty otherwise.
std::string holderOf(const DavClient::Answer& conflict) {
  try {
    const XmlElement error = parseXml(conflict.response.body);
    for (const char* name : kUidTaken) {
      const XmlElement* taken = error.child(kCalDav, name);
      const XmlElement* href = taken == nullptr ? nullptr : taken->child(kDav, "href");
      if (href != nullptr) {
        return resolved(conflict.url, strong(href->text));
      }
    }
  } catch (const Problem&) { // it need not be XML
  }
  return {};
}

} // namespace

EventSync::EventSync(DavClient& client, ics::Zones& zones, const sdk::PushRequest& request)
    : client_(client), zones_(zones), request_(request), uid_(ics::eventUid(request.uid)) {}

sdk::PushReply EventSync::push() {
  if (request_.operation == sdk::PushRequest::Operation::remove) {
    if (request_.providerEventId.empty()) {
      removeUnknown();
    } else {
      remove(request_.providerEventId, strong(request_.etag));
    }
    return {request_.providerEventId, "", "", ""};
  }
  for (int round = 0;; ++round) {
    const std::string calendar = targetCalendar();
    try {
      return upsert(calendar);
    } catch (const CalendarGone&) {
      if (round > 0 || !request_.calendar.empty()) {
        throw Problem(Status::notFound,
                      request_.calendar.empty()
                          ? "the calendar that entries went to is gone; make one there, or connect again"
                          : "the calendar that was chosen for the entries is gone; choose another one",
                      "calendar_gone");
      }
      forgetDefaultCalendar(client_.call());
    }
  }
}

sdk::PushReply EventSync::upsert(const std::string& calendar) {
  const std::string& known = request_.providerEventId;
  if (known.empty()) {
    return create(calendar);
  }
  return isIn(known, calendar) ? replace(known, strong(request_.etag), calendar) : move(known, calendar);
}

/// One step leads to the next, and a server that answers each time something else would lead them on without end.
void EventSync::spendRound() {
  if (++rounds_ > kMostRounds) {
    throw Problem(Status::conflict, "somebody else changes this entry all the time", "conflict");
  }
}

sdk::PushReply EventSync::create(const std::string& calendar) {
  std::string url = asCollection(calendar) + request_.uid + ".ics";
  for (int round = 0; round < kRounds; ++round) {
    spendRound();
    const auto answer =
        client_.send("PUT", url, {{"Content-Type", "text/calendar; charset=utf-8"}, {"If-None-Match", "*"}}, body());
    const int status = answer.response.status;
    if (answer.response.ok()) {
      return {url, etagAfter(answer.response, url), "", ""};
    }
    if (isUidConflict(answer.response)) {
      std::string holder = holderOf(answer);
      if (holder.empty()) {
        holder = findByUid(calendar);
      }
      if (holder.empty() && !isIn(request_.providerEventId, calendar)) {
        holder = request_.providerEventId;
      }
      if (holder.empty()) {
        throw Problem(Status::conflict, "another calendar of this account holds the entry already", "uid_conflict");
      }
      if (isIn(holder, calendar)) {
        return replace(holder, {}, calendar);
      }
      remove(holder, {}); // one UID cannot be in two calendars: it leaves the one before it enters the other
      continue;
    }
    if (status == 412) {
      const Held held = look(url);
      if (held.ours) {
        return replace(url, held.etag, calendar);
      }
      if (held.there) { // somebody else's, by chance or on purpose: ours gets another name
        url = asCollection(calendar) + request_.uid + "-" + request_.idempotencyKey.substr(0, 8) + ".ics";
      }
      continue;
    }
    refuseIfGone(status, calendar);
    refused(answer.response, "the server does not take the entry");
  }
  throw Problem(Status::conflict, "the entry's place in the calendar is taken again and again", "conflict");
}

sdk::PushReply EventSync::replace(const std::string& url, std::string etag, const std::string& calendar) {
  for (int round = 0; round < kRounds; ++round) {
    spendRound();
    if (etag.empty()) { // never known, weak, or not the one any more: somebody was here
      const Held held = look(url);
      if (!held.ours) {
        return create(calendar); // deleted by hand, or its name is somebody else's now
      }
      etag = held.etag;
    }
    sdk::Headers headers = {{"Content-Type", "text/calendar; charset=utf-8"}};
    if (!etag.empty()) {
      headers.emplace_back("If-Match", etag);
    }
    const auto answer = client_.send("PUT", url, headers, body());
    const int status = answer.response.status;
    if (answer.response.ok()) {
      return {url, etagAfter(answer.response, url), "", ""};
    }
    if (status == 412 || status == 409 || gone(status)) {
      etag.clear();
      continue;
    }
    refuseIfGone(status, calendar);
    refused(answer.response, "the server does not take the changed entry");
  }
  throw Problem(Status::conflict, "somebody else changes this entry all the time", "conflict");
}

/// First there, then here: an entry may be in two calendars for a moment, but never in none.
sdk::PushReply EventSync::move(const std::string& from, const std::string& calendar) {
  sdk::PushReply reply = create(calendar);
  if (!sameUrl(reply.providerEventId, from)) {
    remove(from, {});
  }
  return reply;
}

void EventSync::remove(const std::string& url, std::string etag) {
  for (int round = 0; round < kRounds; ++round) {
    if (etag.empty()) {
      const Held held = look(url);
      if (!held.ours) {
        return;
      }
      etag = held.etag;
    }
    const auto answer =
        client_.send("DELETE", url, etag.empty() ? sdk::Headers() : sdk::Headers{{"If-Match", etag}}, {});
    const int status = answer.response.status;
    if (answer.response.ok() || gone(status)) {
      return;
    }
    if (status != 412 && status != 409) {
      refused(answer.response, "the server does not delete the entry");
    }
    etag.clear();
  }
  throw Problem(Status::conflict, "somebody else changes this entry all the time", "conflict");
}

/// A creation may have got through without its answer: only the server knows.
void EventSync::removeUnknown() {
  const std::string calendar = targetCalendar();
  const std::string url = asCollection(calendar) + request_.uid + ".ics";
  if (look(url).ours) {
    remove(url, {});
  } else if (const std::string found = findByUid(calendar); !found.empty()) {
    remove(found, {});
  }
}

EventSync::Held EventSync::look(const std::string& url) {
  const auto answer = client_.send("GET", url, {{"Accept", "text/calendar"}}, {});
  if (answer.response.ok()) {
    return {true, carriesUid(answer.response.body, uid_), strong(answer.response.header("etag"))};
  }
  if (gone(answer.response.status)) {
    return {};
  }
  refused(answer.response, "the server does not show the entry");
}

/// Where there is no calendar, servers answer a PUT with 404, 409 (RFC 4918 section 9.7.1), 403 or 405; the last three
/// say other things as well, and so the calendar itself is asked for.
void EventSync::refuseIfGone(int status, const std::string& calendar) {
  const bool doubtful = status == 403 || status == 405 || status == 409;
  if (gone(status) || (doubtful && gone(client_.propfind(calendar, 0, "<D:resourcetype/>").response.status))) {
    throw CalendarGone{};
  }
}

/// RFC 4791 section 7.8.6. Empty when there is none; a server that does not search well is not believed.
std::string EventSync::findByUid(const std::string& calendar) {
  const auto answer =
      client_.send("REPORT", calendar, {{"Depth", "1"}, {"Content-Type", "application/xml; charset=utf-8"}},
                   "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<C:calendar-query xmlns:D=\"DAV:\" "
                   "xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter "
                   "name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\"><C:prop-filter name=\"UID\"><C:text-match "
                   "collation=\"i;octet\">" +
                       escapedXml(uid_) +
                       "</C:text-match></C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>");
  if (answer.response.status != 207) {
    return {};
  }
  int looked = 0;
  for (const DavResource& resource : readMultistatus(answer.response.body)) {
    const std::string url = resolved(answer.url, resource.href);
    if (!url.empty() && ++looked <= kRounds && look(url).ours) {
      return url;
    }
  }
  return {};
}

/// A server that changed what it was given keeps the tag back (RFC 4791 section 5.3.4); it is asked for then.
std::string EventSync::etagAfter(const sdk::HttpResponse& response, const std::string& url) {
  if (const std::string_view etag = response.header("etag"); !etag.empty()) {
    return strong(etag);
  }
  const auto answer = client_.propfind(url, 0, "<D:getetag/>");
  if (answer.response.status != 207) {
    return {};
  }
  for (const DavResource& resource : readMultistatus(answer.response.body)) {
    if (const XmlElement* etag = resource.property(kDav, "getetag"); etag != nullptr) {
      return strong(etag->text);
    }
  }
  return {};
}

std::string EventSync::targetCalendar() {
  return request_.calendar.empty() ? defaultCalendar(client_) : request_.calendar;
}

std::string EventSync::body() {
  const std::string& zone = request_.entry.timezone;
  const bool zoneKnown = !request_.entry.allDay && !ics::isUtc(zone) && zones_.known(zone);
  return kHead + (zoneKnown ? zones_.text(zone) : std::string()) + ics::renderEvent(request_, zoneKnown) +
         ics::renderTail();
}

void EventSync::refused(const sdk::HttpResponse& response, const char* what) {
  const std::string status = " (HTTP " + std::to_string(response.status) + ")";
  if (response.status == 423) {
    throw Problem(Status::transient, "the calendar is locked by somebody else" + status, "locked");
  }
  if (response.status == 507) {
    throw Problem(Status::transient, "there is no room left in this account" + status, "no_room",
                  std::chrono::hours(1));
  }
  throw sdk::restProblem(response, client_.call().clock().nowMs(), what, response.status == 403 ? "forbidden" : "");
}

} // namespace calbridge::caldav
