#include "icalendar/mapping.hpp"

#include "icalendar/timezone.hpp"
#include "plugins/mapping_fixture.hpp"
#include "plugins/random_text.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <libical/ical.h>
#include <memory>
#include <random>

using namespace calbridge;
using namespace calbridge::ics;
using namespace calbridge::testing;

namespace {

using Parsed = std::unique_ptr<icalcomponent, void (*)(icalcomponent*)>;
Parsed parse(const std::string& text) {
  return {icalparser_parse_string(text.c_str()), &icalcomponent_free};
}

/// Lines as they stand in the file, without their CRLF; fails on any line that ends otherwise.
std::vector<std::string> physicalLines(const std::string& text) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    out.push_back(text.substr(at, end - at));
    at = end + 2;
  }
  return out;
}

bool isWholeUtf8(const std::string& text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sdk::utf8SequenceLength(text, i);
    if (length == 0) {
      return false;
    }
    i += length;
  }
  return true;
}

/// What every rendering must be: lines of at most 75 octets, cut between characters, one CRLF each, no other control
/// characters, one component and its alarms.
void checkForm(const std::string& text, std::size_t alarms) {
  std::vector<std::string> begun;
  std::size_t alarmsSeen = 0;
  for (const std::string& line : physicalLines(text)) {
    CAPTURE(line);
    CHECK(line.size() <= 75);
    CHECK(isWholeUtf8(line));
    CHECK(std::none_of(line.begin(), line.end(),
                       [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; }));
    if (line.starts_with("BEGIN:")) {
      begun.push_back(line.substr(6));
      alarmsSeen += line == "BEGIN:VALARM" ? 1U : 0U;
    } else if (line.starts_with("END:")) {
      REQUIRE_FALSE(begun.empty());
      CHECK(begun.back() == line.substr(4));
      begun.pop_back();
    }
  }
  CHECK(begun.empty());
  CHECK(alarmsSeen == alarms);
}

std::string unfolded(std::string text) {
  for (std::size_t at = text.find("\r\n "); at != std::string::npos; at = text.find("\r\n ", at)) {
    text.erase(at, 3);
  }
  return text;
}
bool hasLine(const std::string& text, const std::string& line) {
  return ("\r\n" + unfolded(text)).find("\r\n" + line + "\r\n") != std::string::npos;
}
bool mentions(const std::string& text, const std::string& part) {
  return unfolded(text).find(part) != std::string::npos;
}

std::string valueOf(icalcomponent* component, icalproperty_kind kind) {
  icalproperty* property = icalcomponent_get_first_property(component, kind);
  const char* text = property == nullptr ? nullptr : icalvalue_get_text(icalproperty_get_value(property));
  return text == nullptr ? std::string() : text;
}

} // namespace

TEST_CASE("a timed entry becomes a VEVENT in its own zone") {
  auto request = fullRequest();
  request.entry.visibility = "confidential";
  const std::string text = renderEvent(request, true);
  checkForm(text, 2);
  for (const char* line :
       {"UID:u-1@calbridge", "DTSTAMP:20261122T100000Z", "LAST-MODIFIED:20261122T100000Z", "SEQUENCE:3",
        "DTSTART;TZID=Europe/London:20261201T090000", "DTEND;TZID=Europe/London:20261201T110000", "SUMMARY:Deep clean",
        "DESCRIPTION:Bring keys", "LOCATION:1 High Street", "STATUS:CONFIRMED", "TRANSP:OPAQUE", "CLASS:CONFIDENTIAL",
        "URL:https://app.example/o/77", "ACTION:DISPLAY", "TRIGGER:-PT30M", "TRIGGER:-P1D"}) {
    CAPTURE(line, text);
    CHECK(hasLine(text, line));
  }
}

TEST_CASE("an entry whose zone no VTIMEZONE can describe is written in UTC") {
  auto request = fullRequest();
  request.entry.timezone = "Mars/Olympus";
  const std::string text = renderEvent(request, false);
  CHECK(hasLine(text, "DTSTART:20261201T090000Z"));
  CHECK(hasLine(text, "DTEND:20261201T110000Z"));
  request.entry.timezone = "UTC";
  CHECK(hasLine(renderEvent(request, true), "DTSTART:20261201T090000Z"));
}

