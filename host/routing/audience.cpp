#include "routing/audience.hpp"

#include <algorithm>
#include <unordered_set>

namespace calbridge::routing {
namespace {

constexpr std::size_t kMaxId = 255;

void collect(const nlohmann::json& at, std::string_view path, std::vector<std::string>& ids) {
  if (at.is_array()) {
    for (const auto& item : at)
      if (!item.is_array())
        collect(item, path, ids);
    return;
  }
  if (path.empty()) {
    if (at.is_string()) {
      const auto& id = at.get_ref<const std::string&>();
      if (!id.empty() && id.size() <= kMaxId && std::find(ids.begin(), ids.end(), id) == ids.end())
        ids.push_back(id);
    }
    return;
  }
  if (!at.is_object())
    return;
  const std::size_t dot = path.find('.');
  const auto it = at.find(std::string(path.substr(0, dot)));
  if (it != at.end())
    collect(*it, dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1), ids);
}

void noteUnknown(const std::string& id, const std::string& path, std::vector<UnknownPerson>& unknown) {
  const bool noted = std::any_of(unknown.begin(), unknown.end(), [&](const UnknownPerson& person) {
    return person.personId == id && person.path == path;
  });
  if (!noted)
    unknown.push_back({id, path});
}

} // namespace

std::vector<std::string> idsAt(const nlohmann::json& snapshot, std::string_view path) {
  std::vector<std::string> ids;
  collect(snapshot, path, ids);
  return ids;
}

std::vector<Member> membersOf(const AudienceConfig& audience, const std::vector<std::string>& anchors,
                              const Directory& directory, std::vector<UnknownPerson>& unknown) {
  std::vector<Member> members;
  if (audience.kind == AudienceConfig::Kind::everyone)
    return members;
  if (audience.kind == AudienceConfig::Kind::role && audience.path.empty()) {
    for (const Person* person : directory.withRole(audience.role))
      members.push_back({person, "has role " + audience.role});
    return members;
  }
  std::unordered_set<const Person*> seen;
  for (const auto& id : anchors) {
    const Person* anchor = directory.person(id);
    if (anchor == nullptr) {
      noteUnknown(id, audience.path, unknown);
    } else if (audience.kind == AudienceConfig::Kind::people) {
      if (seen.insert(anchor).second)
        members.push_back({anchor, "named at " + audience.path});
    } else {
      for (const auto& team : anchor->teams)
        for (const Person* person : directory.inTeam(team))
          if (person->role == audience.role && seen.insert(person).second)
            members.push_back(
                {person, "has role " + audience.role + " and shares team " + team + " with " + anchor->id});
    }
  }
  return members;
}

std::string whyNot(const AudienceConfig& audience, const Person& person) {
  switch (audience.kind) {
  case AudienceConfig::Kind::people:
    return "is not named at " + audience.path;
  case AudienceConfig::Kind::role:
    if (person.role != audience.role)
      return "has role " + person.role + ", not " + audience.role;
    return person.teams.empty() ? "is in no team" : "shares no team with anybody named at " + audience.path;
  case AudienceConfig::Kind::everyone:
    break;
  }
  return "does not have it";
}

} // namespace calbridge::routing
