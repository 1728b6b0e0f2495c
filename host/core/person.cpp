#include "core/person.hpp"

namespace calbridge {

nlohmann::json toJson(const Person& person) {
  return {{"id", person.id},     {"name", person.name},         {"email", person.email},
          {"role", person.role}, {"timezone", person.timezone}, {"teams", person.teams}};
}

} // namespace calbridge
