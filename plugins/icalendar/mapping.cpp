#include "mapping.hpp"

#include "calbridge/oauth.hpp"
#include "calbridge/wall_clock.hpp"
#include "component.hpp"

#include <algorithm>
#include <limits>

namespace calbridge::ics {
namespace {

using sdk::Entry;
using sdk::Problem;
using sdk::PushRequest;
using sdk::Status;

constexpr const char* kProductId = "-//calbridge//calbridge 1.0//EN";
constexpr const char* kRefreshInterval = "PT1H";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

[[noreturn]] void refuse(const std::string& what) {
  throw Problem(Status::invalidRequest, what);
}

/// libical writes every other year as 00000000T000000, which spoils the whole feed for its readers.
icaltimetype writable(const sdk::WallClock& clock, const char* field) {
  constexpr int kLastYear = 3000;
  if (clock.year < 1 || clock.year > kLastYear)
    refuse(std::string("request/") + field + " lies outside of the years 1 to 3000, which calendar files can hold");
  return icalTime(clock);
}

/// "2026-12-01" or "2026-12-01T09:00:00".
icaltimetype wallClock(const std::string& text, bool allDay, const char* field) {
  const auto read = allDay ? sdk::readDate(text) : sdk::readWallClock(text);
  if (!read)
    refuse(std::string("request/") + field + (allDay ? " is not a date" : " is not a local date and time"));
  icaltimetype out = writable(*read, field);
  out.is_date = allDay ? 1 : 0;
  return out;
}

/// An RFC 3339 instant, printed with a Z.
icaltimetype instant(const std::string& text, const char* field) {
  const auto ms = sdk::epochMs(text);
  if (!ms)
    refuse(std::string("request/") + field + " is not an RFC 3339 instant");
  icaltimetype out =
      writable(sdk::utcClock(std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds{*ms}).count()), field);
  out.zone = icaltimezone_get_utc_timezone();
  return out;
}

void addTimes(Component& event, const Entry& entry, bool zoneKnown) {
  const bool utc = !entry.allDay && (isUtc(entry.timezone) || !zoneKnown);
  icaltimetype start =
      utc ? instant(entry.startUtc, "entry/start_utc") : wallClock(entry.start, entry.allDay, "entry/start");
  icaltimetype end = utc ? instant(entry.endUtc, "entry/end_utc") : wallClock(entry.end, entry.allDay, "entry/end");
  const auto add = [&](icalproperty* property) {
    if (!utc && !entry.allDay)
      icalproperty_add_parameter(property, icalparameter_new_tzid(entry.timezone.c_str()));
    event.add(property);
  };
  add(icalproperty_new_dtstart(start));
  // RFC 5545 section 3.8.2.2: DTEND must be later than DTSTART; without it the entry has no length.
  const bool later = utc ? entry.endUtc > entry.startUtc : entry.end > entry.start;
  if (later)
    add(icalproperty_new_dtend(end));
}

int sequenceOf(std::int64_t sequence) {
  return static_cast<int>(std::clamp<std::int64_t>(sequence, 0, std::numeric_limits<int>::max() - 1));
}

void addAlarms(Component& event, const Entry& entry, const std::string& title) {
  for (const int minutes : entry.reminders) {
    Component alarm{ICAL_VALARM_COMPONENT};
    alarm.add(icalproperty_new_action(ICAL_ACTION_DISPLAY));
    alarm.add(icalproperty_new_description(title.empty() ? "Reminder" : title.c_str()));
    icaltriggertype trigger{};
    trigger.time = icaltime_null_time();
    trigger.duration = icaldurationtype_from_int(-60 * minutes);
    alarm.add(icalproperty_new_trigger(trigger));
    event.add(std::move(alarm));
  }
}

Component eventOf(const PushRequest& request, bool zoneKnown, int sequence) {
  const Entry& entry = request.entry;
  Component event{ICAL_VEVENT_COMPONENT};
  event.add(icalproperty_new_uid(eventUid(request.uid).c_str()));
  const icaltimetype stamp = instant(request.stamp, "stamp");
  event.add(icalproperty_new_dtstamp(stamp));
  event.add(icalproperty_new_lastmodified(stamp));
  event.add(icalproperty_new_sequence(sequence));
  addTimes(event, entry, zoneKnown);
  event.add(icalproperty_new_summary(cleanText(entry.title).c_str()));
  if (!entry.description.empty())
    event.add(icalproperty_new_description(cleanText(entry.description).c_str()));
  if (!entry.location.empty())
    event.add(icalproperty_new_location(cleanText(entry.location).c_str()));
  if (const std::string url = cleanUrl(entry.url); !url.empty())
    event.add(icalproperty_new_url(url.c_str()));
  if (entry.visibility == "public")
    event.add(icalproperty_new_class(ICAL_CLASS_PUBLIC));
  if (entry.visibility == "private")
    event.add(icalproperty_new_class(ICAL_CLASS_PRIVATE));
  if (entry.visibility == "confidential")
    event.add(icalproperty_new_class(ICAL_CLASS_CONFIDENTIAL));
  return event;
}

/// An X- property of TEXT, escaped (RFC 5545 section 3.3.11) and folded (3.1) here: libical leaves `;` and `,` in the
/// values of X- properties as they are.
std::string extension(std::string_view name, std::string_view text) {
  std::string line = std::string(name) + ":";
  for (const char c : text) {
    if (c == '\\' || c == ';' || c == ',') {
      line += '\\';
    }
    line += c == '\n' ? "\\n" : std::string(1, c);
  }
  std::string out;
  appendFolded(out, line);
  return out;
}

} // namespace

