/// What the ics plugin makes of entries: the input is the JSON of a push or, behind a line "=== feed", of a feed.
///
/// Invariants beside those of PluginDriver: a rendering is one VEVENT and nothing else, with as many alarms as the
/// entry has reminders and the texts that were given; every line ends with CR LF and has at most 75 octets, none is cut
/// inside a character; the feed around it is read back by libical without a complaint.
#include "calbridge/json.hpp"
#include "fuzz/plugin_driver.hpp"
#include "fuzz/target.hpp"
#include "plugins/wire.hpp"

#include <libical/ical.h>

namespace calbridge::fuzz {
namespace {

using plugins::Operation;

struct Free {
  void operator()(icalcomponent* component) const { icalcomponent_free(component); }
};
using Component = std::unique_ptr<icalcomponent, Free>;

void checkLines(const std::string& text) {
  require(text.empty() || text.ends_with("\r\n"), "the last line is ended", text);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find("\r\n", begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    require(line.size() <= 75, "a line has at most 75 octets", line);
    require(!line.empty() && isUtf8(line) && !hasControls(line, "\t"), "a line is text", line);
    begin = end + 2;
  }
}

/// Parses a calendar; dies on what libical finds wrong with it.
Component parsed(const std::string& text) {
  Component calendar(icalparser_parse_string(text.c_str()));
  require(calendar && icalcomponent_isa(calendar.get()) == ICAL_VCALENDAR_COMPONENT, "a feed is a calendar", text);
  require(icalcomponent_count_errors(calendar.get()) == 0, "libical has no complaints", text);
  return calendar;
}

std::string frame(const std::string& rendering) {
  return "BEGIN:VCALENDAR\r\nPRODID:-//x//x//EN\r\nVERSION:2.0\r\n" + rendering + "END:VCALENDAR\r\n";
}

int countOf(icalcomponent* component, icalcomponent_kind kind) {
  return icalcomponent_count_components(component, kind);
}

void checkEvent(const std::string& rendering, const nlohmann::json& request) {
  checkLines(rendering);
  const Component calendar = parsed(frame(rendering));
  require(countOf(calendar.get(), ICAL_ANY_COMPONENT) == 1 && countOf(calendar.get(), ICAL_VEVENT_COMPONENT) == 1,
          "a rendering is one VEVENT", rendering);
  icalcomponent* event = icalcomponent_get_first_component(calendar.get(), ICAL_VEVENT_COMPONENT);
  const auto& entry = request.at("entry");
  const bool shown = request.at("operation") == "upsert" && entry.value("status", nlohmann::json()) != "cancelled";
  const int reminders = shown && entry.contains("reminders") && entry["reminders"].is_array()
                            ? static_cast<int>(entry["reminders"].size())
                            : 0;
  require(countOf(event, ICAL_VALARM_COMPONENT) == reminders && countOf(event, ICAL_ANY_COMPONENT) == reminders,
          "an event has an alarm for each reminder and nothing else", rendering);
  for (const icalproperty_kind once : {ICAL_UID_PROPERTY, ICAL_DTSTAMP_PROPERTY, ICAL_DTSTART_PROPERTY,
                                       ICAL_SEQUENCE_PROPERTY, ICAL_SUMMARY_PROPERTY, ICAL_STATUS_PROPERTY})
    require(icalcomponent_count_properties(event, once) == 1, "what must be there is there once", rendering);
  for (const icalproperty_kind never :
       {ICAL_ATTENDEE_PROPERTY, ICAL_ORGANIZER_PROPERTY, ICAL_ATTACH_PROPERTY, ICAL_RRULE_PROPERTY, ICAL_X_PROPERTY})
    require(icalcomponent_count_properties(event, never) == 0, "no text becomes a property", rendering);
  const std::string start = icaltime_as_ical_string(icalcomponent_get_dtstart(event));
  require(start.size() >= 8 && start != "00000000T000000", "an event has a beginning", start);
}

} // namespace

void run(std::string_view input) {
  static PluginDriver driver(CALBRIDGE_PLUGIN, plugins::settingsToWire("", "", nullptr));
  for (const Section& section : sections(input)) {
    const Operation operation = section.title == "feed" ? Operation::feed : Operation::push;
    if (section.text.empty())
      continue;
    const plugins::Reply reply = driver.call(operation, section.text);
    if (reply.status != Status::ok) {
      require(reply.status == Status::invalidRequest, "only a wrong request is refused", reply.body);
      continue;
    }
    require(driver.call(operation, section.text).body == reply.body, "the same request gives the same bytes");
    const auto request = nlohmann::json::parse(section.text);
    if (operation == Operation::feed) {
      const auto framed = plugins::feedFromWire(reply, {});
      require(std::holds_alternative<FeedFrame>(framed), "a feed has its frame", reply.body);
      const auto& [head, tail] = std::get<FeedFrame>(framed);
      checkLines(head + tail);
      const Component calendar = parsed(head + tail);
      require(countOf(calendar.get(), ICAL_ANY_COMPONENT) == countOf(calendar.get(), ICAL_VTIMEZONE_COMPONENT),
              "a frame holds time zones only", head);
    } else {
      const bool upsert = request.at("operation") == "upsert";
      const auto pushed = plugins::pushFromWire(reply, upsert, {});
      require(std::holds_alternative<PushReply>(pushed), "a push gives its rendering", reply.body);
      const std::string& rendering = std::get<PushReply>(pushed).rendering;
      require(!upsert || !rendering.empty(), "an entry has a rendering");
      if (!rendering.empty())
        checkEvent(rendering, request);
    }
  }
}

} // namespace calbridge::fuzz
