#pragma once
#include "core/entry.hpp"

#include <string>

namespace calbridge::http {

/// How long ago, for people: "just now", "5 minutes ago", "yesterday at 14:30", "on 3 November 2026 at 09:00".
/// `zone` is an IANA zone. A time in the future counts as now.
std::string agoWords(TimeMs now, TimeMs then, const std::string& zone);

/// A day as a calendar sheet shows it.
struct DaySheet {
  std::string day;     ///< "1"
  std::string month;   ///< "Dec"
  std::string weekday; ///< "Tue"
};

/// When an entry is, as its person reads it.
struct WhenWords {
  DaySheet sheet;      ///< of the first day
  std::string date;    ///< "Tuesday, 1 December 2026"
  std::string time;    ///< "09:00 – 11:00", "all day", "22:00 – Wed 2 Dec, 02:00", "until Thu 3 Dec"
  std::string machine; ///< for <time datetime>: an RFC 3339 instant, or a date for all-day entries
};

/// An all-day entry is on its own dates wherever the reader is; every other one is shown in `zone`.
WhenWords whenWords(const EntryTime& time, const std::string& zone);

/// The zone if it is one, or else "UTC".
std::string knownZone(const std::string& zone);
/// "Europe/London", "America/New York".
std::string zoneWords(const std::string& zone);

} // namespace calbridge::http
