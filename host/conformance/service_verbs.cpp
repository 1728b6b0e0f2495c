#include "conformance/service_request.hpp"

#include <algorithm>

/// What a route may do: the verbs of most REST services.
namespace calbridge::conformance {

using nlohmann::json;

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

} // namespace calbridge::conformance
