#include "core/error.hpp"
#include "core/json_text.hpp"
#include "delivery/intake.hpp"
#include "http/api/event_reader.hpp"
#include "http/api/receipt.hpp"
#include "http/api/resources.hpp"

#include <algorithm>

namespace calbridge::http {
namespace {

/// A receipt that is asked for right after the 202 waits this long for routing, which usually takes a millisecond.
constexpr auto kRoutingSlice = std::chrono::milliseconds(50);
constexpr int kRoutingSlices = 40;

Response postEvents(Services& services, Exchange& exchange) {
  auto read = readEvents(exchange.request);
  auto route = services.intake.promiseToRoute();
  const auto accepted = services.intake.accept(std::move(read.events), read.batch);
  if (services.logger.enabled(Logger::Level::debug))
    for (const auto& event : accepted)
      services.logger.debug("an event was accepted", {{"request", exchange.request.requestId},
                                                      {"event", event.id},
                                                      {"source", event.source},
                                                      {"duplicate", event.duplicate ? "yes" : ""}});
  // As text: these are the answers that the host gives most.
  std::string body;
  const auto describe = [&body](const delivery::Intake::Accepted& event) {
    body += R"({"accepted":true,"duplicate":)";
    body += event.duplicate ? "true" : "false";
    body += R"(,"id":)";
    appendJsonString(body, event.id);
    body += R"(,"source":)";
    appendJsonString(body, event.source);
    body += '}';
  };
  if (read.batch) {
    const auto duplicates =
        std::count_if(accepted.begin(), accepted.end(), [](const auto& event) { return event.duplicate; });
    body += R"({"accepted":)" + std::to_string(accepted.size()) + R"(,"duplicates":)" + std::to_string(duplicates) +
            R"(,"events":[)";
    for (std::size_t i = 0; i < accepted.size(); ++i) {
      body += i == 0 ? "" : ",";
      describe(accepted[i]);
    }
    body += "]}";
  } else {
    describe(accepted.front());
  }
  Response response{.status = 202};
  response.header("Content-Type", "application/json");
  response.body = std::move(body);
  response.afterwards = std::move(route);
  return response;
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
