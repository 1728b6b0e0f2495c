#pragma once
#include "calbridge/oauth.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

/// The dates and times of an entry, field by field. Pure functions.
namespace calbridge::sdk {

/// What a calendar and a clock on a wall show, in whatever zone.
struct WallClock {
  int year = 0;   ///< of the Gregorian calendar
  int month = 1;  ///< 1–12
  int day = 1;    ///< 1–31
  int hour = 0;   ///< 0–23
  int minute = 0; ///< 0–59
  int second = 0; ///< 0–59
};

/// Reads "2026-12-01" as midnight of that day; nullopt for anything else and for days that do not exist.
inline std::optional<WallClock> readDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') {
    return std::nullopt;
  }
  WallClock read;
  read.year = detail::digits(text, 0, 4);
  read.month = detail::digits(text, 5, 2);
  read.day = detail::digits(text, 8, 2);
  return detail::instantMs(read.year, read.month, read.day, 0, 0, 0) ? std::optional(read) : std::nullopt;
}

/// Reads "2026-12-01T09:00:00"; nullopt for anything else and for times that do not exist on any clock.
inline std::optional<WallClock> readWallClock(std::string_view text) {
  if (text.size() != 19 || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  auto read = readDate(text.substr(0, 10));
  if (!read) {
    return std::nullopt;
  }
  read->hour = detail::digits(text, 11, 2);
  read->minute = detail::digits(text, 14, 2);
  read->second = detail::digits(text, 17, 2);
  const auto instant = detail::instantMs(read->year, read->month, read->day, read->hour, read->minute, read->second);
  return instant ? read : std::nullopt;
}

/// What a clock in UTC shows `seconds` after the beginning of 1970.
inline WallClock utcClock(std::int64_t seconds) {
  using namespace std::chrono;
  const sys_seconds at{std::chrono::seconds{seconds}};
  const auto date = floor<days>(at);
  const year_month_day ymd{date};
  const hh_mm_ss clock{at - date};
  return {.year = int(ymd.year()),
          .month = static_cast<int>(unsigned(ymd.month())),
          .day = static_cast<int>(unsigned(ymd.day())),
          .hour = static_cast<int>(clock.hours().count()),
          .minute = static_cast<int>(clock.minutes().count()),
          .second = static_cast<int>(clock.seconds().count())};
}

} // namespace calbridge::sdk
