#include "http/api/body.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace calbridge::http {
namespace {

[[noreturn]] void refuse(const std::string& pointer, const std::string& why) {
  throw Error("invalid_field", why, {}, pointer);
}

std::string checkedText(const nlohmann::json& value, const std::string& pointer, std::size_t maxBytes, bool multiline) {
  if (!value.is_string())
    refuse(pointer, "`" + pointer.substr(1) + "` must be a string");
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > maxBytes)
    refuse(pointer, "`" + pointer.substr(1) + "` is longer than " + std::to_string(maxBytes) + " bytes");
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && !(multiline && (c == '\n' || c == '\r' || c == '\t'))) || byte == 0x7F)
      refuse(pointer, "`" + pointer.substr(1) + "` contains a control character");
  }
  return text;
}

} // namespace

nlohmann::json readJsonObject(const Request& request, bool mayBeEmpty) {
  if (request.body.empty() && mayBeEmpty)
    return nlohmann::json::object();
  std::string_view type = request.headers.get("Content-Type");
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ')
    type.remove_suffix(1);
  if (!equalIgnoringCase(type, "application/json") && !type.ends_with("+json"))
    throw Error("unsupported_media_type", "send the body as application/json");
  auto json = parseJson(request.body);
  if (!json.is_object())
    refuse("", "the body must be a JSON object");
  return json;
}

void Fields::allowOnly(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : object_.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      std::string known;
      for (const auto& name : keys)
        known += (known.empty() ? "" : ", ") + std::string(name);
      refuse("/" + key, "there is no field `" + key + "`; known are " + known);
    }
}

bool Fields::has(const std::string& key) const {
  const auto it = object_.find(key);
  return it != object_.end() && !it->is_null();
}

std::string Fields::text(const std::string& key, std::size_t maxBytes, bool multiline) const {
  if (!has(key))
    refuse("/" + key, "`" + key + "` is missing");
  auto value = checkedText(object_.at(key), "/" + key, maxBytes, multiline);
  if (value.empty())
    refuse("/" + key, "`" + key + "` is empty");
  return value;
}

std::optional<std::string> Fields::optionalText(const std::string& key, std::size_t maxBytes, bool multiline) const {
  if (!has(key))
    return std::nullopt;
  return checkedText(object_.at(key), "/" + key, maxBytes, multiline);
}

std::vector<std::string> Fields::texts(const std::string& key, std::size_t maxItems, std::size_t maxBytes) const {
  std::vector<std::string> list;
  if (!has(key))
    return list;
  const auto& value = object_.at(key);
  if (!value.is_array() || value.size() > maxItems)
    refuse("/" + key, "`" + key + "` must be an array of at most " + std::to_string(maxItems) + " strings");
  for (std::size_t i = 0; i < value.size(); ++i)
    list.push_back(checkedText(value[i], "/" + key + "/" + std::to_string(i), maxBytes, false));
  return list;
}

} // namespace calbridge::http
