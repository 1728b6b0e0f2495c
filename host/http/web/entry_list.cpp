#include "http/web/entry_list.hpp"
#include "http/web/time_words.hpp"

namespace calbridge::http {
namespace {

using kainjow::mustache::data;

data deliveryWords(const store::DeliveryRecord& delivery, const std::string& label) {
  data words;
  if (delivery.state == "delivered") {
    words.set("tone", "good");
    words.set("text", "In " + label);
  } else if (delivery.state == "failed") {
    words.set("tone", "attention");
    words.set("text", "Not in " + label);
    if (!delivery.errorMessage.empty())
      words.set("reason", delivery.errorMessage);
  } else if (delivery.state == "blocked") {
    words.set("tone", "attention");
    words.set("text", "Waits for " + label + " to be reconnected");
  } else {
    words.set("tone", "waiting");
    words.set("text", "On its way to " + label);
  }
  return words;
}

data entryWords(const store::PlacementRecord& placement, const Reader& reader) {
  const Entry& entry = placement.entry;
  const WhenWords when = whenWords(entry.time, reader.zone);
  data words;
  words.set("id", placement.appointmentId);
  words.set("key", std::to_string(placement.id));
  words.set("title", entry.title);
  words.set("day", when.sheet.day);
  words.set("month", when.sheet.month);
  words.set("weekday", when.sheet.weekday);
  words.set("date", when.date);
  words.set("time", when.time);
  words.set("machine", when.machine);
  words.set("download", "/api/calendar/ics/" + percentEncode(placement.appointmentId) + "/");
  if (!entry.location.empty())
    words.set("location", entry.location);
  if (!entry.description.empty())
    words.set("description", entry.description);
  if (entry.status == "tentative")
    words.set("tentative", true);
  if (placement.kind != "custom")
    return words;
  data own;
  own.set("start", entry.time.start);
  own.set("end", entry.time.end);
  own.set("timezone", entry.time.timezone);
  own.set("all_day", entry.time.allDay);
  own.set("full_location", entry.location);
  own.set("full_description", entry.description);
  words.set("own", own);
  return words;
}

} // namespace

data entryList(const std::vector<store::PlacementRecord>& placements, const Reader& reader,
               const std::function<std::vector<store::DeliveryRecord>(std::int64_t)>& deliveries,
               const std::function<std::string(const std::string&)>& label) {
  data list{data::type::list};
  for (const auto& placement : placements) {
    data words = entryWords(placement, reader);
    data where{data::type::list};
    for (const auto& delivery : deliveries(placement.id))
      if (delivery.wanted && delivery.state != "removed")
        where.push_back(deliveryWords(delivery, label(delivery.provider)));
    words.set("has_deliveries", !where.is_empty_list());
    words.set("deliveries", where);
    list.push_back(words);
  }
  return list;
}

} // namespace calbridge::http