TEST_CASE("an all-day entry has dates, an exclusive end and no zone") {
  const std::string text = renderEvent(allDayRequest(), true);
  checkForm(text, 2);
  CHECK(hasLine(text, "DTSTART;VALUE=DATE:20261201"));
  CHECK(hasLine(text, "DTEND;VALUE=DATE:20261203"));
  CHECK_FALSE(mentions(text, "TZID"));
}

TEST_CASE("an entry that ends when it starts has no DTEND") {
  auto request = fullRequest();
  request.entry.end = request.entry.start;
  request.entry.endUtc = request.entry.startUtc;
  CHECK_FALSE(mentions(renderEvent(request, true), "DTEND"));
  CHECK_FALSE(mentions(renderEvent(request, false), "DTEND"));
}

TEST_CASE("what is free, tentative, cancelled or classified says so") {
  auto request = fullRequest();
  request.entry.showAs = "free";
  request.entry.status = "tentative";
  CHECK(hasLine(renderEvent(request, true), "TRANSP:TRANSPARENT"));
  CHECK(hasLine(renderEvent(request, true), "STATUS:TENTATIVE"));
  CHECK_FALSE(mentions(renderEvent(request, true), "CLASS"));
  request.entry.visibility = "public";
  CHECK(hasLine(renderEvent(request, true), "CLASS:PUBLIC"));
  request.entry.visibility = "private";
  CHECK(hasLine(renderEvent(request, true), "CLASS:PRIVATE"));
  request.entry.status = "cancelled";
  CHECK(hasLine(renderEvent(request, true), "STATUS:CANCELLED"));
  checkForm(renderEvent(request, true), 0);
}

TEST_CASE("empty texts leave no property, an empty title leaves an empty one") {
  auto request = fullRequest();
  request.entry.title = request.entry.description = request.entry.location = request.entry.url = "";
  const std::string text = renderEvent(request, true);
  CHECK(hasLine(text, "SUMMARY:"));
  CHECK_FALSE(mentions(text, "LOCATION"));
  CHECK_FALSE(mentions(text, "URL"));
  CHECK(hasLine(text, "DESCRIPTION:Reminder")); // of the alarm
}

TEST_CASE("a cancelled piece is a later version of the same event, without alarms") {
  const auto request = fullRequest();
  const std::string text = renderCancelled(request, true);
  checkForm(text, 0);
  CHECK(hasLine(text, "UID:u-1@calbridge"));
  CHECK(hasLine(text, "STATUS:CANCELLED"));
  CHECK(hasLine(text, "SEQUENCE:4"));
  CHECK(hasLine(text, "TRANSP:TRANSPARENT"));
  auto unknown = request;
  unknown.hasEntry = false;
  CHECK(renderCancelled(unknown, true).empty());
}

TEST_CASE("text never becomes structure") {
  auto request = fullRequest();
  const std::string attack = GENERATE(as<std::string>{}, "x\nBEGIN:VALARM\nTRIGGER:-PT1M\nEND:VALARM",
                                      "x\r\nEND:VEVENT\r\nBEGIN:VEVENT", "x\rATTACH:file:///etc/passwd",
                                      "x\xE2\x80\xA8"
                                      "BEGIN:VALARM",
                                      "x\xC2\x85"
                                      "BEGIN:VALARM",
                                      "x\x0B"
                                      "BEGIN:VALARM",
                                      std::string("x\0\nBEGIN:VALARM", 15), "x\xED\xA0\x80\nBEGIN:VALARM",
                                      "x\xFF\nBEGIN:VALARM", "\\nBEGIN:VALARM", "x\n BEGIN:VALARM");
  request.entry.title = request.entry.description = request.entry.location = attack;
  request.entry.url = "https://x/\r\nBEGIN:VALARM";
  const std::string text = renderEvent(request, true);
  checkForm(text, 2);
  const Parsed event = parse(text);
  REQUIRE(event);
  CHECK(icalcomponent_count_components(event.get(), ICAL_VALARM_COMPONENT) == 2);
  CHECK(icalcomponent_count_properties(event.get(), ICAL_ATTACH_PROPERTY) == 0);
  CHECK(icalcomponent_count_properties(event.get(), ICAL_XLICERROR_PROPERTY) == 0);
  CHECK(valueOf(event.get(), ICAL_SUMMARY_PROPERTY) == cleanText(attack));
}

