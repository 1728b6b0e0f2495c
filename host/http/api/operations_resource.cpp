#include "core/error.hpp"
#include "core/provider_condition.hpp"
#include "delivery/delivery_engine.hpp"
#include "delivery/intake.hpp"
#include "http/api/metrics_text.hpp"
#include "http/api/openapi.hpp"
#include "http/api/resources.hpp"

#include <mutex>
#include <set>

namespace calbridge::http {
namespace {

constexpr std::size_t kUnroutedCounted = 1000;

using nlohmann::json;

/// A probe of the database costs an fsync: its answer is good for a second, however often it is asked for.
class Readiness {
 public:
  explicit Readiness(Services& services) : services_(services) {}

  std::string databaseProblem() {
    const std::lock_guard lock(mutex_);
    const TimeMs now = services_.clock.monotonic();
    if (checkedAt_ && now - *checkedAt_ < 1000)
      return problem_;
    try {
      services_.store.ping();
      problem_.clear();
    } catch (const Error& error) {
      problem_ = error.message();
    }
    checkedAt_ = now;
    return problem_;
  }

 private:
  Services& services_;
  std::mutex mutex_;
  std::optional<TimeMs> checkedAt_;
  std::string problem_;
};

/// Of several hosts on one database: who is alive, and whether all decide by the same roles and routes.
struct NodesSeen {
  json list = json::array();
  std::set<std::string> policies;

