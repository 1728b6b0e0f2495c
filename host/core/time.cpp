#include "core/time.hpp"
#include "core/error.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <date/tz.h>

namespace calbridge {
namespace {

/// Reads exactly `count` digits at `pos`; -1 when there are none.
int digits(std::string_view text, std::size_t pos, std::size_t count) {
  if (pos + count > text.size())
    return -1;
  int value = 0;
  for (std::size_t i = pos; i < pos + count; ++i) {
    if (text[i] < '0' || text[i] > '9')
      return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

std::optional<date::year_month_day> readDate(std::string_view text) {
  if (text.size() < 10 || text[4] != '-' || text[7] != '-')
    return std::nullopt;
  const int y = digits(text, 0, 4), m = digits(text, 5, 2), d = digits(text, 8, 2);
  if (y < 1 || m < 0 || d < 0)
    return std::nullopt;
  const date::year_month_day ymd{date::year{y}, date::month{static_cast<unsigned>(m)},
                                 date::day{static_cast<unsigned>(d)}};
  if (!ymd.ok())
    return std::nullopt;
  return ymd;
}

/// "HH:MM:SS" at `pos`; a leap second counts as the second before it.
std::optional<std::chrono::seconds> readTime(std::string_view text, std::size_t pos) {
  if (pos + 8 > text.size() || text[pos + 2] != ':' || text[pos + 5] != ':')
    return std::nullopt;
  const int h = digits(text, pos, 2), m = digits(text, pos + 3, 2), s = digits(text, pos + 6, 2);
  if (h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60)
    return std::nullopt;
  return std::chrono::hours{h} + std::chrono::minutes{m} + std::chrono::seconds{s == 60 ? 59 : s};
}

const date::time_zone* findZone(const std::string& name) {
  // The database is read once and never changes; a per-thread memory of the last zone saves the search.
  thread_local std::string lastName;
  thread_local const date::time_zone* lastZone = nullptr;
  if (lastZone && lastName == name)
    return lastZone;
  if (name.empty() || name.size() > 64)
    return nullptr;
  try {
    const auto* zone = date::locate_zone(name);
    lastName = name;
    lastZone = zone;
    return zone;
  } catch (const std::exception&) {
    return nullptr;
  }
}

TimeMs toMs(date::sys_seconds time) {
  return static_cast<TimeMs>(time.time_since_epoch().count()) * 1000;
}

date::sys_time<std::chrono::milliseconds> fromMs(TimeMs time) {
  return date::sys_time<std::chrono::milliseconds>{std::chrono::milliseconds{time}};
}

struct Broken {
  int year;
  unsigned month, day, weekday;
  int hour, minute, second, milli;
};

Broken breakDown(TimeMs time) {
  const auto point = fromMs(time);
  const auto day = date::floor<date::days>(point);
  const date::year_month_day ymd{day};
  const date::hh_mm_ss<std::chrono::milliseconds> hms{point - day};
  return {static_cast<int>(ymd.year()),
          static_cast<unsigned>(ymd.month()),
          static_cast<unsigned>(ymd.day()),
          date::weekday{day}.c_encoding(),
          static_cast<int>(hms.hours().count()),
          static_cast<int>(hms.minutes().count()),
          static_cast<int>(hms.seconds().count()),
          static_cast<int>(hms.subseconds().count())};
}

/// `count` digits of `value` over what stands at `pos`. (Without snprintf: every push writes three times.)
void putDigits(std::string& out, std::size_t pos, std::size_t count, unsigned value) {
  for (std::size_t i = count; i-- > 0; value /= 10)
    out[pos + i] = static_cast<char>('0' + value % 10);
}

constexpr TimeMs kFirstInstant = -62135596800000; ///< 0001-01-01T00:00:00Z
constexpr TimeMs kLastInstant = 253402300799999;  ///< 9999-12-31T23:59:59.999Z

constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

} // namespace

TimeMs SystemClock::now() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

TimeMs SystemClock::monotonic() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::optional<TimeMs> parseRfc3339(std::string_view text) {
  if (text.size() < 20 || text.size() > 40 || (text[10] != 'T' && text[10] != 't' && text[10] != ' '))
    return std::nullopt;
  const auto day = readDate(text);
  const auto time = readTime(text, 11);
  if (!day || !time)
    return std::nullopt;
  std::size_t pos = 19;
  int millis = 0;
  if (text[pos] == '.') {
    const std::size_t first = ++pos;
    while (pos < text.size() && text[pos] >= '0' && text[pos] <= '9')
      ++pos;
    if (pos == first)
      return std::nullopt;
    for (std::size_t i = 0; i < 3; ++i)
      millis = millis * 10 + (first + i < pos ? text[first + i] - '0' : 0);
  }
  if (pos >= text.size())
    return std::nullopt;
  std::chrono::minutes offset{0};
  if (text[pos] == 'Z' || text[pos] == 'z') {
    ++pos;
  } else if (text[pos] == '+' || text[pos] == '-') {
    if (pos + 6 > text.size() || text[pos + 3] != ':')
      return std::nullopt;
    const int h = digits(text, pos + 1, 2), m = digits(text, pos + 4, 2);
    if (h < 0 || h > 23 || m < 0 || m > 59)
      return std::nullopt;
    offset = std::chrono::hours{h} + std::chrono::minutes{m};
    if (text[pos] == '-')
      offset = -offset;
    pos += 6;
  } else {
    return std::nullopt;
  }
  if (pos != text.size())
    return std::nullopt;
  const TimeMs instant = toMs(date::sys_days{*day} + *time - offset) + millis;
  // The offset may lead out of the years that RFC 3339 can write.
  return instant < kFirstInstant || instant > kLastInstant ? std::nullopt : std::optional(instant);
}

std::string formatRfc3339(TimeMs time) {
  const Broken b = breakDown(time);
  std::string out = "0000-00-00T00:00:00Z";
  if (b.year < 0 || b.year > 9999) // beyond RFC 3339; still readable
    out.replace(0, 4, std::to_string(b.year));
  else
    putDigits(out, 0, 4, static_cast<unsigned>(b.year));
  const std::size_t at = out.size() - 15;
  putDigits(out, at, 2, b.month);
  putDigits(out, at + 3, 2, b.day);
  putDigits(out, at + 6, 2, static_cast<unsigned>(b.hour));
  putDigits(out, at + 9, 2, static_cast<unsigned>(b.minute));
  putDigits(out, at + 12, 2, static_cast<unsigned>(b.second));
  if (b.milli) {
    out.replace(out.size() - 1, 1, ".000Z");
    putDigits(out, out.size() - 4, 3, static_cast<unsigned>(b.milli));
  }
  return out;
}

std::string formatHttpDate(TimeMs time) {
  const Broken b = breakDown(time);
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, "%s, %02u %s %04d %02d:%02d:%02d GMT", kDays[b.weekday], b.day,
                kMonths[b.month - 1], b.year, b.hour, b.minute, b.second);
  return buffer;
}

std::optional<TimeMs> parseHttpDate(std::string_view text) {
  // Only the preferred form; the two obsolete ones are not sent by anything we talk to.
  if (text.size() != 29 || text.substr(25) != " GMT" || text[3] != ',')
    return std::nullopt;
  const int day = digits(text, 5, 2), year = digits(text, 12, 4);
  const auto time = readTime(text, 17);
  unsigned month = 0;
  for (unsigned i = 0; i < kMonths.size(); ++i)
    if (text.substr(8, 3) == kMonths[i])
      month = i + 1;
  if (day < 1 || year < 1 || !time || !month)
    return std::nullopt;
  const date::year_month_day ymd{date::year{year}, date::month{month}, date::day{static_cast<unsigned>(day)}};
  if (!ymd.ok())
    return std::nullopt;
  return toMs(date::sys_days{ymd} + *time);
}

bool isTimeZone(const std::string& name) {
  return findZone(name) != nullptr;
}

std::optional<TimeMs> localToUtc(std::string_view local, const std::string& zone) {
  if (!isLocalDateTime(local))
    return std::nullopt;
  const auto* tz = findZone(zone);
  if (!tz)
    return std::nullopt;
  const auto point = date::local_days{*readDate(local)} + *readTime(local, 11);
  const auto info = tz->get_info(point);
  // In a gap `first` is the offset before it: using that offset moves the reading forward by the gap.
  return toMs(date::sys_seconds{point.time_since_epoch()} - info.first.offset);
}

std::string utcToLocal(TimeMs time, const std::string& zone) {
  const auto* tz = findZone(zone);
  if (!tz)
    throw Error("invalid_timezone", "unknown time zone: " + zone);
  const auto info = tz->get_info(date::floor<std::chrono::seconds>(fromMs(time)));
  const Broken b = breakDown(time + static_cast<TimeMs>(info.offset.count()) * 1000);
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d", b.year, b.month, b.day, b.hour, b.minute,
                b.second);
  return buffer;
}

bool isDate(std::string_view text) {
  return text.size() == 10 && readDate(text).has_value();
}

bool isLocalDateTime(std::string_view text) {
  return text.size() == 19 && text[10] == 'T' && readDate(text) && readTime(text, 11);
}

} // namespace calbridge
