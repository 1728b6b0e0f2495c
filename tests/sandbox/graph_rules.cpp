#include "graph_rules.hpp"

#include <regex>

namespace calbridge::sandbox {

namespace {

constexpr TimeMs kDay = 24LL * 3600 * 1000;

/// Unicode CLDR's names for the Windows zones that this sandbox's mailboxes know.
const std::map<std::string, std::string> kWindowsZones{{"UTC", "UTC"},
                                                       {"Hawaiian Standard Time", "Pacific/Honolulu"},
                                                       {"Alaskan Standard Time", "America/Anchorage"},
                                                       {"Pacific Standard Time", "America/Los_Angeles"},
                                                       {"US Mountain Standard Time", "America/Phoenix"},
                                                       {"Mountain Standard Time", "America/Denver"},
                                                       {"Central Standard Time", "America/Chicago"},
                                                       {"Canada Central Standard Time", "America/Regina"},
                                                       {"Eastern Standard Time", "America/New_York"},
                                                       {"SA Pacific Standard Time", "America/Bogota"},
                                                       {"Atlantic Standard Time", "America/Halifax"},
                                                       {"Newfoundland Standard Time", "America/St_Johns"},
                                                       {"E. South America Standard Time", "America/Sao_Paulo"},
                                                       {"Argentina Standard Time", "America/Argentina/Buenos_Aires"},
                                                       {"Azores Standard Time", "Atlantic/Azores"},
                                                       {"GMT Standard Time", "Europe/London"},
                                                       {"Greenwich Standard Time", "Atlantic/Reykjavik"},
                                                       {"W. Europe Standard Time", "Europe/Berlin"},
                                                       {"Central Europe Standard Time", "Europe/Budapest"},
                                                       {"Romance Standard Time", "Europe/Paris"},
                                                       {"Central European Standard Time", "Europe/Warsaw"},
                                                       {"W. Central Africa Standard Time", "Africa/Lagos"},
                                                       {"GTB Standard Time", "Europe/Bucharest"},
                                                       {"Egypt Standard Time", "Africa/Cairo"},
                                                       {"South Africa Standard Time", "Africa/Johannesburg"},
                                                       {"FLE Standard Time", "Europe/Kiev"},
                                                       {"Israel Standard Time", "Asia/Jerusalem"},
                                                       {"Turkey Standard Time", "Europe/Istanbul"},
                                                       {"Arab Standard Time", "Asia/Riyadh"},
                                                       {"Russian Standard Time", "Europe/Moscow"},
                                                       {"E. Africa Standard Time", "Africa/Nairobi"},
                                                       {"Iran Standard Time", "Asia/Tehran"},
                                                       {"Arabian Standard Time", "Asia/Dubai"},
                                                       {"Pakistan Standard Time", "Asia/Karachi"},
                                                       {"India Standard Time", "Asia/Kolkata"},
                                                       {"Nepal Standard Time", "Asia/Kathmandu"},
                                                       {"Bangladesh Standard Time", "Asia/Dhaka"},
                                                       {"SE Asia Standard Time", "Asia/Bangkok"},
                                                       {"China Standard Time", "Asia/Shanghai"},
                                                       {"Singapore Standard Time", "Asia/Singapore"},
                                                       {"W. Australia Standard Time", "Australia/Perth"},
                                                       {"Taipei Standard Time", "Asia/Taipei"},
                                                       {"Tokyo Standard Time", "Asia/Tokyo"},
                                                       {"Korea Standard Time", "Asia/Seoul"},
                                                       {"Cen. Australia Standard Time", "Australia/Adelaide"},
                                                       {"E. Australia Standard Time", "Australia/Brisbane"},
                                                       {"AUS Eastern Standard Time", "Australia/Sydney"},
                                                       {"New Zealand Standard Time", "Pacific/Auckland"}};

/// The IANA names that the documentation of dateTimeTimeZone lists beside the Windows ones.
const std::set<std::string> kListedZones{"Etc/GMT+12",
                                         "Etc/GMT+11",
                                         "Pacific/Honolulu",
                                         "America/Anchorage",
                                         "America/Santa_Isabel",
                                         "America/Los_Angeles",
                                         "America/Phoenix",
                                         "America/Chihuahua",
                                         "America/Denver",
                                         "America/Guatemala",
                                         "America/Chicago",
                                         "America/Mexico_City",
                                         "America/Regina",
                                         "America/Bogota",
                                         "America/New_York",
                                         "America/Indiana/Indianapolis",
                                         "America/Caracas",
                                         "America/Asuncion",
                                         "America/Halifax",
                                         "America/Cuiaba",
                                         "America/La_Paz",
                                         "America/Santiago",
                                         "America/St_Johns",
                                         "America/Sao_Paulo",
                                         "America/Argentina/Buenos_Aires",
                                         "America/Cayenne",
                                         "America/Godthab",
                                         "America/Montevideo",
                                         "America/Bahia",
                                         "Etc/GMT+2",
                                         "Atlantic/Azores",
                                         "Atlantic/Cape_Verde",
                                         "Africa/Casablanca",
                                         "Etc/GMT",
                                         "Europe/London",
                                         "Atlantic/Reykjavik",
                                         "Europe/Berlin",
                                         "Europe/Budapest",
                                         "Europe/Paris",
                                         "Europe/Warsaw",
                                         "Africa/Lagos",
                                         "Africa/Windhoek",
                                         "Europe/Bucharest",
                                         "Asia/Beirut",
                                         "Africa/Cairo",
                                         "Asia/Damascus",
                                         "Africa/Johannesburg",
                                         "Europe/Kyiv",
                                         "Europe/Kiev",
                                         "Asia/Jerusalem",
                                         "Asia/Baghdad",
                                         "Europe/Kaliningrad",
                                         "Asia/Riyadh",
                                         "Africa/Nairobi",
                                         "Asia/Tehran",
                                         "Asia/Dubai",
                                         "Asia/Baku",
                                         "Europe/Moscow",
                                         "Indian/Mauritius",
                                         "Asia/Tbilisi",
                                         "Asia/Yerevan",
                                         "Asia/Kabul",
                                         "Asia/Tashkent",
                                         "Asia/Karachi",
                                         "Asia/Kolkata",
                                         "Asia/Calcutta",
                                         "Asia/Colombo",
                                         "Asia/Kathmandu",
                                         "Asia/Yekaterinburg",
                                         "Asia/Almaty",
                                         "Asia/Dhaka",
                                         "Asia/Yangon",
                                         "Asia/Rangoon",
                                         "Asia/Novosibirsk",
                                         "Asia/Bangkok",
                                         "Asia/Krasnoyarsk",
                                         "Asia/Shanghai",
                                         "Asia/Singapore",
                                         "Australia/Perth",
                                         "Asia/Taipei",
                                         "Asia/Ulaanbaatar",
                                         "Asia/Irkutsk",
                                         "Asia/Tokyo",
                                         "Asia/Seoul",
                                         "Australia/Adelaide",
                                         "Australia/Darwin",
                                         "Australia/Brisbane",
                                         "Australia/Sydney",
                                         "Pacific/Port_Moresby",
                                         "Australia/Hobart",
                                         "Asia/Yakutsk",
                                         "Pacific/Guadalcanal",
                                         "Asia/Vladivostok",
                                         "Pacific/Auckland",
                                         "Etc/GMT-12",
                                         "Pacific/Fiji",
                                         "Asia/Magadan",
                                         "Pacific/Tongatapu",
                                         "Pacific/Apia",
                                         "Pacific/Kiritimati"};

std::optional<GraphFault> checkTime(json& time, const char* name, TimeMs& utc, std::string& zoneName,
                                    std::string& local) {
  std::string text = time.value("dateTime", std::string());
  zoneName = time.value("timeZone", std::string());
  if (text.empty() || zoneName.empty())
    return GraphFault{400, "ErrorInvalidRequest",
                      std::string("The ") + name + " of the event needs dateTime and timeZone."};
  auto zone = graphTimeZone(zoneName);
  if (!zone)
    return GraphFault{400, "TimeZoneNotSupportedException",
                      "A valid TimeZone value must be specified. The following TimeZone value is not supported: '" +
                          zoneName + "'."};
  if (text.size() > 20 && text[19] == '.' && text.find_first_not_of("0123456789", 20) == std::string::npos &&
      text.size() <= 27)
    text.resize(19);
  std::optional<TimeMs> instant = isLocalDateTime(text) ? localToUtc(text, *zone) : parseRfc3339(text);
  if (!instant)
    return GraphFault{400, "ErrorInvalidRequest", "The value '" + text + "' of " + name + ".dateTime is not valid."};
  utc = *instant;
  local = utcToLocal(utc, *zone);
  time = {{"dateTime", graphTime(utc)}, {"timeZone", "UTC"}};
  return std::nullopt;
}

} // namespace

std::string graphTime(TimeMs utc) {
  return formatRfc3339(utc / 1000 * 1000).substr(0, 19) + ".0000000";
}

std::optional<std::string> graphTimeZone(const std::string& name) {
  if (auto found = kWindowsZones.find(name); found != kWindowsZones.end())
    return found->second;
  return kListedZones.contains(name) && isTimeZone(name) ? std::optional(name) : std::nullopt;
}

std::optional<GraphFault> checkGraphEvent(json& event, StoredEvent& stored) {
  for (const char* needed : {"start", "end"})
    if (!event.contains(needed) || !event[needed].is_object())
      return GraphFault{400, "ErrorPropertyValidationFailure",
                        std::string("At least one property failed validation: ") + needed + " is required."};
  std::string startZone, endZone, startLocal, endLocal;
  if (auto wrong = checkTime(event["start"], "start", stored.startUtc, startZone, startLocal))
    return wrong;
  if (auto wrong = checkTime(event["end"], "end", stored.endUtc, endZone, endLocal))
    return wrong;
  if (stored.endUtc < stored.startUtc)
    return GraphFault{400, "ErrorCalendarEndDateIsEarlierThanStartDate",
                      "The end date you entered occurs before the start date."};
  if (event.value("isAllDay", false)) {
    if (!startLocal.ends_with("T00:00:00"))
      return GraphFault{400, "ErrorPropertyValidationFailure",
                        "The Event.Start property for an all-day event needs to be set to midnight."};
    if (!endLocal.ends_with("T00:00:00"))
      return GraphFault{400, "ErrorPropertyValidationFailure",
                        "The Event.End property for an all-day event needs to be set to midnight."};
    if (startZone != endZone)
      return GraphFault{400, "ErrorPropertyValidationFailure",
                        "The start and end of an all-day event must be in the same time zone."};
    if (stored.endUtc - stored.startUtc < kDay - 2 * 3600 * 1000) // a day of 23 hours is one, too
      return GraphFault{400, "ErrorInvalidRequest",
                        "The duration of an event marked as All day must be at least 24 hours."};
  }
  return std::nullopt;
}

bool sameProperty(const std::string& a, const std::string& b) {
  return http::equalIgnoringCase(a, b);
}

std::optional<GraphFault> mergeExtended(json& stored, const json& given) {
  static const std::regex kForm(
      R"((String|Integer|Boolean|Double|Long|SystemTime|CLSID) (\{[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\} (Name .+|Id 0x[0-9A-Fa-f]+)|0x[0-9A-Fa-f]+))");
  for (const json& property : given) {
    std::string id = property.value("id", std::string());
    if (!std::regex_match(id, kForm))
      return GraphFault{400, "ErrorInvalidProperty", "The property id '" + id + "' is not valid."};
    if (!property.contains("value") || !property["value"].is_string())
      return GraphFault{400, "ErrorInvalidProperty", "The property '" + id + "' has no value."};
    bool known = false;
    for (json& old : stored)
      if (sameProperty(old["id"], id)) {
        old["value"] = property["value"];
        known = true;
      }
    if (!known)
      stored.push_back({{"id", id}, {"value", property["value"]}});
  }
  return std::nullopt;
}

} // namespace calbridge::sandbox
