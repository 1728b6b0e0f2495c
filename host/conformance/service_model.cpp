#include "conformance/service_model.hpp"

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

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

std::string parentOf(const std::string& key) {
  return key.substr(0, key.rfind('/'));
}

/// The object as an API shows it: what was sent, its id and version.
json shown(const ServiceModel::Object& object) {
  json out = object.body.is_object() ? object.body : json{{"text", object.text}};
  out["id"] = object.id;
  out["etag"] = "\"" + std::to_string(object.version) + "\"";
  return out;
}

std::string textOf(const ServiceModel::Object& object) {
  return object.body.is_object() ? object.body.dump(-1, ' ', false, json::error_handler_t::replace) : object.text;
}

} // namespace

/// One request, taken apart.
struct ServiceModel::Ask {
  std::string method;
  std::string url; ///< without the query
  std::string key; ///< the url with its last segment decoded
  std::string text;
  json body; ///< null when it is no JSON
  Names path;
  Names query;
  Names form;
  Names headers;     ///< lower case
  std::string found; ///< lists
  json all = json::array();
  std::string accessToken; ///< just given out
  std::string refreshToken;

  explicit Ask(const HttpRequest& request) : method(request.method), text(request.body) {
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
      headers[lower(name)] = value;
    }
    const auto type = headers.find("content-type");
    if (type != headers.end() && type->second.starts_with("application/x-www-form-urlencoded")) {
      form = formFields(text);
    }
  }
};

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

HttpResponse ServiceModel::grant(const json& route, Ask& ask) {
  static const json kTokens = {{"access_token", "{access_token}"},
                               {"token_type", "Bearer"},
                               {"expires_in", 3600},
                               {"scope", "{scope}"},
                               {"id_token", "{id_token}"}};
  const bool first = route.value("do", "") == "grant";
  const std::string name = first ? "code" : "refresh_token";
  std::string given = ask.form[name];
  if (given.empty() && ask.body.is_object()) {
    given = ask.body.value(name, "");
  }
  auto& known = first ? codes_ : refreshTokens_;
  if (!known.contains(given)) {
    return {400, {{"Content-Type", "application/json"}}, R"({"error":"invalid_grant"})"};
  }
  if (first || rotates) {
    known.erase(given); // used up
    ask.refreshToken = newRefreshToken();
  }
  ask.accessToken = newAccessToken();
  json tokens = kTokens;
  if (!ask.refreshToken.empty()) {
    tokens["refresh_token"] = "{refresh_token}";
  }
  const json made = {{"reply", {{"json", tokens}}}};
  return reply(route.contains("reply") ? route : made, "reply", ask, 200, nullptr);
}

HttpResponse ServiceModel::create(const json& route, Ask& ask) {
  const Look looking = [&](const std::string& name) { return look(name, ask, nullptr); };
  Object made;
  const json tokens = route.value("once", json::array());
  for (const json& one : tokens) {
    if (std::string token = expandedText(one, looking); !token.empty()) {
      made.once.push_back(std::move(token));
    }
  }
  for (const Object& object : objects_) {
    const bool same = std::any_of(made.once.begin(), made.once.end(), [&](const std::string& token) {
      return std::find(object.once.begin(), object.once.end(), token) != object.once.end();
    });
    if (same && parentOf(object.key) == ask.key) {
      return reply(route, route.contains("again") ? "again" : "reply", ask, 200, &object);
    }
  }
  made.id = expandedText(route.value("id", ""), looking);
  if (made.id.empty()) {
    made.id = (oddIds ? "e/ \u00e9?#%2F" : "e") + std::to_string(++count_);
  }
  made.key = ask.key + "/" + made.id;
  if (const auto key = route.find("key"); key != route.end()) {
    made.key = expandedText(*key, [&](const std::string& name) { return look(name, ask, &made); });
  }
  if (const Object* old = at(made.key); old != nullptr && (old->live || old->kept)) {
    return route.contains("taken") ? reply(route, "taken", ask, 409, old) : error(409);
  }
  std::erase_if(objects_, [&](const Object& object) { return object.key == made.key; });
  made.body = ask.body.is_object() ? ask.body : json();
  made.text = ask.text;
  objects_.push_back(std::move(made));
  return reply(route, "reply", ask, 201, &objects_.back());
}

