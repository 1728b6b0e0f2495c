// Time zones are read from the system's TZif files and not through libical's built-in zones: those (3.0.16) merge
// transitions into yearly rules that are wrong for some zones (America/St_Johns from 2038, Pacific/Easter 2020–2022),
// reach back to 1847, and carry a vendor prefix in their TZID.
#include "timezone.hpp"

#include "component.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <tuple>

namespace calbridge::ics {
namespace {

using namespace std::chrono;

constexpr int kFirstYear = 2000;
constexpr int kLastYear = 2070; // of rules that no RRULE can say
constexpr std::int64_t kLongestHalfYear = 330 * 86400;
constexpr std::uintmax_t kMaxFileBytes = 1 << 20;

std::int64_t yearStart(int y) {
  return sys_seconds{sys_days{year{y} / January / 1}}.time_since_epoch().count();
}

int yearOf(std::int64_t second) {
  return int(year_month_day{floor<days>(sys_seconds{seconds{second}})}.year());
}

/// The local wall clock second (as if it were UTC) at which a rule strikes in a year.
std::int64_t strikes(const YearlyRule& rule, int y) {
  const auto month = year{y} / std::chrono::month{unsigned(rule.month)};
  const weekday day{unsigned(rule.weekday)};
  const sys_days date = rule.week == 5 ? sys_days{month / day[last]} : sys_days{month / day[unsigned(rule.week)]};
  return sys_seconds{date}.time_since_epoch().count() + rule.seconds;
}

std::vector<Transition> transitionsOfYear(const ZoneData& zone, int y) {
  Transition daylight{strikes(zone.toDaylight, y) - zone.standardOffset, zone.standardOffset, zone.daylightOffset, true,
                      zone.daylightName};
  Transition standard{strikes(zone.toStandard, y) - zone.daylightOffset, zone.daylightOffset, zone.standardOffset,
                      false, zone.standardName};
  if (daylight.at < standard.at)
    return {daylight, standard};
  return {standard, daylight};
}

// ---- POSIX TZ string ---------------------------------------------------------------------------------------------

class TzString {
 public:
  explicit TzString(std::string_view text) : text_(text) {}

  void readInto(ZoneData& zone) {
    zone.standardName = name();
    zone.standardOffset = -time();
    if (atEnd())
      return;
    zone.daylightName = name();
    zone.daylightOffset = !atEnd() && peek() != ',' ? -time() : zone.standardOffset + 3600;
    expect(',');
    zone.toDaylight = rule();
    expect(',');
    zone.toStandard = rule();
    if (!atEnd())
      fail();
    zone.hasRules = true;
  }

 private:
  [[noreturn]] static void fail() { throw std::runtime_error("the zone's rule is in a form that is not supported"); }
  bool atEnd() const { return at_ >= text_.size(); }
  char peek() const { return atEnd() ? '\0' : text_[at_]; }
  void expect(char c) {
    if (peek() != c)
      fail();
    ++at_;
  }

  std::string name() {
    std::string out;
    if (peek() == '<') {
      ++at_;
      while (!atEnd() && peek() != '>')
        out += text_[at_++];
      expect('>');
    } else {
      while ((peek() >= 'A' && peek() <= 'Z') || (peek() >= 'a' && peek() <= 'z'))
        out += text_[at_++];
    }
    if (out.empty() || out.size() > 16)
      fail();
    return out;
  }

  int number() {
    if (peek() < '0' || peek() > '9')
      fail();
    int value = 0;
    while (peek() >= '0' && peek() <= '9' && value < 1000)
      value = value * 10 + (text_[at_++] - '0');
    return value;
  }

  int time() {
    int sign = 1;
    if (peek() == '-' || peek() == '+')
      sign = text_[at_++] == '-' ? -1 : 1;
    int value = number() * 3600;
    if (peek() == ':')
      ++at_, value += number() * 60;
    if (peek() == ':')
      ++at_, value += number();
    return sign * value;
  }

  YearlyRule rule() {
    YearlyRule rule;
    expect('M');
    rule.month = number();
    expect('.');
    rule.week = number();
    expect('.');
    rule.weekday = number();
    rule.seconds = 2 * 3600;
    if (peek() == '/')
      ++at_, rule.seconds = time();
    if (rule.month < 1 || rule.month > 12 || rule.week < 1 || rule.week > 5 || rule.weekday > 6)
      fail();
    return rule;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// ---- TZif (RFC 8536 section 3) -----------------------------------------------------------------------------------

class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}

