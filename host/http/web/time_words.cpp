#include "http/web/time_words.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace calbridge::http {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::array kMonths{"January", "February", "March",     "April",   "May",      "June",
                             "July",    "August",   "September", "October", "November", "December"};
constexpr std::array kWeekdays{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/// "2026-12-01…" → the day; the first one there is for anything malformed.
sys_days dayOf(const std::string& local) {
  if (local.size() < 10 || !isDate(local.substr(0, 10)))
    return sys_days{};
  const auto number = [&](std::size_t at, std::size_t size) { return std::stoi(local.substr(at, size)); };
  return sys_days{std::chrono::year{number(0, 4)} / number(5, 2) / number(8, 2)};
}

std::string monthName(sys_days day) {
  return kMonths[static_cast<unsigned>(year_month_day{day}.month()) - 1];
}
std::string weekdayName(sys_days day) {
  return kWeekdays[std::chrono::weekday{day}.c_encoding()];
}
std::string dayNumber(sys_days day) {
  return std::to_string(static_cast<unsigned>(year_month_day{day}.day()));
}
std::string longDate(sys_days day) {
  return dayNumber(day) + " " + monthName(day) + " " + std::to_string(static_cast<int>(year_month_day{day}.year()));
}
std::string shortDate(sys_days day) {
  return weekdayName(day).substr(0, 3) + " " + dayNumber(day) + " " + monthName(day).substr(0, 3);
}
/// "09:00" of "2026-12-01T09:00:00".
std::string clockTime(const std::string& local) {
  return local.size() >= 16 ? local.substr(11, 5) : std::string();
}

std::string units(TimeMs count, const char* unit) {
  return std::to_string(count) + " " + unit + (count == 1 ? "" : "s") + " ago";
}

} // namespace

std::string knownZone(const std::string& zone) {
  return isTimeZone(zone) ? zone : "UTC";
}

std::string zoneWords(const std::string& zone) {
  std::string words = zone;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

std::string agoWords(TimeMs now, TimeMs then, const std::string& zone) {
  constexpr TimeMs kMinute = 60000, kHour = 60 * kMinute;
  const TimeMs passed = now - then;
  if (passed < kMinute)
    return "just now";
  if (passed < kHour)
    return units(passed / kMinute, "minute");
  const std::string local = utcToLocal(then, zone);
  const auto days = (dayOf(utcToLocal(now, zone)) - dayOf(local)).count();
  if (days == 0 || passed < 6 * kHour)
    return units(passed / kHour, "hour");
  if (days == 1)
    return "yesterday at " + clockTime(local);
  return "on " + longDate(dayOf(local)) + " at " + clockTime(local);
}

WhenWords whenWords(const EntryTime& time, const std::string& zone) {
  WhenWords words;
  const std::string start = time.allDay ? time.start : utcToLocal(time.startUtc, zone);
  const std::string end = time.allDay ? time.end : utcToLocal(time.endUtc, zone);
  const sys_days first = dayOf(start);
  sys_days last = dayOf(end);
  if (time.allDay && last > first)
    last -= std::chrono::days(1); // the end is exclusive
  words.sheet = {dayNumber(first), monthName(first).substr(0, 3), weekdayName(first).substr(0, 3)};
  words.date = weekdayName(first) + ", " + longDate(first);
  words.machine = time.allDay ? start : formatRfc3339(time.startUtc);
  if (time.allDay)
    words.time = last > first ? "all day, until " + shortDate(last) : "all day";
  else if (start == end)
    words.time = clockTime(start);
  else
    words.time = clockTime(start) + " – " + (last > first ? shortDate(last) + ", " : "") + clockTime(end);
  return words;
}

} // namespace calbridge::http
