#include "core/error.hpp"
#include "delivery/delivery_engine.hpp"
#include "delivery/directory_cache.hpp"
#include "http/api/body.hpp"
#include "http/api/resources.hpp"
#include "routing/routing_policy.hpp"

namespace calbridge::http {
namespace {

using nlohmann::json;

json describe(const delivery::BulkSync::Job& job) {
  return {{"job", job.id},
          {"state", job.state},
          {"people", job.people},
          {"done", job.done},
          {"queued", job.queued},
          {"started_at", job.startedAt ? json(formatRfc3339(job.startedAt)) : json(nullptr)},
          {"finished_at", job.finishedAt ? json(formatRfc3339(job.finishedAt)) : json(nullptr)},
          {"progress_url", "/api/calendar/sync-bulk/" + job.id + "/"}};
}

std::vector<std::string> wanted(Services& services, const json& body) {
  const Fields fields(body);
  fields.allowOnly({"people", "role"});
  if (fields.has("people") && fields.has("role"))
    throw Error("invalid_field", "give `people` or `role`, not both", {}, "/role");
  const auto directory = services.directory.current();
  std::vector<std::string> people;
  if (fields.has("people")) {
    people = fields.texts("people", 10000, 255);
    for (std::size_t i = 0; i < people.size(); ++i)
      if (!directory->person(people[i]))
        throw Error("invalid_field", "nobody has this id", {}, "/people/" + std::to_string(i));
  } else if (const auto role = fields.optionalText("role", 64)) {
    if (!services.policy()->role(*role))
      throw Error("unknown_role", "the role `" + *role + "` is not defined in roles.json", {}, "/role");
    for (const auto* person : directory->withRole(*role))
      people.push_back(person->id);
  } else {
    for (const auto& person : directory->everyone())
      people.push_back(person.id);
  }
  return people;
}

} // namespace

void addSync(RouteTable& table, Services& services, delivery::BulkSync& bulk) {
  table.add("POST", "/api/calendar/sync/", Access::person, [&](Exchange& exchange) {
    const auto queued = services.store.resyncPerson(exchange.person().id, services.clock.now());
    services.engine.wake();
    return Response::json(202, {{"queued", queued}});
  });
  table.add("POST", "/api/calendar/sync-bulk/", Access::admin, [&](Exchange& exchange) {
    return Response::json(202, describe(bulk.begin(wanted(services, readJsonObject(exchange.request, true)))));
  });
  table.add("GET", "/api/calendar/sync-bulk/{job}/", Access::admin, [&](Exchange& exchange) {
    const auto job = bulk.job(exchange.parameter("job"));
    if (!job)
      throw Error("not_found", "there is no job of this id (jobs are forgotten at a restart)");
    return Response::json(200, describe(*job));
  });
}

} // namespace calbridge::http
