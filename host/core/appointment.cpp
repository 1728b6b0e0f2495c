#include "core/appointment.hpp"
#include "core/error.hpp"

namespace calbridge {
namespace {

constexpr std::size_t kMaxId = 255;
constexpr std::size_t kMaxStaff = 1000;
/// A day inside of the years that a date can be written in, so that no zone's wall clock leaves them.
constexpr TimeMs kFirstStart = -62135510400000; ///< 0001-01-02T00:00:00Z
constexpr TimeMs kLastEnd = 253402128000000;    ///< 9999-12-30T00:00:00Z

[[noreturn]] void refuse(const std::string& at, const std::string& why) {
  throw Error("invalid_event", why, {}, at);
}

const std::string& requireString(const nlohmann::json& object, const char* key, const std::string& at) {
  const auto it = object.find(key);
  if (it == object.end())
    refuse(at + "/" + key, std::string("`") + key + "` is missing");
  if (!it->is_string() || it->get_ref<const std::string&>().empty())
    refuse(at + "/" + key, std::string("`") + key + "` must be a non-empty string");
  return it->get_ref<const std::string&>();
}

std::string requireId(const nlohmann::json& object, const std::string& at) {
  const auto& id = requireString(object, "id", at);
  if (id.size() > kMaxId)
    refuse(at + "/id", "`id` is longer than 255 bytes");
  for (const char c : id)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      refuse(at + "/id", "`id` contains a control character");
  return id;
}

/// One end of the appointment, before the two are brought into one zone.
struct Point {
  bool date = false;
  bool offset = false;
  std::string text;
  TimeMs utc = 0;
};

Point readPoint(const nlohmann::json& json, const char* key, const std::string& zone, const std::string& at) {
  Point point;
  point.text = requireString(json, key, at);
  const std::string where = at + "/" + key;
  if (isDate(point.text)) {
    point.date = true;
    return point;
  }
  if (const auto utc = parseRfc3339(point.text)) {
    point.offset = true;
    point.utc = *utc;
    return point;
  }
  if (point.text.size() == 16 && point.text[10] == 'T')
    point.text += ":00"; // seconds may be left out
  if (!isLocalDateTime(point.text))
    refuse(where, std::string("`") + key +
                      "` must be a date (2026-12-01), a local date-time (2026-12-01T09:00:00) or an RFC 3339 date-time "
                      "with an offset");
  if (zone.empty())
    refuse(at + "/timezone", "`timezone` is missing: a local date-time needs an IANA zone such as Europe/London");
  point.utc = *localToUtc(point.text, zone);
  return point;
}

void checkYears(const EntryTime& time, const std::string& at) {
  if (time.startUtc < kFirstStart)
    refuse(at + "/start", "`start` lies too far in the past");
  if (time.endUtc > kLastEnd)
    refuse(at + "/end", "`end` lies too far in the future");
}

EntryTime readTime(const nlohmann::json& json, const std::string& at) {
  std::string zone;
  if (const auto it = json.find("timezone"); it != json.end() && !it->is_null()) {
    if (!it->is_string() || !isTimeZone(it->get_ref<const std::string&>()))
      refuse(at + "/timezone", "`timezone` must be an IANA time zone such as Europe/London");
    zone = *it;
  }
  const Point start = readPoint(json, "start", zone, at);
  const Point end = readPoint(json, "end", zone, at);
  if (start.date != end.date)
    refuse(at + "/end", "`start` and `end` must both be dates or both be date-times");

  EntryTime time;
  time.allDay = start.date;
  time.timezone = zone.empty() ? "UTC" : zone;
  if (time.allDay) {
    time.start = start.text;
    time.end = end.text;
    time.startUtc = *localToUtc(start.text + "T00:00:00", time.timezone);
    time.endUtc = *localToUtc(end.text + "T00:00:00", time.timezone);
    if (time.endUtc < time.startUtc)
      refuse(at + "/end", "`end` lies before `start`");
    checkYears(time, at);
    if (time.start == time.end) { // one day, said with an inclusive end: RFC 5545 wants the day after
      time.endUtc = *localToUtc(start.text + "T00:00:00", "UTC") + 24 * 3600 * 1000;
      time.end = utcToLocal(time.endUtc, "UTC").substr(0, 10);
      time.endUtc = *localToUtc(time.end + "T00:00:00", time.timezone);
    }
    return time;
  }
  time.startUtc = start.utc / 1000 * 1000;
  time.endUtc = end.utc / 1000 * 1000;
  if (time.endUtc <= time.startUtc)
    refuse(at + "/end", "`end` must lie after `start`");
  checkYears(time, at);
  time.start = start.offset ? utcToLocal(time.startUtc, time.timezone) : start.text;
  time.end = end.offset ? utcToLocal(time.endUtc, time.timezone) : end.text;
  return time;
}

} // namespace

Appointment parseAppointment(nlohmann::json json, const std::string& at) {
  if (!json.is_object())
    refuse(at, "an appointment must be a JSON object");
  Appointment appointment;
  appointment.id = requireId(json, at);
  if (const auto it = json.find("version"); it != json.end() && !it->is_null()) {
    if (!it->is_number_integer() || (it->is_number_unsigned() && it->get<std::uint64_t>() > INT64_MAX))
      refuse(at + "/version", "`version` must be a whole number");
    appointment.version = it->get<std::int64_t>();
  }
  if (const auto it = json.find("status"); it != json.end() && !it->is_null()) {
    if (!it->is_string())
      refuse(at + "/status", "`status` must be a string");
    appointment.cancelled = *it == "cancelled" || *it == "canceled";
  }
  appointment.time = readTime(json, at);
  if (const auto it = json.find("customer"); it != json.end() && !it->is_null()) {
    if (!it->is_object())
      refuse(at + "/customer", "`customer` must be an object");
    if (it->contains("id"))
      appointment.customerId = requireId(*it, at + "/customer");
  }
  if (const auto it = json.find("staff"); it != json.end() && !it->is_null()) {
    if (!it->is_array() || it->size() > kMaxStaff)
      refuse(at + "/staff", "`staff` must be an array of at most 1000 people");
    for (std::size_t i = 0; i < it->size(); ++i) {
      const std::string where = at + "/staff/" + std::to_string(i);
      if (!(*it)[i].is_object())
        refuse(where, "a staff member must be an object");
      appointment.staffIds.push_back(requireId((*it)[i], where));
    }
  }
  appointment.data = std::move(json);
  return appointment;
}

} // namespace calbridge
