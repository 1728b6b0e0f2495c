#include "conformance/service_request.hpp"
#include "core/digest.hpp"

#include <algorithm>

namespace calbridge::conformance {
namespace {

using nlohmann::json;

constexpr const char* kBuiltIn = R"json([
  {"on": "POST *", "when": {"form.grant_type": "authorization_code"}, "do": "grant"},
  {"on": "POST *", "when": {"form.grant_type": "refresh_token"}, "do": "refresh"},
  {"on": "POST *", "when": {"form.token": "*"}, "reply": {"json": {}}},
  {"on": "POST *", "do": "create", "id": "{json/id}", "once": ["{header.idempotency-key}"]},
  {"on": "PUT *", "do": "put"},
  {"on": "PATCH *", "do": "merge"},
  {"on": "DELETE *", "do": "delete"},
  {"on": "GET *", "do": "browse", "reply": {"json": {"id": "account-7", "sub": "account-7", "email": "person@example.com",
    "mail": "person@example.com", "login": "person", "name": "Person", "userPrincipalName": "person@example.com",
    "items": [], "value": [], "data": [], "results": []}}}
])json";

/// Unless the script says of what type the answer is.
void sayJson(HttpResponse& response) {
  const bool said = std::any_of(response.headers.begin(), response.headers.end(),
                                [](const auto& header) { return lowerCase(header.first) == "content-type"; });
  if (!said) {
    response.headers.emplace_back("Content-Type", "application/json");
  }
}

} // namespace

ServiceModel::ServiceModel(const Script& script, std::string stem)
    : script_(script), builtIn_(json::parse(kBuiltIn)), stem_(std::move(stem)) {}

std::string ServiceModel::newCode() {
  return *codes_.insert(stem_ + "-code-" + std::to_string(++count_)).first;
}
std::string ServiceModel::newRefreshToken() {
  return *refreshTokens_.insert(stem_ + "-refresh-" + std::to_string(++count_)).first;
}
std::string ServiceModel::newAccessToken() {
  return stem_ + "-access-" + std::to_string(++count_);
}

HttpResponse ServiceModel::answer(const HttpRequest& request) {
  Ask ask(request);
  for (const json* routes : {&script_.routes, &builtIn_}) {
    for (const json& route : *routes) {
      if (routeFits(route, ask)) {
        return perform(route, ask);
      }
    }
  }
  return error(405);
}

