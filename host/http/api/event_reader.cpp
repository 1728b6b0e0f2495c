#include "http/api/event_reader.hpp"
#include "core/error.hpp"
#include "core/json_text.hpp"

#include <algorithm>

namespace calbridge::http {
namespace {

constexpr std::size_t kMaxBatch = 10000;

std::string mediaType(std::string_view header) {
  header = header.substr(0, header.find(';'));
  while (!header.empty() && (header.back() == ' ' || header.back() == '\t'))
    header.remove_suffix(1);
  std::string type(header);
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  return type;
}

nlohmann::json binary(const Request& request) {
  nlohmann::json event = nlohmann::json::object();
  for (std::size_t i = 0; i < request.headers.size(); ++i) {
    const auto [name, value] = request.headers.at(i);
    if (name.size() <= 3 || !equalIgnoringCase(name.substr(0, 3), "ce-"))
      continue;
    std::string attribute(name.substr(3));
    std::transform(attribute.begin(), attribute.end(), attribute.begin(), [](unsigned char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
    });
    const auto decoded = percentDecode(value);
    if (!decoded)
      throw Error("invalid_event", "the header " + std::string(name) + " is not properly percent-encoded UTF-8", {},
                  "/" + attribute);
    if (event.contains(attribute))
      throw Error("invalid_event", "the header " + std::string(name) + " is given twice", {}, "/" + attribute);
    event[attribute] = *decoded;
  }
  event["data"] = parseJson(request.body);
  return event;
}

} // namespace

ReadEvents readEvents(const Request& request) {
  const std::string type = mediaType(request.headers.get("Content-Type"));
  ReadEvents result;
  if (type == "application/cloudevents-batch+json") {
    result.batch = true;
    auto list = parseJson(request.body, 40);
    if (!list.is_array())
      throw Error("invalid_event", "a batch must be a JSON array of events");
    if (list.size() > kMaxBatch)
      throw Error("invalid_event", "a batch holds at most 10000 events");
    result.events = std::move(list.get_ref<nlohmann::json::array_t&>());
    return result;
  }
  const bool json = type == "application/json" || type.ends_with("+json");
  if (type != "application/cloudevents+json" && request.headers.find("ce-specversion")) {
    if (!json)
      throw Error("unsupported_media_type", "the data of an event must be application/json");
    result.events.push_back(binary(request));
    return result;
  }
  if (!json)
    throw Error("unsupported_media_type",
                "send an event as application/cloudevents+json, several as application/cloudevents-batch+json, or as "
                "application/json with ce-* headers");
  result.events.push_back(parseJson(request.body, 40));
  return result;
}

} // namespace calbridge::http
