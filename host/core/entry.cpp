#include "core/entry.hpp"
#include "core/digest.hpp"

namespace calbridge {

nlohmann::json toJson(const Entry& entry) {
  return {{"title", entry.title},
          {"description", entry.description},
          {"location", entry.location},
          {"all_day", entry.time.allDay},
          {"start", entry.time.start},
          {"end", entry.time.end},
          {"timezone", entry.time.timezone},
          {"start_utc", formatRfc3339(entry.time.startUtc)},
          {"end_utc", formatRfc3339(entry.time.endUtc)},
          {"reminders", entry.reminders},
          {"show_as", entry.showAs},
          {"visibility", entry.visibility},
          {"status", entry.status},
          {"url", entry.url}};
}

Entry entryFromJson(const nlohmann::json& json) {
  Entry entry;
  json.at("title").get_to(entry.title);
  json.at("description").get_to(entry.description);
  json.at("location").get_to(entry.location);
  json.at("all_day").get_to(entry.time.allDay);
  json.at("start").get_to(entry.time.start);
  json.at("end").get_to(entry.time.end);
  json.at("timezone").get_to(entry.time.timezone);
  entry.time.startUtc = parseRfc3339(json.at("start_utc").get_ref<const std::string&>()).value_or(0);
  entry.time.endUtc = parseRfc3339(json.at("end_utc").get_ref<const std::string&>()).value_or(0);
  json.at("reminders").get_to(entry.reminders);
  json.at("show_as").get_to(entry.showAs);
  json.at("visibility").get_to(entry.visibility);
  json.at("status").get_to(entry.status);
  json.at("url").get_to(entry.url);
  return entry;
}

std::string contentHash(const Entry& entry) {
  std::string fields;
  fields.reserve(256 + entry.title.size() + entry.description.size() + entry.location.size() + entry.url.size());
  const auto add = [&](std::string_view field) { // the length keeps neighbours apart
    fields.append(std::to_string(field.size())).append(":").append(field);
  };
  add(entry.title);
  add(entry.description);
  add(entry.location);
  add(entry.time.allDay ? "day" : "time");
  add(entry.time.start);
  add(entry.time.end);
  add(entry.time.timezone);
  add(std::to_string(entry.time.startUtc));
  add(std::to_string(entry.time.endUtc));
  add(std::to_string(entry.reminders.size()));
  for (const int minutes : entry.reminders)
    add(std::to_string(minutes));
  add(entry.showAs);
  add(entry.visibility);
  add(entry.status);
  add(entry.url);
  return sha256Hex(fields);
}

} // namespace calbridge
