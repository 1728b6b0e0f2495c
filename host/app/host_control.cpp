#include "app/host_control.hpp"
#include "app/rotation_thread.hpp"
#include "connections/audit_log.hpp"
#include "core/error.hpp"
#include "delivery/entry_identity.hpp"
#include "http/api/receipt.hpp"
#include "http/auth/app_keys.hpp"

namespace calbridge::app {
namespace {

using nlohmann::json;

json parsed(const std::string& text) {
  return text.empty() ? json() : json::parse(text);
}

json describe(const store::AppointmentState& state) {
  json placements = json::array();
  for (const auto& placement : state.placements)
    placements.push_back(
        {{"person", placement.personId}, {"present", placement.present}, {"hash", placement.contentHash}});
  return {{"id", state.appointment.id},
          {"snapshot", parsed(state.appointment.snapshot)},
          {"memory", parsed(state.appointment.memory)},
          {"placements", std::move(placements)}};
}

} // namespace

void HostControl::note(const char* action, const std::string& personId, json detail) {
  connections::AuditLog(parts_.store, parts_.clock, parts_.logger)
      .note(action, connections::AuditLog::kOperator, personId, std::move(detail));
}

json HostControl::listAudit(const json& request) {
  const store::AuditQuery query{request.at("person"), request.at("since"), request.at("before"), request.at("limit")};
  json lines = json::array();
  for (const auto& record : parts_.store.audit(query))
    lines.push_back(connections::toJson(record));
  return {{"lines", std::move(lines)}};
}

json HostControl::addPerson(const json& request) {
  Person person;
  request.at("id").get_to(person.id);
  request.at("name").get_to(person.name);
  request.at("email").get_to(person.email);
  request.at("role").get_to(person.role);
  request.at("timezone").get_to(person.timezone);
  request.at("teams").get_to(person.teams);
  if (!parts_.policy()->role(person.role))
    throw Error("unknown_role", "the role `" + person.role + "` is not defined in roles.json");
  if (!isTimeZone(person.timezone))
    throw Error("invalid_timezone", "`" + person.timezone + "` is not an IANA time zone such as Europe/London");
  const bool created = parts_.store.putPerson(person, std::nullopt);
  note(created ? "person.created" : "person.changed", person.id);
  parts_.directoryChanged();
  return {{"created", created}};
}

json HostControl::setPassword(const json& request) {
  const std::string id = request.at("id");
  if (!parts_.store.setPassword(id, parts_.hashPassword(request.at("password"))))
    throw Error("not_found", "nobody has the id `" + id + "`; `calbridge people list` shows who is there");
  note("person.changed", id, {{"fields", {"password"}}});
  return json::object();
}

json HostControl::createAppKey(const json& request) {
  const std::string name = request.at("name");
  for (const auto& key : parts_.store.appKeys())
    if (key.name == name && key.revokedAt == 0)
      throw Error("exists", "there is a live app key `" + name + "` already; revoke it first or choose another name");
  const std::string key = http::generateAppKey(parts_.random);
  parts_.store.addAppKey(name, http::appKeyHash(key), parts_.clock.now());
  note("app_key.created", "", {{"name", name}});
  return {{"key", key}};
}

json HostControl::snapshot(const json& request) {
  json people = json::array(), states = json::array();
  for (const auto& person : parts_.store.people())
    people.push_back(toJson(person));
  const std::vector<std::string> ids = request.at("appointments");
  for (const auto& state : parts_.store.appointmentStates(ids))
    states.push_back(describe(state));
  return {{"people", std::move(people)}, {"states", std::move(states)}};
}

json HostControl::run(const json& request) {
  const std::string command = request.at("command");
  auto& store = parts_.store;
  const TimeMs now = parts_.clock.now();
  if (command == "people.add")
    return addPerson(request);
  if (command == "people.set-password")
    return setPassword(request);
  if (command == "people.list") {
    json people = json::array();
    for (const auto& person : store.people())
      people.push_back(toJson(person));
    return {{"people", std::move(people)}};
  }
  if (command == "app-keys.create")
    return createAppKey(request);
  if (command == "app-keys.list") {
    json keys = json::array();
    for (const auto& key : store.appKeys())
      keys.push_back({{"name", key.name},
                      {"created_at", formatRfc3339(key.createdAt)},
                      {"revoked_at", key.revokedAt ? json(formatRfc3339(key.revokedAt)) : json(nullptr)}});
    return {{"app_keys", std::move(keys)}};
  }
  if (command == "app-keys.revoke") {
    const std::string name = request.at("name");
    if (!store.revokeAppKey(name, now))
      throw Error("not_found", "there is no live app key `" + name + "`; `calbridge app-keys list` shows them");
    note("app_key.revoked", "", {{"name", name}});
    return json::object();
  }
  if (command == "deliveries.list") {
    json list = json::array();
    for (const auto& delivery : store.deliveries(request.at("state"), request.at("limit")))
      list.push_back(http::describeDelivery(delivery));
    return {{"deliveries", std::move(list)}};
  }
  if (command == "deliveries.retry")
    return {{"retried", store.retryDeliveries(request.at("person"), now)}};
  if (command == "resync.person")
    return {{"queued", store.resyncPerson(request.at("person"), now)}};
  if (command == "resync.restored") {
    if (parts_.rotation != nullptr)
      throw Error("host_running", "a host works on this database already; stop it, run this again, then start it");
    store.setMeta(delivery::EntryIdentity::kRestoredKey, formatRfc3339(now));
    return json::object();
  }
  if (command == "resync.confirm-removals") {
    const auto held = parts_.confirmRemovals();
    return {{"removals", held.removals}, {"entries", held.entries}};
  }
  if (command == "snapshot")
    return snapshot(request);
  if (command == "audit.list")
    return listAudit(request);
  if (command == "vault.rotate" && parts_.rotation != nullptr) {
    std::optional<std::string> key;
    if (!request.at("new_key").is_null())
      key = request.at("new_key").get<std::string>();
    parts_.rotation->begin(key);
    note("vault.rotation_begun", "");
    return parts_.rotation->describe();
  }
  if (command == "vault.progress" && parts_.rotation != nullptr)
    return parts_.rotation->describe();
  throw Error("usage", "the running host does not know `" + command + "`: is it of another version?");
}

} // namespace calbridge::app
