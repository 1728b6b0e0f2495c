#include "google_rules.hpp"

namespace calbridge::sandbox {

namespace {

Response bad(const std::string& reason, const std::string& message) {
  return GoogleCalendar::error(400, reason, message);
}

bool oneOf(const json& value, std::initializer_list<const char*> allowed) {
  return value.is_string() &&
         std::find(allowed.begin(), allowed.end(), value.get_ref<const std::string&>()) != allowed.end();
}

std::string offsetText(TimeMs offsetMs) {
  if (offsetMs == 0)
    return "Z";
  TimeMs minutes = std::abs(offsetMs) / 60000;
  char text[8];
  std::snprintf(text, sizeof text, "%c%02d:%02d", offsetMs < 0 ? '-' : '+', static_cast<int>(minutes / 60),
                static_cast<int>(minutes % 60));
  return text;
}

/// One end of the event. Fills in the instant and, for a dateTime, its form with an offset.
std::optional<Response> checkTime(json& time, const char* which, const Calendar& calendar, TimeMs& utc, bool& allDay) {
  bool hasDate = time.contains("date"), hasDateTime = time.contains("dateTime");
  std::string name = which;
  if (hasDate == hasDateTime)
    return bad(hasDate ? "invalid" : "required", hasDate ? "Invalid " + name + " time." : "Missing " + name + " time.");
  std::string zone = time.value("timeZone", std::string());
  if (!zone.empty() && !isTimeZone(zone))
    return bad("invalid", "Invalid time zone definition for " + name + " time.");
  allDay = hasDate;
  if (hasDate) {
    std::string date = time["date"];
    if (!isDate(date))
      return bad("invalid", "Invalid value for: Invalid format: \"" + date + "\"");
    utc = localToUtc(date + "T00:00:00", calendar.timeZone).value_or(0);
    return std::nullopt;
  }
  std::string text = time["dateTime"];
  if (auto instant = parseRfc3339(text)) {
    utc = *instant;
  } else if (isLocalDateTime(text)) {
    if (zone.empty())
      return bad("required", "Missing time zone definition for " + name + " time.");
    auto local = localToUtc(text, zone);
    if (!local)
      return bad("invalid", "Invalid " + name + " time.");
    utc = *local;
  } else {
    return bad("invalid", "Invalid value for: Invalid format: \"" + text + "\"");
  }
  std::string local = utcToLocal(utc, calendar.timeZone);
  TimeMs offset = calendar.timeZone == "UTC" ? 0 : parseRfc3339(local + "Z").value_or(utc) - utc / 1000 * 1000;
  time["dateTime"] = local + offsetText(offset);
  if (zone.empty())
    time["timeZone"] = calendar.timeZone;
  return std::nullopt;
}

std::optional<Response> checkReminders(const json& reminders) {
  bool useDefault = reminders.value("useDefault", false);
  if (!reminders.contains("overrides"))
    return std::nullopt;
  const json& overrides = reminders["overrides"];
  if (useDefault && !overrides.empty())
    return bad("cannotUseDefaultRemindersAndSpecifyOverride",
               "Cannot specify both default reminders and overrides at the same time.");
  if (overrides.size() > 5)
    return bad("invalid", "The maximum number of override reminders is 5.");
  for (const json& one : overrides) {
    if (!one.contains("method") || !one.contains("minutes"))
      return bad("required", "Missing reminder method or minutes.");
    if (!oneOf(one["method"], {"email", "popup"}))
      return bad("invalid", "Invalid reminder method.");
    auto minutes = one["minutes"].get<std::int64_t>();
    if (minutes < 0 || minutes > 40320)
      return bad("invalid", "Invalid value for: reminder minutes must be between 0 and 40320.");
  }
  return std::nullopt;
}

std::optional<Response> checkExtended(json& extended) {
  for (const char* scope : {"private", "shared"}) {
    if (!extended.contains(scope))
      continue;
    json& properties = extended[scope];
    std::size_t bytes = 0;
    for (auto it = properties.begin(); it != properties.end();) {
      if (it.key().size() > 44) { // silently dropped
        it = properties.erase(it);
        continue;
      }
      auto& value = it.value().get_ref<std::string&>();
      if (value.size() > 1024) // silently cut
        value.resize(1024);
      bytes += it.key().size() + value.size();
      ++it;
    }
    if (properties.size() > 300 || bytes > 32 * 1024)
      return bad("invalid", "Too many extended properties.");
  }
  return std::nullopt;
}

} // namespace

bool isGoogleEventId(const std::string& id) {
  return id.size() >= 5 && id.size() <= 1024 &&
         id.find_first_not_of("0123456789abcdefghijklmnopqrstuv") == std::string::npos;
}

void dropNulls(json& document) {
  if (document.is_object()) {
    for (auto it = document.begin(); it != document.end();)
      if (it->is_null()) {
        it = document.erase(it);
      } else {
        dropNulls(*it);
        ++it;
      }
  } else if (document.is_array()) {
    for (json& item : document)
      dropNulls(item);
  }
}

void mergePatch(json& target, const json& patch) {
  for (auto& [name, value] : patch.items()) {
    if (value.is_null()) {
      target.erase(name);
    } else if (value.is_object()) {
      json& inner = target[name];
      if (!inner.is_object())
        inner = json::object();
      mergePatch(inner, value);
    } else {
      target[name] = value;
    }
  }
}

std::optional<Response> checkGoogleEvent(json& event, const Calendar& calendar, const Settings& settings,
                                         StoredEvent& stored) {
  for (const char* needed : {"start", "end"})
    if (!event.contains(needed) || event[needed].empty())
      return bad("required", std::string("Missing ") + needed + " time.");
  bool startAllDay = false, endAllDay = false;
  if (auto wrong = checkTime(event["start"], "start", calendar, stored.startUtc, startAllDay))
    return wrong;
  if (auto wrong = checkTime(event["end"], "end", calendar, stored.endUtc, endAllDay))
    return wrong;
  if (startAllDay != endAllDay)
    return bad("invalid", "The start and end times must either both be date or both be dateTime.");
  bool zeroAllowed = settings.zeroLength && !startAllDay;
  if (stored.endUtc < stored.startUtc || (stored.endUtc == stored.startUtc && !zeroAllowed))
    return GoogleCalendar::error(400, "timeRangeEmpty", "The specified time range is empty.", "calendar");
  if (event.contains("status") && !oneOf(event["status"], {"confirmed", "tentative", "cancelled"}))
    return bad("invalid", "Invalid value for: status");
  if (event.contains("transparency") && !oneOf(event["transparency"], {"opaque", "transparent"}))
    return bad("invalid", "Invalid value for: transparency");
  if (event.contains("visibility") && !oneOf(event["visibility"], {"default", "public", "private", "confidential"}))
    return bad("invalid", "Invalid value for: visibility");
  if (event.contains("colorId") && !oneOf(event["colorId"], {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}))
    return bad("invalid", "Invalid value for: colorId");
  if (event.contains("eventType") && !oneOf(event["eventType"], {"default"}))
    return bad("invalid", "Invalid event type.");
  if (event.contains("source")) {
    std::string url = event["source"].value("url", std::string());
    if (!url.starts_with("http://") && !url.starts_with("https://"))
      return bad("invalid", "Invalid value for: source.url must be http or https.");
  }
  if (event.contains("reminders"))
    if (auto wrong = checkReminders(event["reminders"]))
      return wrong;
  if (event.contains("extendedProperties"))
    if (auto wrong = checkExtended(event["extendedProperties"]))
      return wrong;
  return std::nullopt;
}

} // namespace calbridge::sandbox
