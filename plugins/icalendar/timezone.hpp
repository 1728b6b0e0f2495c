#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge::ics {

/// One observance of a time zone: from `at` on, wall clocks show UTC + `to`.
struct Transition {
  std::int64_t at = 0; ///< seconds since 1970, UTC
  int from = 0;        ///< seconds east of UTC before it
  int to = 0;          ///< seconds east of UTC from it on
  bool daylight = false;
  std::string name; ///< "GMT", "BST"

  bool operator==(const Transition&) const = default;
};

/// A yearly rule of a POSIX TZ string (RFC 8536 section 3.3.1): "M3.5.0/1" = last Sunday of March at 01:00.
struct YearlyRule {
  int month = 1;   ///< 1–12
  int week = 1;    ///< 1–5, 5 = last
  int weekday = 0; ///< 0 = Sunday
  int seconds = 0; ///< after local midnight, may be negative or beyond a day
};

/// What a TZif file says, reduced to what a VTIMEZONE needs.
struct ZoneData {
  int initialOffset = 0; ///< in force before the first transition
  bool initialDaylight = false;
  std::string initialName;
  std::vector<Transition> transitions; ///< ascending
  bool hasRules = false;               ///< the two rules below hold after the last transition
  YearlyRule toDaylight;
  YearlyRule toStandard;
  int standardOffset = 0;
  int daylightOffset = 0;
  std::string standardName;
  std::string daylightName;
};

/// Reads the bytes of a TZif file of version 2 or later (RFC 8536). Throws std::runtime_error on anything else.
ZoneData parseTzif(std::string_view bytes);

/// The VTIMEZONE (RFC 5545 section 3.6.5) with TZID `name`: right from 2000 on, for ever where the zone's rules are
/// yearly.
std::string renderTimezone(const std::string& name, const ZoneData& zone);

/// The zones of the system's tz database. Thread-safe. Nothing is read twice; a zone that is not there stays unknown
/// until the process ends.
class Zones {
 public:
  explicit Zones(std::string directory = "/usr/share/zoneinfo") : directory_(std::move(directory)) {}

  /// The VTIMEZONE text of an IANA name, empty for an unknown one. Valid as long as this object.
  const std::string& text(const std::string& name);
  bool known(const std::string& name) { return !text(name).empty(); }

 private:
  std::string load(const std::string& name) const;

  std::string directory_;
  std::mutex mutex_;
  std::map<std::string, std::string> texts_;
};

} // namespace calbridge::ics
