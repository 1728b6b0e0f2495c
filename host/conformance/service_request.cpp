#include "conformance/service_request.hpp"

#include <algorithm>

namespace calbridge::conformance {

using nlohmann::json;

std::string lowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

std::string parentOf(const std::string& key) {
  return key.substr(0, key.rfind('/'));
}

json shown(const ServiceModel::Object& object) {
  json out = object.body.is_object() ? object.body : json{{"text", object.text}};
  out["id"] = object.id;
  out["etag"] = "\"" + std::to_string(object.version) + "\"";
  return out;
}

std::string textOf(const ServiceModel::Object& object) {
  return object.body.is_object() ? object.body.dump(-1, ' ', false, json::error_handler_t::replace) : object.text;
}

ServiceModel::Ask::Ask(const HttpRequest& request) : method(request.method), text(request.body) {
  const std::string_view whole = std::string_view(request.url).substr(0, request.url.find('#'));
  const std::size_t mark = std::min(whole.find('?'), whole.size());
  url = whole.substr(0, mark);
  while (url.size() > 1 && url.back() == '/' && request.method != "PROPFIND" && request.method != "REPORT") {
    url.pop_back();
  }
  query = mark < whole.size() ? formFields(whole.substr(mark + 1)) : Names();
  const std::size_t slash = url.rfind('/') + 1;
  key = url.substr(0, slash) + percentDecode(std::string_view(url).substr(slash), false);
  body = json::parse(text, nullptr, false);
  body = body.is_discarded() ? json() : body;
  for (const auto& [name, value] : request.headers) {
    headers[lowerCase(name)] = value;
  }
  const auto type = headers.find("content-type");
  if (type != headers.end() && type->second.starts_with("application/x-www-form-urlencoded")) {
    form = formFields(text);
  }
}

} // namespace calbridge::conformance
