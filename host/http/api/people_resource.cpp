#include "connections/audit_log.hpp"
#include "connections/connections.hpp"
#include "core/error.hpp"
#include "delivery/intake.hpp"
#include "http/api/body.hpp"
#include "http/api/resources.hpp"
#include "routing/routing_policy.hpp"
#include "store/store.hpp"

namespace calbridge::http {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxId = 255;

void note(Services& services, const Exchange& exchange, const char* action, json detail = json::object()) {
  connections::AuditLog(services.store, services.clock, services.logger)
      .note(action, connections::AuditLog::app(exchange.identity.appKeyName), exchange.parameter("id"),
            std::move(detail));
}

/// Which fields of a person a change changed; their values are nobody's business here.
json changedFields(const Person& before, const Person& after, bool password) {
  json names = json::array();
  const auto differ = [&](const char* name, bool changed) {
    if (changed)
      names.push_back(name);
  };
  differ("name", before.name != after.name);
  differ("email", before.email != after.email);
  differ("role", before.role != after.role);
  differ("timezone", before.timezone != after.timezone);
  differ("teams", before.teams != after.teams);
  differ("password", password);
  return names;
}

Person readPerson(Services& services, const std::string& id, const json& body) {
  const Fields fields(body);
  fields.allowOnly({"id", "name", "email", "role", "timezone", "teams", "password"});
  if (fields.has("id") && fields.text("id", kMaxId) != id)
    throw Error("invalid_field", "`id` differs from the one in the path", {}, "/id");
  Person person;
  person.id = id;
  person.name = fields.text("name", 255);
  person.email = fields.text("email", 254);
  if (const auto at = person.email.find('@'); at == std::string::npos || at == 0 || at + 1 == person.email.size())
    throw Error("invalid_field", "`email` is not an e-mail address", {}, "/email");
  person.role = fields.text("role", 64);
  if (!services.policy()->role(person.role))
    throw Error("unknown_role", "the role `" + person.role + "` is not defined in roles.json", {}, "/role");
  person.timezone = fields.optionalText("timezone", 64).value_or("UTC");
  if (!isTimeZone(person.timezone))
    throw Error("invalid_field", "`timezone` must be an IANA time zone such as Europe/London", {}, "/timezone");
  person.teams = fields.texts("teams", 100, 255);
  return person;
}

Response putPerson(Services& services, PasswordHasher& passwords, Exchange& exchange) {
  const std::string id = exchange.parameter("id");
  if (id.size() > kMaxId)
    throw Error("invalid_field", "a person's id has at most 255 bytes", {}, "/id");
  const json body = readJsonObject(exchange.request);
  const Person person = readPerson(services, id, body);
  std::optional<std::string> hash;
  if (const auto password = Fields(body).optionalText("password", 1024))
    hash = passwords.hash(*password);
  const auto before = services.store.person(id);
  const bool created = services.store.putPerson(person, hash);
  if (created || !before)
    note(services, exchange, "person.created");
  else if (auto changed = changedFields(*before, person, hash.has_value()); !changed.empty())
    note(services, exchange, "person.changed", {{"fields", std::move(changed)}});
  // What routing sees of a person may put entries into calendars or take them out.
  if (!before || before->role != person.role || before->teams != person.teams)
    services.intake.reevaluateAll();
  services.connections.changed(id);
  return Response::json(created ? 201 : 200, toJson(person));
}

Response getPerson(Services& services, Exchange& exchange) {
  const auto person = services.store.person(exchange.parameter("id"));
  if (!person)
    throw Error("not_found", "nobody has this id");
  return Response::json(200, toJson(*person));
}

Response deletePerson(Services& services, Exchange& exchange) {
  if (!services.connections.disconnection().erase(exchange.parameter("id")))
    throw Error("not_found", "nobody has this id");
  note(services, exchange, "person.erased");
  return Response::noContent();
}

} // namespace

void addPeople(RouteTable& table, Services& services, PasswordHasher& passwords) {
  table.add("PUT", "/api/people/{id}/", Access::app, [&](Exchange& e) { return putPerson(services, passwords, e); });
  table.add("GET", "/api/people/{id}/", Access::app, [&](Exchange& e) { return getPerson(services, e); });
  table.add("DELETE", "/api/people/{id}/", Access::app, [&](Exchange& e) { return deletePerson(services, e); });
}

} // namespace calbridge::http