  std::string_view take(std::size_t count) {
    if (count > rest_.size())
      throw std::runtime_error("the zone file is cut short");
    const auto out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return out;
  }
  std::int64_t integer(std::size_t size) {
    std::uint64_t value = 0;
    const auto bytes = take(size);
    if (static_cast<unsigned char>(bytes[0]) & 0x80U)
      value = ~std::uint64_t{0};
    for (const char byte : bytes)
      value = (value << 8U) | static_cast<unsigned char>(byte);
    return static_cast<std::int64_t>(value);
  }
  std::size_t count() {
    const auto value = integer(4);
    if (value < 0 || value > 65536)
      throw std::runtime_error("the zone file has an impossible size");
    return static_cast<std::size_t>(value);
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

struct Header {
  char version = 0;
  std::size_t utLocal = 0, standardWall = 0, leaps = 0, times = 0, types = 0, names = 0;
  std::size_t bodySize(std::size_t timeSize) const {
    return times * (timeSize + 1) + types * 6 + names + leaps * (timeSize + 4) + standardWall + utLocal;
  }
};

Header readHeader(Bytes& in) {
  if (in.take(4) != "TZif")
    throw std::runtime_error("not a TZif file");
  Header header;
  header.version = in.take(16)[0];
  header.utLocal = in.count();
  header.standardWall = in.count();
  header.leaps = in.count();
  header.times = in.count();
  header.types = in.count();
  header.names = in.count();
  return header;
}

// ---- rendering ---------------------------------------------------------------------------------------------------

Component observance(const Transition& first) {
  Component out{first.daylight ? ICAL_XDAYLIGHT_COMPONENT : ICAL_XSTANDARD_COMPONENT};
  out.add(icalproperty_new_dtstart(icalTime(sdk::utcClock(first.at + first.from))));
  out.add(icalproperty_new_tzoffsetfrom(first.from));
  out.add(icalproperty_new_tzoffsetto(first.to));
  out.add(icalproperty_new_tzname(first.name.c_str()));
  return out;
}

bool sayableAsRrule(const YearlyRule& rule) {
  return rule.seconds >= 0 && rule.seconds < 86400;
}

std::string rrule(const YearlyRule& rule) {
  static constexpr std::array<const char*, 7> kDays{"SU", "MO", "TU", "WE", "TH", "FR", "SA"};
  return "FREQ=YEARLY;BYMONTH=" + std::to_string(rule.month) +
         ";BYDAY=" + (rule.week == 5 ? "-1" : std::to_string(rule.week)) +
         kDays[static_cast<std::size_t>(rule.weekday)];
}

/// Appends what the rules say after the last transition of the file, up to the end of `lastYear`.
void extend(const ZoneData& zone, std::vector<Transition>& transitions, int lastYear) {
  const std::int64_t after = transitions.empty() ? yearStart(kFirstYear) : transitions.back().at;
  for (int y = std::max(kFirstYear, yearOf(after)); y <= lastYear; ++y)
    for (auto& transition : transitionsOfYear(zone, y))
      if (transition.at > after)
        transitions.push_back(std::move(transition));
}

/// Takes the transitions from the first one on from which all agree with the yearly rules off the end of `transitions`.
std::vector<Transition> splitYearly(const ZoneData& zone, std::vector<Transition>& transitions) {
  std::size_t first = transitions.size();
  while (first > 0) {
    const auto& candidate = transitions[first - 1];
    const auto expected = transitionsOfYear(zone, yearOf(candidate.at + candidate.from));
    if (std::find(expected.begin(), expected.end(), candidate) == expected.end())
      break;
    // A zone may have left a change out for a year (America/Havana in 2026); a yearly rule would invent it.
    if (first < transitions.size() && transitions[first].at - candidate.at > kLongestHalfYear)
      break;
    --first;
  }
  std::vector<Transition> yearly(transitions.begin() + static_cast<std::ptrdiff_t>(first), transitions.end());
  transitions.resize(first);
  return yearly;
}

} // namespace

ZoneData parseTzif(std::string_view bytes) {
  Bytes in{bytes};
  const Header old = readHeader(in);
  if (old.version < '2')
    throw std::runtime_error("the zone file is of version 1");
  in.take(old.bodySize(4));
  const Header header = readHeader(in);
  Bytes body{in.take(header.bodySize(8))};

  std::vector<std::int64_t> times(header.times);
  for (auto& time : times)
    time = body.integer(8);
  const auto indices = body.take(header.times);
  struct Type {
    int offset;
    bool daylight;
    std::size_t name;
  };
  std::vector<Type> types;
  for (std::size_t i = 0; i < header.types; ++i) {
    const int offset = static_cast<int>(body.integer(4));
    const bool daylight = body.integer(1) != 0;
    types.push_back({offset, daylight, static_cast<unsigned char>(body.take(1)[0])});
  }
  const auto names = body.take(header.names);
  const auto nameOf = [&](const Type& type) {
    if (type.name >= names.size())
      throw std::runtime_error("the zone file names nothing");
    return std::string(names.substr(type.name).data(), std::min(names.find('\0', type.name), names.size()) - type.name);
  };
  if (types.empty())
    throw std::runtime_error("the zone file has no types");

  ZoneData zone;
  zone.initialOffset = types[0].offset;
  zone.initialDaylight = types[0].daylight;
  zone.initialName = nameOf(types[0]);
  int before = zone.initialOffset;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto index = static_cast<unsigned char>(indices[i]);
    if (index >= types.size())
      throw std::runtime_error("the zone file points beyond its types");
    const Type& type = types[index];
    zone.transitions.push_back({times[i], before, type.offset, type.daylight, nameOf(type)});
    before = type.offset;
  }
  std::string_view footer = in.rest();
  if (footer.size() >= 2 && footer.front() == '\n') {
    footer.remove_prefix(1);
    footer = footer.substr(0, footer.find('\n'));
    if (!footer.empty())
      TzString{footer}.readInto(zone);
  }
  return zone;
}

std::string renderTimezone(const std::string& name, const ZoneData& zone) {
  const std::int64_t start = yearStart(kFirstYear);
  Transition base{0, zone.initialOffset, zone.initialOffset, zone.initialDaylight, zone.initialName};
  std::vector<Transition> transitions;
  for (const auto& transition : zone.transitions) {
    if (transition.at < start) {
      base = {0, transition.to, transition.to, transition.daylight, transition.name};
    } else {
      transitions.push_back(transition);
    }
  }
  std::vector<Transition> yearly;
  if (zone.hasRules) {
    const bool rrules = sayableAsRrule(zone.toDaylight) && sayableAsRrule(zone.toStandard);
    extend(zone, transitions, rrules ? yearOf(transitions.empty() ? start : transitions.back().at) + 2 : kLastYear);
    if (rrules)
      yearly = splitYearly(zone, transitions);
  }

  Component out{ICAL_VTIMEZONE_COMPONENT};
  out.add(icalproperty_new_tzid(name.c_str()));
  base.at = -base.from; // 1970-01-01T00:00:00 on the wall clock
  out.add(observance(base));

  using Kind = std::tuple<int, int, bool, std::string>;
  const auto kindOf = [](const Transition& t) { return Kind{t.from, t.to, t.daylight, t.name}; };
  std::set<Kind> written;
  for (const auto& first : transitions) {
    if (!written.insert(kindOf(first)).second)
      continue;
    Component part = observance(first);
    for (const auto& other : transitions) {
      if (kindOf(other) != kindOf(first) || other.at == first.at)
        continue;
      icaldatetimeperiodtype date{};
      date.time = icalTime(sdk::utcClock(other.at + other.from));
      date.period = icalperiodtype_null_period();
      part.add(icalproperty_new_rdate(date));
    }
    out.add(std::move(part));
  }
  for (std::size_t i = 0; i < yearly.size() && i < 2; ++i) {
    Component part = observance(yearly[i]);
    part.add(icalproperty_new_rrule(
        icalrecurrencetype_from_string(rrule(yearly[i].daylight ? zone.toDaylight : zone.toStandard).c_str())));
    out.add(std::move(part));
  }
  return out.text();
}

std::string Zones::load(const std::string& name) const {
  static constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.find_first_not_of(kAllowed) != std::string::npos)
    return {};
  const std::filesystem::path path = directory_ + "/" + name;
  std::error_code error;
  const std::uintmax_t size =
      std::filesystem::is_regular_file(path, error) ? std::filesystem::file_size(path, error) : 0;
  if (error || size == 0 || size > kMaxFileBytes) {
    return {};
  }
  std::string bytes(size, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(size))) {
    return {};
  }
  try {
    return renderTimezone(name, parseTzif(bytes));
  } catch (const std::runtime_error&) {
    return {}; // the entry is then written in UTC, which is always right
  }
}

const std::string& Zones::text(const std::string& name) {
  const std::lock_guard lock{mutex_};
  const auto known = texts_.find(name);
  if (known != texts_.end())
    return known->second;
  return texts_.emplace(name, load(name)).first->second;
}

} // namespace calbridge::ics
