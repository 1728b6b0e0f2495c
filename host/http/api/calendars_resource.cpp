#include "connections/audit_log.hpp"
#include "connections/connections.hpp"
#include "core/error.hpp"
#include "delivery/delivery_engine.hpp"
#include "http/api/body.hpp"
#include "http/api/resources.hpp"
#include "store/store.hpp"

namespace calbridge::http {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kTimeout{20000};

CallContext contextOf(const Exchange& exchange) {
  CallContext context;
  context.timeout = kTimeout;
  context.requestId = exchange.request.requestId;
  return context;
}

Response getCalendars(Services& services, Exchange& exchange) {
  const auto listing =
      services.connections.calendars().list(exchange.person().id, exchange.parameter("provider"), contextOf(exchange));
  json calendars = json::array();
  for (const Calendar& calendar : listing.calendars)
    calendars.push_back({{"id", calendar.id},
                         {"name", calendar.name},
                         {"color", calendar.color.empty() ? json(nullptr) : json(calendar.color)},
                         {"writable", calendar.writable},
                         {"primary", calendar.primary},
                         {"chosen", listing.chosen.empty() ? calendar.primary : calendar.id == listing.chosen}});
  auto answer = Response::json(200, {{"calendars", std::move(calendars)}});
  return answer.header("Cache-Control", "no-store");
}

Response putCalendar(Services& services, Exchange& exchange) {
  const json body = readJsonObject(exchange.request);
  const Fields fields(body);
  fields.allowOnly({"id"});
  const std::string id = fields.text("id", 2000);
  const std::string& provider = exchange.parameter("provider");
  const std::string& person = exchange.person().id;
  const auto chosen = services.connections.calendars().choose(person, provider, id, contextOf(exchange));
  std::int64_t moving = 0;
  if (chosen.changed) {
    // Every entry is pushed again, and goes where the choice says.
    moving = services.store.resyncPerson(person, services.clock.now());
    connections::AuditLog(services.store, services.clock, services.logger)
        .note("calendar.chosen", connections::AuditLog::person(person), person, {{"provider", provider}});
    services.engine.wake();
  }
  return Response::json(200, {{"calendar", chosen.name}, {"queued", moving}});
}

} // namespace

void addCalendars(RouteTable& table, Services& services) {
  table.add("GET", "/api/calendar/{provider}/calendars/", Access::person,
            [&](Exchange& e) { return getCalendars(services, e); });
  table.add("PUT", "/api/calendar/{provider}/calendar/", Access::person,
            [&](Exchange& e) { return putCalendar(services, e); });
}

} // namespace calbridge::http