  explicit NodesSeen(store::Store& store) {
    for (const auto& node : store.nodes()) {
      list.push_back({{"name", node.name}, {"policy", node.policy.substr(0, 12)}, {"own", node.own}});
      if (!node.policy.empty())
        policies.insert(node.policy);
    }
  }
};

Response getReady(Services& services, Readiness& readiness) {
  const std::string database = readiness.databaseProblem();
  json plugins = json::object();
  for (const Provider* provider : services.providers.all())
    plugins[provider->info().id] = conditionOf(*provider).quarantined ? "quarantined"
                                   : provider->info().configured      ? "ready"
                                                                      : "not configured";
  json answer{{"status", database.empty() ? "ready" : "not ready"},
              {"database", database.empty() ? "ready" : database},
              {"plugins", std::move(plugins)}};
  if (database.empty())
    if (NodesSeen nodes(services.store); !nodes.list.empty()) {
      answer["nodes"] = std::move(nodes.list);
      answer["policies_agree"] = nodes.policies.size() <= 1;
    }
  return Response::json(database.empty() ? 200 : 503, answer);
}

void addPlugins(MetricsText& text, const Providers& providers) {
  text.family("calbridge_plugin_restarts_total", "counter",
              "How often an isolated plugin's process was started again.");
  for (const Provider* provider : providers.all())
    if (const auto condition = conditionOf(*provider); condition.isolated)
      text.sample("calbridge_plugin_restarts_total", {{"provider", provider->info().id}},
                  static_cast<double>(condition.restarts));
  text.family("calbridge_plugin_quarantined", "gauge", "1 while an isolated plugin fails too often to be used.");
  for (const Provider* provider : providers.all())
    if (const auto condition = conditionOf(*provider); condition.isolated)
      text.sample("calbridge_plugin_quarantined", {{"provider", provider->info().id}}, condition.quarantined ? 1 : 0);
}

Response getMetrics(Services& services, const RequestCounters& requests,
                    const std::function<std::size_t()>& openConnections) {
  MetricsText text;
  text.gauge("calbridge_http_connections", "Open inbound connections.", static_cast<double>(openConnections()));
  text.family("calbridge_http_responses_total", "counter", "Answers by class of status.");
  for (std::size_t i = 2; i < requests.byClass.size(); ++i)
    text.sample("calbridge_http_responses_total", {{"class", std::to_string(i) + "xx"}},
                static_cast<double>(requests.byClass[i]));

  const auto& intake = services.intake.counters();
  text.counter("calbridge_events_accepted_total", "Events acknowledged.", static_cast<double>(intake.accepted));
  text.counter("calbridge_events_duplicate_total", "Events that had been acknowledged before.",
               static_cast<double>(intake.duplicates));
  text.counter("calbridge_events_routed_total", "Events turned into placements.", static_cast<double>(intake.routed));
  text.counter("calbridge_routing_failures_total", "Batches or events that could not be routed at once.",
               static_cast<double>(intake.failures));
  text.counter("calbridge_placements_changed_total", "Placements that changed.",
               static_cast<double>(intake.placementsChanged));
  text.gauge("calbridge_removals_held", "Removals that the deletion brake holds back until they are confirmed.",
             static_cast<double>(services.intake.heldRemovals().removals));

  text.family("calbridge_deliveries_total", "counter", "Delivery attempts by provider and outcome.");
  for (const auto& [id, lane] : services.engine.lanes()) {
    const auto sample = [&](const char* outcome, const std::atomic<std::int64_t>& value) {
      text.sample("calbridge_deliveries_total", {{"provider", id}, {"outcome", outcome}}, static_cast<double>(value));
    };
    sample("delivered", lane.counters.delivered);
    sample("removed", lane.counters.removed);
    sample("retry", lane.counters.retried);
    sample("blocked", lane.counters.blocked);
    sample("failed", lane.counters.failed);
  }
  text.family("calbridge_provider_circuit_open", "gauge", "1 while a provider is taken to be down.");
  for (const auto& [id, lane] : services.engine.lanes())
    text.sample("calbridge_provider_circuit_open", {{"provider", id}}, lane.circuitOpen ? 1 : 0);
  text.family("calbridge_provider_circuit_openings_total", "counter", "How often a provider was taken to be down.");
  for (const auto& [id, lane] : services.engine.lanes())
    text.sample("calbridge_provider_circuit_openings_total", {{"provider", id}},
                static_cast<double>(lane.circuitOpenings));
  text.family("calbridge_quota_waits_total", "counter", "Looks for work that a provider's quota held back.");
  for (const auto& [id, lane] : services.engine.lanes())
    text.sample("calbridge_quota_waits_total", {{"provider", id}}, static_cast<double>(lane.quotaWaits));
  text.family("calbridge_push_seconds", "summary", "Time that pushes took, by provider.");
  for (const auto& [id, lane] : services.engine.lanes()) {
    text.sample("calbridge_push_seconds_sum", {{"provider", id}}, static_cast<double>(lane.pushMicros) / 1e6);
    text.sample("calbridge_push_seconds_count", {{"provider", id}}, static_cast<double>(lane.pushes));
  }
  text.family("calbridge_pushes_in_flight", "gauge", "Pushes under way or claimed, by provider.");
  for (const auto& [id, lane] : services.engine.lanes())
    text.sample("calbridge_pushes_in_flight", {{"provider", id}}, static_cast<double>(lane.pool->inFlight()));

  addPlugins(text, services.providers);

  const TimeMs now = services.clock.now();
  const auto backlog = services.store.backlog(now);
  const auto unrouted = services.store.unroutedEvents(0, kUnroutedCounted);
  text.gauge("calbridge_events_unrouted",
             "Events that this host has stored and not yet turned into placements; counted up to 1000.",
             static_cast<double>(unrouted.size()));
  text.gauge("calbridge_oldest_unrouted_seconds", "How long the oldest of them has waited.",
             unrouted.empty() ? 0 : static_cast<double>(now - unrouted.front().receivedAt) / 1000);
  text.gauge("calbridge_deliveries_due", "Deliveries whose time has come.", static_cast<double>(backlog.due));
  text.gauge("calbridge_deliveries_blocked", "Deliveries that wait until somebody reconnects.",
             static_cast<double>(backlog.blocked));
  text.gauge("calbridge_deliveries_failed", "Deliveries that the provider rejected for good.",
             static_cast<double>(backlog.failed));
  text.gauge("calbridge_oldest_due_seconds", "How long the oldest due delivery has waited.",
             backlog.oldestDue ? static_cast<double>(now - backlog.oldestDue) / 1000 : 0);
  std::int64_t dead = 0;
  for (const auto& tally : services.store.connectionTallies())
    dead += tally.needsReconnection;
  text.counter("calbridge_outcomes_refused_total", "Outcomes refused because another host had taken the claim over.",
               static_cast<double>(services.store.refusedOutcomes()));
  if (const NodesSeen nodes(services.store); !nodes.list.empty()) {
    text.gauge("calbridge_nodes", "Hosts alive on this database.", static_cast<double>(nodes.list.size()));
    text.gauge("calbridge_policies", "Different sets of roles and routes that they decide by; 1 is right.",
               static_cast<double>(nodes.policies.size()));
  }
  text.gauge("calbridge_connections_needing_reconnection", "Connections whose grant is dead.",
             static_cast<double>(dead));
  Response answer{.status = 200, .body = text.take()};
  return answer.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
}

} // namespace

void addOperations(RouteTable& table, Services& services, const RequestCounters& requests,
                   std::function<std::size_t()> openConnections) {
  auto readiness = std::make_shared<Readiness>(services);
  table.add("GET", "/healthz", Access::open, [](Exchange&) { return Response::json(200, {{"status", "ok"}}); });
  table.add("GET", "/readyz", Access::open,
            [&services, readiness](Exchange&) { return getReady(services, *readiness); });
  table.add("GET", "/metrics", Access::open, [&services, &requests, open = std::move(openConnections)](Exchange&) {
    return getMetrics(services, requests, open);
  });
  table.add("GET", "/api/openapi.json", Access::open, [](Exchange&) {
    Response answer{.status = 200, .body = std::string(openApiDocument())};
    return answer.header("Content-Type", "application/json");
  });
}

} // namespace calbridge::http