TEST_CASE("cleaning keeps what is text and drops what is not") {
  CHECK(cleanText("a\tb\r\nc\rd\ne") == "a\tb\nc\nd\ne");
  CHECK(cleanText(std::string("a\0b\x01\x1F\x7F", 6)) == "ab");
  CHECK(cleanText("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(cleanText("\xF0\x9F\x98") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(cleanText("\xF0\x9F\x98\x80") == "\xF0\x9F\x98\x80");
  CHECK(cleanUrl("https://x/\xC3\xA9 \"<a>") == "https://x/%C3%A9%20%22%3Ca%3E");
  CHECK(cleanUrl("HTTPS://x/") == "HTTPS://x/");
  CHECK(cleanUrl("javascript:alert(1)").empty());
  CHECK(cleanUrl("https://").empty());
}

TEST_CASE("any text survives libical and stays in form") {
  std::mt19937 random(20261122);
  for (int round = 0; round < 400; ++round) {
    auto request = fullRequest();
    request.entry.title = randomText(random, random() % 60);
    request.entry.description = randomText(random, random() % 400);
    request.entry.location = randomText(random, random() % 90);
    const std::string text = renderEvent(request, round % 2 == 0);
    CAPTURE(round, text);
    checkForm(text, 2);
    const Parsed event = parse(text);
    REQUIRE(event);
    REQUIRE(valueOf(event.get(), ICAL_SUMMARY_PROPERTY) == cleanText(request.entry.title));
    REQUIRE(valueOf(event.get(), ICAL_DESCRIPTION_PROPERTY) == cleanText(request.entry.description));
    REQUIRE(valueOf(event.get(), ICAL_LOCATION_PROPERTY) == cleanText(request.entry.location));
  }
}

TEST_CASE("a feed's head and tail close around its pieces") {
  Zones zones;
  const std::string feed = renderHead("John's bookings; all, of them\n", {zones.text("Europe/London")}) +
                           renderEvent(fullRequest(), true) + renderTail();
  checkForm(feed, 2);
  for (const char* line :
       {"PRODID:-//calbridge//calbridge 1.0//EN", "VERSION:2.0", "CALSCALE:GREGORIAN",
        "NAME:John's bookings\\; all\\, of them\\n", "X-WR-CALNAME:John's bookings\\; all\\, of them\\n",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H", "X-PUBLISHED-TTL:PT1H"}) {
    CAPTURE(line, feed);
    CHECK(hasLine(feed, line));
  }
  CHECK_FALSE(mentions(feed, "METHOD"));
  const Parsed calendar = parse(feed);
  REQUIRE(calendar);
  CHECK(icalcomponent_count_components(calendar.get(), ICAL_VEVENT_COMPONENT) == 1);
  CHECK(icalcomponent_count_components(calendar.get(), ICAL_VTIMEZONE_COMPONENT) == 1);
  CHECK(icalrestriction_check(calendar.get()) == 1);
  icalcomponent* event = icalcomponent_get_first_component(calendar.get(), ICAL_VEVENT_COMPONENT);
  CHECK(icaltime_as_timet_with_zone(icalcomponent_get_dtstart(event),
                                    icaltime_get_timezone(icalcomponent_get_dtstart(event))) == 1796115600);
}

TEST_CASE("times that are none are refused by the iCalendar mapping") {
  auto request = fullRequest();
  SECTION("stamp") {
    request.stamp = "now";
  }
  SECTION("start") {
    request.entry.start = "2026-12-01T25:00:00";
  }
  SECTION("start, short") {
    request.entry.start = "2026-12-01";
  }
  SECTION("end") {
    request.entry.end = "2026-02-30T09:00:00";
  }
  CHECK_THROWS_AS(renderEvent(request, true), sdk::Problem);
}

TEST_CASE("a sequence beyond what iCalendar holds stays in range") {
  auto request = fullRequest();
  request.sequence = 99999999999;
  CHECK(hasLine(renderEvent(request, true), "SEQUENCE:2147483646"));
  CHECK(hasLine(renderCancelled(request, true), "SEQUENCE:2147483647"));
  request.sequence = -5;
  CHECK(hasLine(renderEvent(request, true), "SEQUENCE:0"));
}
