#pragma once
#include "calbridge/messages.hpp"

#include <string>
#include <string_view>
#include <vector>

/// Entry → iCalendar text (RFC 5545). Pure: no files, no clock, no state; safe to call from any thread.
namespace calbridge::ics {

/// The UID property of an entry: globally unique, and the same in every rendering of that entry.
std::string eventUid(std::string_view uid);

/// `text` as it may stand in an iCalendar TEXT value: valid UTF-8 (bytes that are not become U+FFFD), every kind of
/// line break a single \n, no other control character but tab, no white space at the ends (readers disagree about it).
/// So no input can end a line of the output early.
std::string cleanText(std::string_view text);

/// `url` as it may stand in a URL property, which has no escaping: http(s) only, everything outside of printable ASCII
/// percent-encoded. Empty when it is something else.
std::string cleanUrl(std::string_view url);

/// The VEVENT of an upsert, CRLF at its end. `zoneKnown`: the feed will carry the entry's VTIMEZONE; otherwise the
/// times are written in UTC. Throws sdk::Problem(invalidRequest) for times that are none.
std::string renderEvent(const sdk::PushRequest& request, bool zoneKnown);

/// The VEVENT that tells subscribers that the entry is gone (STATUS:CANCELLED, a higher SEQUENCE, no alarms); empty
/// when the request does not say what was there, since a VEVENT needs a DTSTART.
std::string renderCancelled(const sdk::PushRequest& request, bool zoneKnown);

/// What stands before the entries of a feed: calendar properties and VTIMEZONEs. No METHOD: PUBLISH would want an
/// ORGANIZER.
std::string renderHead(std::string_view name, const std::vector<std::string>& timezones);
/// What stands behind them.
std::string renderTail();

/// True for the names of UTC, whose times need no VTIMEZONE.
bool isUtc(std::string_view timezone);

/// A short hash (FNV-1a, 64 bits, hexadecimal) that tells renderings apart.
std::string etagOf(std::string_view rendering);

} // namespace calbridge::ics
