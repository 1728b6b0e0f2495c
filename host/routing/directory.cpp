#include "routing/directory.hpp"

#include <algorithm>

namespace calbridge::routing {

DirectorySnapshot::DirectorySnapshot(std::vector<Person> people) {
  std::stable_sort(people.begin(), people.end(), [](const Person& a, const Person& b) { return a.id < b.id; });
  people_.reserve(people.size());
  for (auto& person : people) {
    if (!people_.empty() && people_.back().id == person.id)
      people_.back() = std::move(person);
    else
      people_.push_back(std::move(person));
  }
  byId_.reserve(people_.size());
  for (const auto& person : people_) {
    byId_.emplace(person.id, &person);
    byRole_[person.role].push_back(&person);
    for (const auto& team : person.teams) {
      auto& members = byTeam_[team];
      if (members.empty() || members.back() != &person) // a team named twice
        members.push_back(&person);
    }
  }
}

const Person* DirectorySnapshot::person(std::string_view id) const {
  const auto it = byId_.find(id);
  return it == byId_.end() ? nullptr : it->second;
}

std::span<const Person* const> DirectorySnapshot::withRole(std::string_view role) const {
  const auto it = byRole_.find(role);
  return it == byRole_.end() ? std::span<const Person* const>() : std::span<const Person* const>(it->second);
}

std::span<const Person* const> DirectorySnapshot::inTeam(std::string_view team) const {
  const auto it = byTeam_.find(team);
  return it == byTeam_.end() ? std::span<const Person* const>() : std::span<const Person* const>(it->second);
}

} // namespace calbridge::routing
