#include "wording.hpp"

#include "calbridge/wall_clock.hpp"
#include "icalendar/mapping.hpp"

#include <array>
#include <chrono>

namespace calbridge::email {
namespace {

using sdk::Entry;
using sdk::WallClock;

constexpr std::array<const char*, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                              "Thursday", "Friday", "Saturday"};
constexpr std::array<const char*, 12> kMonths = {"January", "February", "March",     "April",   "May",      "June",
                                                 "July",    "August",   "September", "October", "November", "December"};

std::chrono::sys_days dateOf(const WallClock& clock) {
  return std::chrono::year{clock.year} / clock.month / clock.day;
}

std::string day(std::chrono::sys_days date, bool brief) {
  const std::chrono::year_month_day parts{date};
  const std::string weekday = kDays[std::chrono::weekday{date}.c_encoding()];
  const std::string month = kMonths[unsigned{parts.month()} - 1];
  const std::string number = std::to_string(unsigned{parts.day()}) + " ";
  const std::string year = " " + std::to_string(int{parts.year()});
  return brief ? weekday.substr(0, 3) + " " + number + month.substr(0, 3) + year
               : weekday + ", " + number + month + year;
}

std::string time(const WallClock& clock) {
  const auto two = [](int number) { return std::string(number < 10 ? "0" : "") + std::to_string(number); };
  return two(clock.hour) + ":" + two(clock.minute);
}

std::string titleOf(const sdk::PushRequest& request) {
  const std::string title = ics::cleanText(request.entry.title);
  return title.empty() ? "Appointment" : title;
}

/// One paragraph of the text.
void add(std::string& text, const std::string& paragraph) {
  if (!paragraph.empty()) {
    text += (text.empty() ? "" : "\n") + paragraph + "\n";
  }
}

const char* opening(Occasion occasion) {
  switch (occasion) {
  case Occasion::invited:
    return "";
  case Occasion::changed:
    return "This appointment has changed. It is now:";
  case Occasion::cancelled:
    return "This appointment is not in your calendar any more: it was cancelled, or is no longer yours.";
  case Occasion::withdrawn:
    return "This entry goes from the calendar of your mailbox. The appointment itself is not cancelled: you see it in "
           "the calendar that you connected, or asked for no more e-mail.";
  }
  return "";
}

} // namespace

std::string whenOf(const Entry& entry) {
  const auto start = entry.allDay ? sdk::readDate(entry.start) : sdk::readWallClock(entry.start);
  const auto end = entry.allDay ? sdk::readDate(entry.end) : sdk::readWallClock(entry.end);
  if (!start || !end) {
    return {};
  }
  const auto first = dateOf(*start);
  if (entry.allDay) {
    const auto last = dateOf(*end) - std::chrono::days{1}; // the end is exclusive
    return last > first ? day(first, false) + " to " + day(last, false) : day(first, false);
  }
  const std::string zone = " (" + entry.timezone + ")";
  const auto last = dateOf(*end);
  if (last > first) {
    return day(first, false) + ", " + time(*start) + " to " + day(last, false) + ", " + time(*end) + zone;
  }
  return day(first, false) + ", " + time(*start) + (entry.end > entry.start ? "–" + time(*end) : "") + zone;
}

std::string subjectOf(const sdk::PushRequest& request, Occasion occasion) {
  std::string subject = occasion == Occasion::changed     ? "Changed: "
                        : occasion == Occasion::cancelled ? "Cancelled: "
                        : occasion == Occasion::withdrawn ? "Moved out of your mailbox’s calendar: "
                                                          : "";
  subject += titleOf(request);
  const Entry& entry = request.entry;
  const auto start = entry.allDay ? sdk::readDate(entry.start) : sdk::readWallClock(entry.start);
  if (request.hasEntry && start) {
    subject += " – " + day(dateOf(*start), true) + (entry.allDay ? "" : ", " + time(*start));
  }
  return subject;
}

std::string textOf(const sdk::PushRequest& request, Occasion occasion, const std::string& sender) {
  const Entry& entry = request.entry;
  const bool upsert = occasion == Occasion::invited || occasion == Occasion::changed;
  std::string text;
  add(text, opening(occasion));
  add(text, titleOf(request));
  std::string facts;
  if (const std::string when = whenOf(entry); request.hasEntry && !when.empty()) {
    facts += "When: " + ics::cleanText(when);
  }
  if (const std::string where = ics::cleanText(entry.location); !where.empty()) {
    facts += (facts.empty() ? "Where: " : "\nWhere: ") + where;
  }
  add(text, facts);
  if (upsert) {
    add(text, ics::cleanText(entry.description));
    add(text, ics::cleanUrl(entry.url));
    add(text, "This message carries the appointment as a calendar entry. Most mail programs put it into your calendar, "
              "some after a click. When something changes, you get another message and the entry follows. You need "
              "not answer.");
  }
  std::string foot = "-- \n" + (sender.empty() ? std::string() : ics::cleanText(sender) + "\n");
  if (!request.recipient.settingsUrl.empty()) {
    foot += "Connect your calendar instead: " + request.recipient.settingsUrl + "\n";
  }
  if (!request.recipient.unsubscribeUrl.empty()) {
    foot += "No more of these messages: " + request.recipient.unsubscribeUrl + "\n";
  }
  return text + "\n" + foot;
}

} // namespace calbridge::email
