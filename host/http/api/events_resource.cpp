#include "core/error.hpp"
#include "delivery/intake.hpp"
#include "http/api/event_reader.hpp"
#include "http/api/receipt.hpp"
#include "http/api/resources.hpp"

namespace calbridge::http {
namespace {

using nlohmann::json;

/// A receipt that is asked for right after the 202 waits this long for routing, which usually takes a millisecond.
constexpr auto kRoutingSlice = std::chrono::milliseconds(50);
constexpr int kRoutingSlices = 40;

Response postEvents(Services& services, Exchange& exchange) {
  auto read = readEvents(exchange.request);
  const auto accepted = services.intake.accept(std::move(read.events), read.batch);
  if (services.logger.enabled(Logger::Level::debug))
    for (const auto& event : accepted)
      services.logger.debug("an event was accepted", {{"request", exchange.request.requestId},
                                                      {"event", event.id},
                                                      {"source", event.source},
                                                      {"duplicate", event.duplicate ? "yes" : ""}});
  const auto describe = [](const delivery::Intake::Accepted& event) {
    return json{{"id", event.id}, {"source", event.source}, {"accepted", true}, {"duplicate", event.duplicate}};
  };
  if (!read.batch)
    return Response::json(202, describe(accepted.front()));
  json events = json::array();
  std::size_t duplicates = 0;
  for (const auto& event : accepted) {
    events.push_back(describe(event));
    duplicates += event.duplicate;
  }
  return Response::json(202,
                        {{"accepted", accepted.size()}, {"duplicates", duplicates}, {"events", std::move(events)}});
}

Response getReceipt(Services& services, Exchange& exchange) {
  const std::string id = exchange.parameter("id");
  const std::string source = exchange.request.queryValue("source").value_or("");
  auto event = services.store.event(source, id);
  if (!event)
    throw Error("not_found", source.empty() ? "no event with this id was accepted"
                                            : "no event with this id and source was accepted");
  for (int i = 0; i < kRoutingSlices && !event->routed; ++i) {
    services.intake.waitRouted(event->seq, kRoutingSlice);
    event = services.store.event(event->source, id);
    if (!event)
      throw Error("not_found", "the event was pruned a moment ago");
  }
  return Response::json(200, receipt(services.store, *event));
}

} // namespace

void addEvents(RouteTable& table, Services& services) {
  table.add("POST", "/api/events/", Access::app, [&](Exchange& e) { return postEvents(services, e); });
  table.add("GET", "/api/events/{id}/", Access::app, [&](Exchange& e) { return getReceipt(services, e); });
}

} // namespace calbridge::http
