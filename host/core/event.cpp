#include "core/event.hpp"
#include "core/error.hpp"

namespace calbridge {
namespace {

constexpr std::size_t kMaxAttribute = 1024;
constexpr std::size_t kMaxAppointments = 1000;

[[noreturn]] void refuse(const std::string& at, const std::string& why) {
  throw Error("invalid_event", why, {}, at);
}

std::string attribute(const nlohmann::json& json, const char* key, const std::string& at) {
  const std::string where = at + "/" + key;
  const auto it = json.find(key);
  if (it == json.end())
    refuse(where, std::string("the CloudEvents attribute `") + key + "` is missing");
  if (!it->is_string() || it->get_ref<const std::string&>().empty())
    refuse(where, std::string("the CloudEvents attribute `") + key + "` must be a non-empty string");
  const auto& value = it->get_ref<const std::string&>();
  if (value.size() > kMaxAttribute)
    refuse(where, std::string("the CloudEvents attribute `") + key + "` is longer than 1024 bytes");
  for (const char c : value)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      refuse(where, std::string("the CloudEvents attribute `") + key + "` contains a control character");
  return value;
}

} // namespace

Event parseEvent(nlohmann::json json, const std::string& at) {
  if (!json.is_object())
    refuse(at, "an event must be a JSON object");
  if (attribute(json, "specversion", at) != "1.0")
    refuse(at + "/specversion", "only CloudEvents specversion 1.0 is understood");
  Event event;
  event.id = attribute(json, "id", at);
  event.source = attribute(json, "source", at);
  event.type = attribute(json, "type", at);
  if (const auto it = json.find("time"); it != json.end() && !it->is_null()) {
    event.time = it->is_string() ? parseRfc3339(it->get_ref<const std::string&>()) : std::nullopt;
    if (!event.time)
      refuse(at + "/time", "`time` must be an RFC 3339 date-time");
  }
  if (json.contains("data_base64"))
    refuse(at + "/data_base64", "`data_base64` is not accepted: send `data` as JSON");
  const auto data = json.find("data");
  if (data == json.end() || !data->is_object())
    refuse(at + "/data", "`data` must be an object with `appointment` or `appointments`");
  const auto one = data->find("appointment");
  const auto several = data->find("appointments");
  if ((one == data->end()) == (several == data->end()))
    refuse(at + "/data", "`data` must carry exactly one of `appointment` and `appointments`");
  if (one != data->end()) {
    event.appointments.push_back(parseAppointment(std::move(*one), at + "/data/appointment"));
    return event;
  }
  if (!several->is_array() || several->empty() || several->size() > kMaxAppointments)
    refuse(at + "/data/appointments", "`appointments` must be an array of 1 to 1000 appointments");
  for (std::size_t i = 0; i < several->size(); ++i)
    event.appointments.push_back(
        parseAppointment(std::move((*several)[i]), at + "/data/appointments/" + std::to_string(i)));
  for (std::size_t i = 0; i < event.appointments.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (event.appointments[i].id == event.appointments[k].id)
        refuse(at + "/data/appointments/" + std::to_string(i) + "/id", "the same appointment is given twice");
  return event;
}

} // namespace calbridge
