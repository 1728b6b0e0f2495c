#include "config/readers.hpp"
#include "config/schema_check.hpp"
#include "config/template_tags.hpp"

#include <algorithm>

namespace calbridge {
namespace {

bool isName(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name.front() != '-' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

/// "order.confirmed", "order.*", "*": segments of printable characters without blanks.
bool isEventPattern(const std::string& pattern) {
  if (pattern == "*")
    return true;
  std::string type = pattern.ends_with(".*") ? pattern.substr(0, pattern.size() - 2) : pattern;
  return !type.empty() && type.size() <= 255 && type.front() != '.' && type.back() != '.' &&
         type.find("..") == std::string::npos && std::all_of(type.begin(), type.end(), [](char c) {
           return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7F && c != '*';
         });
}

/// A template of roles.json: one text, or the lines of it.
struct TemplateSource {
  std::string text;
  std::vector<std::size_t> lineStarts; ///< of an array's elements
};

TemplateSource templateAt(const nlohmann::json& role, const char* key) {
  TemplateSource source;
  const auto it = role.is_object() ? role.find(key) : role.end();
  if (!role.is_object() || it == role.end())
    return source;
  if (it->is_string())
    source.text = it->get<std::string>();
  if (!it->is_array())
    return source;
  for (const auto& line : *it) {
    if (!source.lineStarts.empty())
      source.text += "\n";
    source.lineStarts.push_back(source.text.size());
    source.text += line.is_string() ? line.get<std::string>() : std::string();
  }
  return source;
}

std::string readTemplate(const Document& document, const nlohmann::json& role, const std::string& pointer,
                         const char* key, const std::vector<std::string>& fields, Problems& problems) {
  TemplateSource source = templateAt(role, key);
  if (source.text.size() > 16384)
    problems.push_back({document.where(pointer + "/" + key), "the template is longer than 16384 bytes"});
  for (const auto& problem : checkTemplate(source.text, fields)) {
    std::string at = pointer + "/" + key;
    std::size_t offset = problem.offset;
    if (!source.lineStarts.empty()) {
      const auto line = std::upper_bound(source.lineStarts.begin(), source.lineStarts.end(), offset) - 1;
      at += "/" + std::to_string(line - source.lineStarts.begin());
      offset -= *line;
    }
    problems.push_back({document.whereWithin(at, offset), problem.message});
  }
  return std::move(source.text);
}

std::vector<std::string> readFields(const Document& document, const nlohmann::json& role, const std::string& pointer,
                                    Problems& problems) {
  std::vector<std::string> fields;
  const auto it = role.is_object() ? role.find("fields") : role.end();
  if (!role.is_object() || it == role.end() || !it->is_array())
    return fields;
  for (std::size_t i = 0; i < it->size(); ++i) {
    if (!(*it)[i].is_string())
      continue;
    auto field = (*it)[i].get<std::string>();
    if (field != "*" && !isFieldPath(field))
      problems.push_back({document.where(pointer + "/fields/" + std::to_string(i)),
                          "\"" + field + "\" is no field: write a path such as customer.name, or \"*\" for all"});
    fields.push_back(std::move(field));
  }
  return fields;
}

/// A provider that the program comes with. The shipped roles name them all, also for an installation that leaves some
/// out.
bool isShipped(const std::string& id) {
  Problems none;
  const Document defaults("calbridge.json", std::string(embeddedDefaults()), none);
  const auto keys = defaults.keys("/providers");
  return std::find(keys.begin(), keys.end(), id) != keys.end();
}

RoleConfig readRole(const Document& document, const std::string& name, const std::vector<std::string>* providers,
                    Problems& problems) {
  const std::string pointer = "/roles/" + escapePointer(name);
  const nlohmann::json& json = document.value()["roles"][name];
  RoleConfig role;
  role.name = name;
  if (!isName(name))
    problems.push_back({document.where(pointer, true), "\"" + name +
                                                           "\" can not name a role: use up to 64 letters, digits, _, - "
                                                           "and ."});
  role.fields = readFields(document, json, pointer, problems);
  role.title = readTemplate(document, json, pointer, "title", role.fields, problems);
  if (!role.title.empty() && role.title.find_first_not_of(" \t\r\n") == std::string::npos)
    problems.push_back({document.where(pointer + "/title"), "the title is blank"});
  role.description = readTemplate(document, json, pointer, "description", role.fields, problems);
  role.location = readTemplate(document, json, pointer, "location", role.fields, problems);
  if (const auto it = json.is_object() ? json.find("reminders") : json.end(); json.is_object() && it != json.end())
    for (const auto& minutes : it->is_array() ? *it : nlohmann::json::array())
      if (minutes.is_number_integer() && minutes >= 0 && minutes <= 40320)
        role.reminders.push_back(minutes.get<int>());
  std::sort(role.reminders.begin(), role.reminders.end());
  role.showAs = valueOr(json, "show_as", role.showAs);
  role.visibility = valueOr(json, "visibility", role.visibility);
  if (json.is_object() && json.contains("providers") && json["providers"].is_array()) {
    role.providers.emplace();
    for (std::size_t i = 0; i < json["providers"].size(); ++i) {
      if (!json["providers"][i].is_string())
        continue;
      const auto id = json["providers"][i].get<std::string>();
      if (providers != nullptr && std::find(providers->begin(), providers->end(), id) == providers->end() &&
          !isShipped(id))
        problems.push_back({document.where(pointer + "/providers/" + std::to_string(i)),
                            "there is no provider \"" + id + "\" in calbridge.json"});
      role.providers->push_back(id);
    }
  }
  return role;
}

/// "customer" and "assigned" are short for paths.
std::string peoplePath(const std::string& text) {
  if (text == "customer")
    return "customer.id";
  return text == "assigned" ? "staff.id" : text;
}

class RouteReader {
 public:
  RouteReader(const Document& document, const RolesConfig* roles, Problems& problems)
      : document_(document), roles_(roles), problems_(problems) {}

  RouteConfig read(const nlohmann::json& json, const std::string& pointer) {
    RouteConfig route;
    pointer_ = pointer;
    route.name = valueOr<std::string>(json, "name", "");
    if (!route.name.empty() && !isName(route.name))
      complain("/name", "a route's name has letters, digits, _, - and . only");
    if (json.is_object() && json.contains("events") && json["events"].is_array())
      for (std::size_t i = 0; i < json["events"].size(); ++i) {
        const auto& event = json["events"][i];
        if (!event.is_string())
          continue;
        if (!isEventPattern(event.get_ref<const std::string&>()))
          complain("/events/" + std::to_string(i), "\"" + event.get<std::string>() +
                                                       "\" names no event: write a type such as order.confirmed, or "
                                                       "order.* for all below order");
        route.events.push_back(event.get<std::string>());
      }
    const std::string action = valueOr<std::string>(json, "action", "add");
    route.action = action == "remove"   ? RouteConfig::Action::remove
                   : action == "update" ? RouteConfig::Action::update
                                        : RouteConfig::Action::add;
    if (json.is_object() && json.contains("audience"))
      readAudience(json["audience"], route.audience);
    const bool everyone = route.audience.kind == AudienceConfig::Kind::everyone;
    if (everyone && audienceIsFine_ && route.action == RouteConfig::Action::add)
      complain("/audience", "everyone who has it can not be added: name who should get it");
    if (!everyone && route.action == RouteConfig::Action::update)
      complain("/audience", "an update reaches everyone who has it: write \"everyone_who_has_it\"");
    return route;
  }

 private:
  void complain(const std::string& where, std::string message) {
    problems_.push_back({document_.where(pointer_ + where), std::move(message)});
  }

  void readAudience(const nlohmann::json& json, AudienceConfig& audience) {
    audienceIsFine_ = false;
    if (json.is_string()) {
      const auto& text = json.get_ref<const std::string&>();
      audienceIsFine_ = text == "customer" || text == "assigned" || text == "everyone_who_has_it";
      if (!audienceIsFine_)
        complain("/audience", "\"" + text +
                                  "\" is no audience: write \"customer\", \"assigned\", \"everyone_who_has_it\", "
                                  "{\"role\": …} or {\"people\": …}");
      else if (text != "everyone_who_has_it")
        audience = {AudienceConfig::Kind::people, peoplePath(text), ""};
      return;
    }
    if (!json.is_object())
      return;
    const std::string people = valueOr<std::string>(json, "people", "");
    const std::string role = valueOr<std::string>(json, "role", "");
    const std::string sharing = valueOr<std::string>(json, "sharing_team_with", "");
    if (people.empty() == role.empty() || (!people.empty() && !sharing.empty())) {
      complain("/audience", "write either {\"role\": …}, with or without \"sharing_team_with\", or {\"people\": …}");
      return;
    }
    audienceIsFine_ = true;
    audience.kind = role.empty() ? AudienceConfig::Kind::people : AudienceConfig::Kind::role;
    audience.role = role;
    audience.path = peoplePath(role.empty() ? people : sharing);
    if (!audience.path.empty() && !isFieldPath(audience.path))
      complain(role.empty() ? "/audience/people" : "/audience/sharing_team_with",
               "\"" + audience.path + "\" is no path in the snapshot: write one such as inspectors.id");
    const bool defined = role.empty() || roles_ == nullptr ||
                         std::any_of(roles_->roles.begin(), roles_->roles.end(),
                                     [&](const RoleConfig& other) { return other.name == role; });
    if (!defined)
      complain("/audience/role", "there is no role \"" + role + "\" in roles.json");
  }

  const Document& document_;
  const RolesConfig* roles_;
  Problems& problems_;
  std::string pointer_;
  bool audienceIsFine_ = false;
};

} // namespace

RolesConfig readRoles(const Document& document, const std::vector<std::string>* providers, Problems& problems) {
  RolesConfig roles;
  for (const auto& name : document.keys("/roles"))
    roles.roles.push_back(readRole(document, name, providers, problems));
  return roles;
}

RoutingConfig readRouting(const Document& document, const RolesConfig* roles, Problems& problems) {
  RoutingConfig routing;
  const auto& root = document.value();
  if (!root.is_object() || !root.contains("routes") || !root["routes"].is_array())
    return routing;
  for (std::size_t i = 0; i < root["routes"].size(); ++i) {
    const std::string pointer = "/routes/" + std::to_string(i);
    RouteConfig route = RouteReader(document, roles, problems).read(root["routes"][i], pointer);
    const bool repeated = std::any_of(routing.routes.begin(), routing.routes.end(), [&](const RouteConfig& other) {
      return !other.name.empty() && other.name == route.name;
    });
    if (repeated)
      problems.push_back({document.where(pointer + "/name"), "another route is named \"" + route.name + "\" too"});
    routing.routes.push_back(std::move(route));
  }
  for (std::size_t i = 0; i < routing.routes.size(); ++i) {
    const auto& route = routing.routes[i];
    const bool added = std::any_of(routing.routes.begin(), routing.routes.end(), [&](const RouteConfig& other) {
      return other.action == RouteConfig::Action::add && other.audience == route.audience;
    });
    if (route.action == RouteConfig::Action::remove && route.audience.kind != AudienceConfig::Kind::everyone && !added)
      problems.push_back({document.where("/routes/" + std::to_string(i) + "/audience"),
                          "no route adds this audience (" + route.audience.name() + "), so nothing can be removed"});
  }
  return routing;
}

} // namespace calbridge