HttpResponse ServiceModel::change(const json& route, Ask& ask, bool merge) {
  Object* object = at(ask.key);
  const bool there = object != nullptr && (object->live || object->kept);
  const std::string wanted = ask.headers["if-match"];
  const bool fresh = wanted.empty() || (there && (wanted == "*" || wanted == shown(*object).at("etag")));
  if (!fresh || (ask.headers["if-none-match"] == "*" && there && object->live)) {
    return route.contains("stale") ? reply(route, "stale", ask, 412, object) : error(412);
  }
  if (!there && (merge || !route.value("create", true))) {
    return route.contains("missing") ? reply(route, "missing", ask, 404, nullptr) : error(404);
  }
  if (!there) {
    std::erase_if(objects_, [&](const Object& one) { return one.key == ask.key; });
    Object made;
    made.key = ask.key;
    made.id = ask.key.substr(ask.key.rfind('/') + 1);
    objects_.push_back(std::move(made));
    object = &objects_.back();
  } else {
    ++object->version;
  }
  object->live = true;
  object->kept = false;
  object->text = ask.text;
  if (merge && object->body.is_object() && ask.body.is_object()) {
    object->body.merge_patch(ask.body);
  } else {
    object->body = ask.body.is_object() ? ask.body : json();
  }
  const bool tellApart = !there && route.contains("created");
  return reply(route, tellApart ? "created" : "reply", ask, there ? 200 : 201, object);
}

HttpResponse ServiceModel::erase(const json& route, Ask& ask) {
  Object* object = at(ask.key);
  if (object == nullptr || !object->live) {
    return route.contains("missing") ? reply(route, "missing", ask, 404, object) : error(404);
  }
  object->live = false;
  if (const auto keep = route.find("keep"); keep != route.end()) {
    object->kept = true;
    ++object->version;
    object->body.merge_patch(*keep);
  }
  static const json kNothing = {{"reply", {{"text", ""}}}};
  return reply(route.contains("reply") ? route : kNothing, "reply", ask, 204, nullptr);
}

HttpResponse ServiceModel::read(const json& route, Ask& ask) {
  const Object* object = at(ask.key);
  if (object == nullptr || !(object->live || object->kept)) {
    return route.contains("missing") ? reply(route, "missing", ask, 404, nullptr) : error(404);
  }
  return reply(route, "reply", ask, 200, object);
}

HttpResponse ServiceModel::list(const json& route, Ask& ask) {
  const json where = route.value("where", json::object());
  std::string meant; // the uid that the query is about, if it is about one
  for (const auto& [name, value] : ask.query) {
    for (const std::string& word : words_) {
      meant = value.find(word) != std::string::npos && word.size() > meant.size() ? word : meant;
    }
  }
  for (const Object& object : objects_) {
    if (!object.live || parentOf(object.key) != ask.key) {
      continue;
    }
    const bool mentions = !where.empty() || meant.empty() || textOf(object).find(meant) != std::string::npos;
    const bool equal = std::all_of(where.items().begin(), where.items().end(), [&](const auto& one) {
      const json::json_pointer pointer("/" + one.key());
      return object.body.is_object() && object.body.contains(pointer) &&
             object.body.at(pointer) ==
                 expandedText(one.value(), [&](const std::string& name) { return look(name, ask, &object); });
    });
    if (mentions && equal) {
      ask.all.push_back(shown(object));
      ask.found +=
          expandedText(route.value("each", ""), [&](const std::string& name) { return look(name, ask, &object); });
    }
  }
  static const json kLists = {
      {"reply", {{"json", {{"items", "{found}"}, {"value", "{found}"}, {"data", "{found}"}, {"results", "{found}"}}}}}};
  return reply(route.contains("reply") && route.value("do", "") == "list" ? route : kLists, "reply", ask, 200, nullptr);
}

/// A GET about which the script says nothing: an object, a collection, something that is not there, or else whatever
/// a look at an account might show.
HttpResponse ServiceModel::browse(const json& route, Ask& ask) {
  if (const Object* object = at(ask.key); object != nullptr && object->live) {
    return reply(json::object(), "reply", ask, 200, object);
  }
  const bool asks =
      std::any_of(ask.query.begin(), ask.query.end(), [&](const auto& field) { return namesUnknown(field.second); });
  if (holdsObjects(ask.key) || asks) {
    return list(route, ask);
  }
  if (namesUnknown(ask.key) || holdsObjects(parentOf(ask.key)) || at(ask.key) != nullptr) {
    return error(404);
  }
  return reply(route, "reply", ask, 200, nullptr);
}

HttpResponse ServiceModel::reply(const json& route, const char* which, Ask& ask, int status,
                                 const Object* object) const {
  const Look looking = [&](const std::string& name) { return look(name, ask, object); };
  const json answer = route.value(which, json::object());
  HttpResponse out;
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
    out.headers.emplace_back("Content-Type", "application/json");
  } else {
    out.body = object->text;
  }
  const json headers = answer.value("headers", json::object());
  for (const auto& [name, value] : headers.items()) {
    out.headers.emplace_back(name, expandedText(value, looking));
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
    return in(ask.headers, lower(std::string(text.substr(7))));
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
  out.headers.emplace_back("Content-Type", "application/json");
  const json headers = answer.value("headers", json::object());
  for (const auto& [name, value] : headers.items()) {
    out.headers.emplace_back(name, value.get<std::string>());
  }
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
