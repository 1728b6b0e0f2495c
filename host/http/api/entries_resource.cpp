#include "connections/audit_log.hpp"
#include "core/appointment.hpp"
#include "core/error.hpp"
#include "delivery/delivery_engine.hpp"
#include "http/api/body.hpp"
#include "http/api/ics_document.hpp"
#include "http/api/receipt.hpp"
#include "http/api/resources.hpp"

namespace calbridge::http {
namespace {

using nlohmann::json;
using store::PlacementRecord;

constexpr std::size_t kListed = 1000;
constexpr TimeMs kDay = TimeMs{24} * 3600 * 1000;

json describe(Services& services, const PlacementRecord& placement) {
  json entry = toJson(placement.entry);
  json deliveries = json::array();
  for (const auto& delivery : services.store.deliveriesOfPlacement(placement.id))
    deliveries.push_back({{"provider", delivery.provider},
                          {"state", delivery.state},
                          {"last_error", delivery.errorMessage.empty() ? json(nullptr) : json(delivery.errorMessage)}});
  entry["id"] = placement.appointmentId;
  entry["kind"] = placement.kind;
  entry["editable"] = placement.kind == "custom";
  entry["deliveries"] = std::move(deliveries);
  return entry;
}

/// The fields of a custom entry over `base`, checked like an appointment's.
Entry readEntry(const json& body, Entry base, const Person& person) {
  const Fields fields(body);
  fields.allowOnly({"title", "start", "end", "timezone", "location", "description"});
  if (fields.has("title"))
    base.title = fields.text("title", 1024);
  base.location = fields.optionalText("location", 1024).value_or(base.location);
  base.description = fields.optionalText("description", 8192, true).value_or(base.description);
  if (body.contains("start") || body.contains("end") || body.contains("timezone")) {
    json time = {{"id", "custom"}};
    time["start"] = body.contains("start") ? body["start"] : json(base.time.start);
    time["end"] = body.contains("end") ? body["end"] : json(base.time.end);
    time["timezone"] = body.contains("timezone")    ? body["timezone"]
                       : base.time.timezone.empty() ? json(person.timezone)
                                                    : json(base.time.timezone);
    try {
      base.time = parseAppointment(time, "").time;
    } catch (const Error& error) {
      throw Error("invalid_field", error.message(), {}, error.pointer());
    }
  }
  return base;
}

PlacementRecord findCustom(Services& services, Exchange& exchange) {
  const auto& id = exchange.parameter("id");
  const auto placement = services.store.placement("custom", id, exchange.person().id);
  if (placement && placement->present)
    return *placement;
  if (const auto appointment = services.store.placement("appointment", id, exchange.person().id);
      appointment && appointment->present)
    throw Error("not_editable", "this entry belongs to an appointment; only the booking application can change it");
  throw Error("not_found", "you have no entry of this id");
}

Response put(Services& services, PlacementRecord placement, int status) {
  placement.contentHash = contentHash(placement.entry);
  placement.decidedAt = services.clock.now();
  ++placement.revision;
  const auto stored = services.store.putCustomEntry(placement, placement.decidedAt);
  services.engine.wake();
  return Response::json(status, describe(services, stored));
}

Response listEntries(Services& services, Exchange& exchange) {
  TimeMs since = services.clock.now() - 30 * kDay;
  if (const auto text = exchange.request.queryValue("since")) {
    const auto time = parseRfc3339(*text);
    if (!time)
      throw Error("invalid_field", "`since` must be an RFC 3339 date-time", {}, "/since");
    since = *time;
  }
  json events = json::array();
  for (const auto& placement : services.store.placementsOf(exchange.person().id, since, kListed))
    events.push_back(describe(services, placement));
  return Response::json(200, {{"events", std::move(events)}});
}

Response createEntry(Services& services, Exchange& exchange) {
  const json body = readJsonObject(exchange.request);
  for (const char* key : {"title", "start", "end"})
    if (!Fields(body).has(key))
      throw Error("invalid_field", std::string("`") + key + "` is missing", {}, std::string("/") + key);
  PlacementRecord placement;
  placement.kind = "custom";
  placement.appointmentId = services.random.uuid();
  placement.personId = exchange.person().id;
  placement.route = "custom entry";
  placement.entry = readEntry(body, {}, exchange.person());
  return put(services, std::move(placement), 201);
}

Response changeEntry(Services& services, Exchange& exchange) {
  const json body = readJsonObject(exchange.request);
  auto placement = findCustom(services, exchange);
  placement.entry = readEntry(body, placement.entry, exchange.person());
  return put(services, std::move(placement), 200);
}

Response deleteEntry(Services& services, Exchange& exchange) {
  auto placement = findCustom(services, exchange);
  placement.present = false;
  put(services, std::move(placement), 200);
  return Response::noContent();
}

Response download(Services& services, Exchange& exchange) {
  const auto& id = exchange.parameter("appointment_id");
  auto placement = services.store.placement("appointment", id, exchange.person().id);
  if (!placement || !placement->present)
    placement = services.store.placement("custom", id, exchange.person().id);
  if (!placement || !placement->present)
    throw Error("not_found", "you have no appointment of this id");
  connections::AuditLog(services.store, services.clock, services.logger)
      .note("entry.exported", connections::AuditLog::person(exchange.person().id), exchange.person().id,
            {{"entry", id}});
  Response answer{.status = 200, .body = icsDocument(services, *placement)};
  answer.header("Content-Type", "text/calendar; charset=utf-8");
  answer.header("Content-Disposition", "attachment; filename=\"appointment.ics\"");
  return answer.header("Cache-Control", "private, no-store");
}

} // namespace

void addEntries(RouteTable& table, Services& services) {
  table.add("GET", "/api/calendar/events/", Access::person, [&](Exchange& e) { return listEntries(services, e); });
  table.add("POST", "/api/calendar/events/", Access::person, [&](Exchange& e) { return createEntry(services, e); });
  table.add("PATCH", "/api/calendar/events/{id}/", Access::person,
            [&](Exchange& e) { return changeEntry(services, e); });
  table.add("DELETE", "/api/calendar/events/{id}/", Access::person,
            [&](Exchange& e) { return deleteEntry(services, e); });
  table.add("GET", "/api/calendar/ics/{appointment_id}/", Access::person,
            [&](Exchange& e) { return download(services, e); });
}

} // namespace calbridge::http
