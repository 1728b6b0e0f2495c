#include "icalendar/timezone.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

using namespace calbridge::ics;

namespace {

std::string bigEndian(std::int64_t value, std::size_t size) {
  std::string out;
  for (std::size_t i = size; i-- > 0;) {
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i)));
  }
  return out;
}

/// A version 2 file with transitions between a winter (UTC+0) and a summer (UTC+1) time.
std::string tzif(const std::vector<std::pair<std::int64_t, int>>& transitions, const std::string& footer) {
  const auto header = [](std::size_t times, std::size_t types, std::size_t names) {
    std::string out = "TZif2" + std::string(15, '\0');
    for (const std::size_t count : {std::size_t{0}, std::size_t{0}, std::size_t{0}, times, types, names}) {
      out += bigEndian(static_cast<std::int64_t>(count), 4);
    }
    return out;
  };
  std::string out = header(0, 1, 4) + bigEndian(0, 4) + std::string(2, '\0') + std::string("UTC\0", 4);
  out += header(transitions.size(), 2, 8);
  for (const auto& [at, type] : transitions) {
    out += bigEndian(at, 8);
  }
  for (const auto& [at, type] : transitions) {
    out.push_back(static_cast<char>(type));
  }
  out += bigEndian(0, 4) + std::string("\0\0", 2) + bigEndian(3600, 4) + std::string("\1\4", 2) +
         std::string("WIN\0SUM\0", 8);
  return out + "\n" + footer + "\n";
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

} // namespace

TEST_CASE("a zone with yearly rules becomes two recurring observances") {
  Zones zones;
  const std::string& text = zones.text("Europe/London");
  CHECK(text.starts_with("BEGIN:VTIMEZONE\r\nTZID:Europe/London\r\n"));
  CHECK(text.find("RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\n") != std::string::npos);
  CHECK(text.find("RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\n") != std::string::npos);
  CHECK(count(text, "BEGIN:DAYLIGHT\r\n") == 1);
  CHECK(count(text, "BEGIN:STANDARD\r\n") == 2);
  CHECK(&zones.text("Europe/London") == &text);
}

TEST_CASE("a zone without daylight saving is one observance") {
  Zones zones;
  const std::string& text = zones.text("Asia/Kolkata");
  CHECK(count(text, "BEGIN:STANDARD\r\n") == 1);
  CHECK(text.find("TZOFFSETTO:+0530\r\n") != std::string::npos);
  CHECK(text.find("RRULE") == std::string::npos);
}

TEST_CASE("rules that no RRULE can say are spelled out") {
  Zones zones;
  const std::string& text = zones.text("Africa/Cairo"); // ends on the day after the last Thursday of October
  CHECK(text.find("RRULE") == std::string::npos);
  CHECK(text.find("RDATE:20401026T000000\r\n") != std::string::npos);
}

TEST_CASE("names that are no zones are unknown, whatever they point at") {
  Zones zones;
  for (const char* name : {"", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "zone.tab", "Europe",
                           "Europe/London\n", "posixrules\\"}) {
    CAPTURE(name);
    CHECK_FALSE(zones.known(name));
  }
  CHECK_FALSE(Zones("/nonexistent").known("Europe/London"));
}

TEST_CASE("a year in which a zone left its change out is no part of its yearly rule") {
  // Summer from March 2001, winter from October 2001, then nothing until the rules go on in March 2003.
  const ZoneData zone = parseTzif(tzif({{985482000, 1}, {1004230800, 0}, {1048986000, 1}}, "WIN0SUM,M3.5.0/1,M10.5.0"));
  CHECK(zone.hasRules);
  const std::string text = renderTimezone("Test/Gap", zone);
  CHECK(text.find("DTSTART:20010325T010000\r\n") != std::string::npos);
  CHECK(text.find("DTSTART:20030330T010000\r\n") != std::string::npos);
  CHECK(text.find("DTSTART:20031026T020000\r\n") != std::string::npos);
  CHECK(count(text, "RRULE") == 2);
}

TEST_CASE("a zone file that is broken is refused, never read beyond its end") {
  const std::string good = tzif({{985482000, 1}, {1004230800, 0}}, "WIN0SUM,M3.5.0/1,M10.5.0");
  REQUIRE_NOTHROW(parseTzif(good));
  const std::size_t data = good.rfind("WIN0SUM") - 1;
  for (std::size_t size = 0; size < data; ++size) {
    CAPTURE(size);
    CHECK_THROWS_AS(parseTzif(std::string_view(good).substr(0, size)), std::runtime_error);
  }
  std::string version1 = good;
  version1[4] = '\0';
  CHECK_THROWS_AS(parseTzif(version1), std::runtime_error);
  CHECK_THROWS_AS(parseTzif("no zone file at all, but long enough to be one of them"), std::runtime_error);
  CHECK_THROWS_AS(parseTzif(tzif({{1, 2}}, "WIN0")), std::runtime_error); // a type that is not there
  for (const char* footer : {"WIN", "0", "WIN0SUM", "WIN0SUM,M3.5.0/1", "WIN0SUM,M13.5.0,M10.5.0", "WIN0SUM,J60,J300",
                             "<WIN0", "WIN0SUM,M3.5.0/1,M10.5.0,", "WIN0SUM,M3.6.0,M10.5.0"}) {
    CAPTURE(footer);
    CHECK_THROWS_AS(parseTzif(tzif({}, footer)), std::runtime_error);
  }
  CHECK_NOTHROW(parseTzif(tzif({}, "")));
  CHECK_NOTHROW(parseTzif(tzif({}, "<+03>-3")));
}

TEST_CASE("zones may be read from many threads at once") {
  Zones zones;
  std::vector<std::thread> threads;
  std::vector<const std::string*> seen(4);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] { seen[i] = &zones.text("America/New_York"); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (const auto* text : seen) {
    CHECK(text == seen[0]);
    CHECK_FALSE(text->empty());
  }
}
