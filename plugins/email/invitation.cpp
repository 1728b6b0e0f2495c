#include "invitation.hpp"

#include "calbridge/oauth.hpp"
#include "icalendar/component.hpp"
#include "icalendar/mapping.hpp"

#include <algorithm>

namespace calbridge::email {
namespace {

using sdk::PushRequest;

/// The value of a parameter in quotes (RFC 5545 section 3.2), which know no escape: a quote becomes an apostrophe.
std::string quotedParameter(std::string_view text) {
  std::string out = ics::cleanText(text);
  for (char& c : out) {
    c = c == '"' ? '\'' : (c == '\n' || c == '\t') ? ' ' : c;
  }
  return "\"" + out + "\"";
}

/// RFC 6068 section 2: some characters that a local part may hold mean something else in a URL.
std::string mailto(std::string_view address) {
  std::string out = "mailto:";
  for (const char c : address) {
    if (c > ' ' && c <= '~' && std::string_view("\"#%&/<=>?\\^`{|}").find(c) == std::string_view::npos) {
      out.push_back(c);
    } else {
      out.append(sdk::percentEncode({&c, 1}));
    }
  }
  return out;
}

std::string calendarUser(const char* property, const std::string& parameters, const std::string& name,
                         const std::string& address) {
  std::string out;
  ics::appendFolded(out, property + parameters + (name.empty() ? "" : ";CN=" + quotedParameter(name)) + ":" +
                             mailto(address));
  return out;
}

/// The lines that make an entry an invitation.
std::string people(const PushRequest& request, const Organizer& organizer) {
  std::string out = calendarUser("ORGANIZER", "", organizer.name, organizer.address);
  out += calendarUser("ATTENDEE",
                      ";CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=" + organizer.participation + ";RSVP=FALSE",
                      request.recipient.name, request.recipient.email);
  return out;
}

/// A cancellation of something of which nobody knows when it was (RFC 5546 section 3.2.5 wants no DTSTART).
std::string bareCancellation(const PushRequest& request) {
  PushRequest sometime = request;
  sometime.hasEntry = true;
  sometime.entry = {};
  sometime.entry.allDay = true;
  sometime.entry.start = sometime.entry.end = "1970-01-01";
  std::string event = ics::renderCancelled(sometime, false);
  for (const std::string_view name : {"DTSTART", "SUMMARY"}) {
    const std::size_t at = event.find("\r\n" + std::string(name)) + 2;
    event.erase(at, event.find("\r\n", at) + 2 - at);
  }
  return event;
}

} // namespace

std::string calendarOf(const PushRequest& request, const Organizer& organizer, const std::string& timezone) {
  const bool upsert = request.operation == PushRequest::Operation::upsert;
  std::string event;
  if (upsert) {
    event = ics::renderEvent(request, !timezone.empty());
  } else {
    // A removal's number is above that of the last request already; renderCancelled counts one up for feeds, where a
    // later entry would then have the same one.
    PushRequest removal = request;
    removal.sequence = std::max<std::int64_t>(0, request.sequence - 1);
    event = request.hasEntry ? ics::renderCancelled(removal, !timezone.empty()) : bareCancellation(removal);
  }
  static constexpr std::string_view kBegin = "BEGIN:VEVENT\r\n";
  std::string lines = people(request, organizer);
  if (upsert) { // what Outlook goes by
    lines.append("X-MICROSOFT-CDO-BUSYSTATUS:").append(request.entry.showAs == "free" ? "FREE" : "BUSY");
    lines.append("\r\nX-MICROSOFT-DISALLOW-COUNTER:TRUE\r\n");
  }
  event.insert(kBegin.size(), lines);
  return std::string("BEGIN:VCALENDAR\r\nPRODID:-//calbridge//calbridge 1.0//EN\r\nVERSION:2.0\r\n"
                     "CALSCALE:GREGORIAN\r\nMETHOD:") +
         (upsert ? "REQUEST" : "CANCEL") + "\r\n" + timezone + event + "END:VCALENDAR\r\n";
}

std::string fingerprint(const PushRequest& request, const Organizer& organizer, const std::string& timezone) {
  PushRequest timeless = request;
  timeless.operation = PushRequest::Operation::upsert;
  timeless.sequence = 0;
  timeless.stamp = "1970-01-01T00:00:00Z";
  return ics::etagOf(calendarOf(timeless, organizer, timezone));
}

} // namespace calbridge::email