std::string eventUid(std::string_view uid) {
  return cleanText(uid) + "@calbridge";
}

std::string cleanText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] >= ' ' && text[i] < 0x7F) {
      out += text[i++];
      continue;
    }
    const std::size_t length = sdk::utf8SequenceLength(text, i);
    const std::string_view character = text.substr(i, std::max<std::size_t>(length, 1));
    i += character.size();
    if (length == 0) {
      out += kReplacement;
    } else if (character == "\r") {
      if (i >= text.size() || text[i] != '\n')
        out += '\n';
    } else if (character == "\xC2\x85" || character == "\xE2\x80\xA8" || character == "\xE2\x80\xA9" ||
               character == "\v" || character == "\f") {
      out += '\n'; // NEL, LINE and PARAGRAPH SEPARATOR: some readers end a line there
    } else if (length > 1 || static_cast<unsigned char>(character[0]) >= 0x20 || character == "\n" ||
               character == "\t") {
      if (character != "\x7F")
        out += character;
    }
  }
  const std::size_t last = out.find_last_not_of(" \t");
  out.erase(last == std::string::npos ? 0 : last + 1);
  out.erase(0, out.find_first_not_of(" \t"));
  return out;
}

std::string cleanUrl(std::string_view url) {
  const auto starts = [&](std::string_view scheme) {
    return url.size() > scheme.size() && std::equal(scheme.begin(), scheme.end(), url.begin(), [](char a, char b) {
             return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
           });
  };
  if (!starts("http://") && !starts("https://"))
    return {};
  std::string out;
  for (const char c : url) {
    const bool plain = c > ' ' && c < 0x7F && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += sdk::percentEncode(std::string_view(&c, 1));
    }
  }
  return out;
}

std::string renderEvent(const PushRequest& request, bool zoneKnown) {
  const Entry& entry = request.entry;
  Component event = eventOf(request, zoneKnown, sequenceOf(request.sequence));
  event.add(icalproperty_new_transp(entry.showAs == "free" ? ICAL_TRANSP_TRANSPARENT : ICAL_TRANSP_OPAQUE));
  const bool cancelled = entry.status == "cancelled";
  event.add(icalproperty_new_status(cancelled                     ? ICAL_STATUS_CANCELLED
                                    : entry.status == "tentative" ? ICAL_STATUS_TENTATIVE
                                                                  : ICAL_STATUS_CONFIRMED));
  if (!cancelled)
    addAlarms(event, entry, cleanText(entry.title));
  return event.text();
}

std::string renderCancelled(const PushRequest& request, bool zoneKnown) {
  if (!request.hasEntry)
    return {};
  Component event = eventOf(request, zoneKnown, sequenceOf(request.sequence) + 1);
  event.add(icalproperty_new_transp(ICAL_TRANSP_TRANSPARENT));
  event.add(icalproperty_new_status(ICAL_STATUS_CANCELLED));
  return event.text();
}

std::string renderHead(std::string_view name, const std::vector<std::string>& timezones) {
  const std::string title = cleanText(name);
  Component calendar{ICAL_VCALENDAR_COMPONENT};
  calendar.add(icalproperty_new_prodid(kProductId));
  calendar.add(icalproperty_new_version("2.0"));
  calendar.add(icalproperty_new_calscale("GREGORIAN"));
  if (!title.empty()) {
    calendar.add(icalproperty_new_name(title.c_str())); // RFC 7986 section 5.1
  }
  icalproperty* refresh =
      icalproperty_new_refreshinterval(icaldurationtype_from_string(kRefreshInterval)); // RFC 7986, 5.7
  icalproperty_add_parameter(refresh, icalparameter_new_value(ICAL_VALUE_DURATION));
  calendar.add(refresh);
  std::string out = calendar.text();
  out.resize(out.size() - renderTail().size());
  if (!title.empty()) {
    out += extension("X-WR-CALNAME", title); // what everybody read before NAME
  }
  out += extension("X-PUBLISHED-TTL", kRefreshInterval);
  for (const std::string& timezone : timezones)
    out += timezone;
  return out;
}

std::string renderTail() {
  return "END:VCALENDAR\r\n";
}

bool isUtc(std::string_view timezone) {
  return timezone == "UTC" || timezone == "Etc/UTC" || timezone == "Etc/UCT" || timezone == "UCT" ||
         timezone == "Zulu" || timezone == "Etc/Zulu" || timezone == "Universal" || timezone == "Etc/Universal";
}

std::string etagOf(std::string_view rendering) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : rendering)
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  std::string out(16, '0');
  for (std::size_t i = 0; i < 16; ++i)
    out[15 - i] = "0123456789abcdef"[(hash >> (4 * i)) & 0xFU];
  return out;
}

} // namespace calbridge::ics