bool ServiceModel::routeFits(const json& route, Ask& ask) const {
  const auto& on = route.at("on").get_ref<const std::string&>();
  const std::size_t blank = on.find(' ');
  const std::string_view method = std::string_view(on).substr(0, blank);
  const std::string_view pattern = std::string_view(on).substr(blank + 1);
  if (method != "*" && method != ask.method) {
    return false;
  }
  std::string_view target = ask.url;
  if (pattern.starts_with('/')) { // of any host
    const std::size_t host = target.find("://");
    const std::size_t path = host == std::string_view::npos ? std::string_view::npos : target.find('/', host + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  ask.path.clear();
  if (!fits(pattern, target, ask.path)) {
    return false;
  }
  const json when = route.value("when", json::object());
  return std::all_of(when.items().begin(), when.items().end(), [&](const auto& one) {
    const auto value = look(one.key(), ask, nullptr);
    const std::string text = value && value->is_string() ? value->template get<std::string>() : "";
    return one.value() == "*" ? !text.empty() : one.value() == text;
  });
}

HttpResponse ServiceModel::perform(const json& route, Ask& ask) {
  const std::string verb = route.value("do", "answer");
  if (const auto key = route.find("key"); key != route.end() && verb != "create") {
    ask.key = expandedText(*key, [&](const std::string& name) { return look(name, ask, nullptr); });
  }
  if (verb == "grant" || verb == "refresh") {
    return grant(route, ask);
  }
  return verb == "create"   ? create(route, ask)
         : verb == "put"    ? change(route, ask, false)
         : verb == "merge"  ? change(route, ask, true)
         : verb == "delete" ? erase(route, ask)
         : verb == "read"   ? read(route, ask)
         : verb == "list"   ? list(route, ask)
         : verb == "browse" ? browse(route, ask)
                            : reply(route, "reply", ask, 200, nullptr);
}

HttpResponse ServiceModel::reply(const json& route, const char* which, Ask& ask, int status,
                                 const Object* object) const {
  const Look looking = [&](const std::string& name) { return look(name, ask, object); };
  const json answer = route.value(which, json::object());
  HttpResponse out;
  bool isJson = false;
  out.status = answer.value("status", status);
  if (object != nullptr) {
    out.headers.emplace_back("ETag", shown(*object).at("etag").get<std::string>());
  }
  if (answer.contains("text")) {
    out.body = expandedText(answer.at("text"), looking);
  } else if (answer.contains("json") || (object != nullptr && object->body.is_object()) || object == nullptr) {
    const json value = answer.contains("json") ? expanded(answer.at("json"), looking)
                                               : (object != nullptr ? shown(*object) : json::object());
    out.body = value.dump(-1, ' ', false, json::error_handler_t::replace);
    isJson = true;
  } else {
    out.body = object->text;
  }
  const json headers = answer.value("headers", json::object());
  for (const auto& [name, value] : headers.items()) {
    out.headers.emplace_back(name, expandedText(value, looking));
  }
  if (isJson) {
    sayJson(out);
  }
  return out;
}

std::optional<json> ServiceModel::look(const std::string& name, const Ask& ask, const Object* object) const {
  const auto in = [&](const Names& names, std::string_view key) -> std::optional<json> {
    const auto found = names.find(std::string(key));
    return found == names.end() ? std::nullopt : std::optional<json>(found->second);
  };
  const std::string_view text = name;
  if (text.starts_with("query.")) {
    return in(ask.query, text.substr(6));
  }
  if (text.starts_with("form.")) {
    return in(ask.form, text.substr(5));
  }
  if (text.starts_with("header.")) {
    return in(ask.headers, lowerCase(std::string(text.substr(7))));
  }
  if (text.starts_with("json/")) {
    const json::json_pointer pointer("/" + std::string(text.substr(5)));
    return ask.body.is_structured() && ask.body.contains(pointer) ? std::optional(ask.body.at(pointer)) : std::nullopt;
  }
  if (object != nullptr && text == "object") {
    return object->body.is_object() ? shown(*object) : json(object->text);
  }
  if (object != nullptr && (text == "id" || text == "etag")) {
    return shown(*object).at(name);
  }
  if (object != nullptr && text == "url") {
    return object->key;
  }
  if (object != nullptr && text == "text") {
    return object->text;
  }
  if (text == "found") {
    return ask.found.empty() ? ask.all : json(ask.found);
  }
  if (text == "access_token") {
    return ask.accessToken;
  }
  if (text == "refresh_token") {
    return ask.refreshToken;
  }
  if (text == "scope") {
    return scope;
  }
  if (text == "id_token") {
    return base64UrlEncode(R"({"alg":"none"})") + "." +
           base64UrlEncode(R"({"sub":"account-7","email":"person@example.com"})") + ".c2lnbmF0dXJl";
  }
  return in(ask.path, text);
}

ServiceModel::Object* ServiceModel::at(const std::string& key) {
  const auto found = std::find_if(objects_.begin(), objects_.end(), [&](const Object& one) { return one.key == key; });
  return found == objects_.end() ? nullptr : &*found;
}
const ServiceModel::Object* ServiceModel::find(const std::string& key) const {
  const auto found = std::find_if(objects_.begin(), objects_.end(), [&](const Object& one) { return one.key == key; });
  return found == objects_.end() ? nullptr : &*found;
}

bool ServiceModel::holdsObjects(const std::string& collection) const {
  return std::any_of(objects_.begin(), objects_.end(),
                     [&](const Object& object) { return parentOf(object.key) == collection; });
}

bool ServiceModel::namesUnknown(std::string_view text) const {
  return std::any_of(words_.begin(), words_.end(),
                     [&](const std::string& word) { return text.find(word) != std::string_view::npos; });
}

HttpResponse ServiceModel::error(int status, const std::string& said) const {
  const auto spelled = script_.errors.find(std::to_string(status));
  const json fallback = {{"status", status},
                         {"json",
                          {{"error", {{"code", status}, {"status", status}, {"message", "refused " + said}}},
                           {"message", "refused " + said}}}};
  const json& answer = spelled == script_.errors.end() ? fallback : *spelled;
  HttpResponse out;
  out.status = answer.value("status", status);
  const json headers = answer.value("headers", json::object());
  for (const auto& [name, value] : headers.items()) {
    out.headers.emplace_back(name, value.get<std::string>());
  }
  sayJson(out);
  const Look looking = [&](const std::string& name) {
    return name == "said" ? std::optional<json>(said) : std::nullopt;
  };
  out.body = answer.contains("text") ? expandedText(answer.at("text"), looking)
                                     : expanded(answer.value("json", json::object()), looking)
                                           .dump(-1, ' ', false, json::error_handler_t::replace);
  return out;
}

std::vector<const ServiceModel::Object*> ServiceModel::liveWith(const std::string& mark) const {
  std::vector<const Object*> found;
  for (const Object& object : objects_) {
    if (object.live && textOf(object).find(mark) != std::string::npos) {
      found.push_back(&object);
    }
  }
  return found;
}

std::vector<std::string> ServiceModel::plantForeign(const std::string& mark) {
  std::set<std::string> collections;
  for (const Object* object : liveWith(mark)) {
    collections.insert(parentOf(object->key));
  }
  std::vector<std::string> keys;
  for (const std::string& collection : collections) {
    Object own;
    own.id = "dentist";
    own.key = collection + "/" + own.id;
    own.text = R"({"title":"Dentist","summary":"Dentist","subject":"Dentist"})";
    own.body = json::parse(own.text);
    keys.push_back(own.key);
    objects_.push_back(std::move(own));
  }
  return keys;
}

json ServiceModel::state() const {
  json objects = json::array();
  for (const Object& one : objects_) {
    objects.push_back({one.key, one.id, one.body, one.text, one.version, one.live, one.kept, one.once});
  }
  return {{"objects", objects}, {"codes", codes_}, {"refresh", refreshTokens_}, {"words", words_}, {"count", count_}};
}

void ServiceModel::restore(const json& state) {
  objects_.clear();
  for (const json& one : state.at("objects")) {
    objects_.push_back({one.at(0), one.at(1), one.at(2), one.at(3), one.at(4), one.at(5), one.at(6), one.at(7)});
  }
  codes_ = state.at("codes").get<std::set<std::string>>();
  refreshTokens_ = state.at("refresh").get<std::set<std::string>>();
  words_ = state.at("words").get<std::set<std::string>>();
  count_ = state.at("count");
}

} // namespace calbridge::conformance
