#include "connections/audit_log.hpp"
#include "connections/connections.hpp"
#include "core/error.hpp"
#include "delivery/delivery_engine.hpp"
#include "http/api/body.hpp"
#include "http/api/flow_cookie.hpp"
#include "http/api/form_connect.hpp"
#include "http/api/resources.hpp"
#include "routing/routing_policy.hpp"

namespace calbridge::http {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kExchangeTimeout{20000};

void note(Services& services, const char* action, const std::string& personId, json detail) {
  connections::AuditLog(services.store, services.clock, services.logger)
      .note(action, connections::AuditLog::person(personId), personId, std::move(detail));
}

Response getStatus(Services& services, Exchange& exchange) {
  const auto allowed = allowedProviders(services, exchange.person());
  json providers = json::array();
  for (const auto& status : services.connections.status(exchange.person().id, allowed))
    providers.push_back(connections::toJson(status));
  return Response::json(200, {{"role", exchange.person().role},
                              {"sync_enabled", services.policy()->role(exchange.person().role) != nullptr},
                              {"providers", std::move(providers)}});
}

Provider& findProvider(Services& services, Exchange& exchange) {
  Provider* provider = services.providers.find(exchange.parameter("provider"));
  if (!provider)
    throw Error("not_found", "there is no provider of this name");
  return *provider;
}

Response postConnect(Services& services, LoginThrottle& throttle, Exchange& exchange) {
  Provider& provider = findProvider(services, exchange);
  const auto allowed = allowedProviders(services, exchange.person());
  readJsonObject(exchange.request, true); // of what is to be JSON nothing else is taken, needed or not
  if (connections::connectKind(provider.info()) == "credentials")
    return connectByForm(services, throttle, exchange, provider);
  if (provider.info().can("invitations")) {
    services.connections.invitations().turnOn(exchange.person(), allowed, provider.info().id);
    note(services, "invitations.on", exchange.person().id, {{"provider", provider.info().id}, {"by", "person"}});
    services.engine.wake();
    return Response::json(200, {{"invitations", "on"}});
  }
  if (provider.info().can("feed")) {
    const auto urls = services.connections.feeds().connect(exchange.person(), allowed, provider.info().id);
    services.connections.changed(exchange.person().id);
    note(services, "feed.created", exchange.person().id, {{"provider", provider.info().id}});
    auto answer = Response::json(200, {{"feed_url", urls.feedUrl}, {"webcal_url", urls.webcalUrl}});
    return answer.header("Cache-Control", "no-store");
  }
  const std::string secret = flowSecret(exchange.request, services.random);
  const std::string url = services.connections.oauth().begin(exchange.person(), allowed, provider.info().id, secret);
  auto answer = Response::json(200, {{"authorization_url", url}});
  answer.header("Set-Cookie", flowCookie(secret, services.site.publicUrl));
  return answer.header("Cache-Control", "no-store");
}

Response getCallback(Services& services, Exchange& exchange) {
  Provider& provider = findProvider(services, exchange);
  const std::string page = services.site.frontendUrl + "/settings/calendar";
  std::map<std::string, std::string> query;
  for (auto& [name, value] : exchange.request.queryParameters())
    query.emplace(name, value); // a repeated parameter is not ours to interpret: the first counts
  CallContext context;
  context.timeout = kExchangeTimeout;
  context.requestId = exchange.request.requestId;
  const auto result = services.connections.oauth().callback(provider.info().id, query,
                                                            readFlowCookie(exchange.request).value_or(""), context);
  if (result.connected()) {
    note(services, "connection.created", result.personId,
         {{"provider", provider.info().id}, {"connection", result.connectionId}});
    services.connections.changed(result.personId);
  } else if (!result.personId.empty()) {
    note(services, "connection.refused", result.personId, {{"provider", provider.info().id}, {"error", result.error}});
  }
  auto answer = Response::redirect(result.connected() ? page + "?connected=" + percentEncode(provider.info().id)
                                                      : page + "?error=" + percentEncode(result.error) +
                                                            "&provider=" + percentEncode(provider.info().id));
  answer.header("Cache-Control", "no-store");
  return answer.header("Referrer-Policy", "no-referrer");
}

Response postDisconnect(Services& services, Exchange& exchange) {
  Provider& provider = findProvider(services, exchange);
  const json body = readJsonObject(exchange.request, true);
  const Fields fields(body);
  fields.allowOnly({"events"});
  const std::string events = fields.optionalText("events", 16).value_or("remove");
  if (events != "keep" && events != "remove")
    throw Error("invalid_field", "`events` must be \"keep\" or \"remove\"", {}, "/events");
  const auto entries = events == "keep" ? connections::Entries::keep : connections::Entries::remove;
  const bool invitations = provider.info().can("invitations");
  const auto result =
      invitations ? services.connections.invitations().turnOff(exchange.person(), provider.info().id, entries)
                  : services.connections.disconnection().disconnect(exchange.person().id, provider.info().id, entries);
  if (invitations)
    note(services, "invitations.off", exchange.person().id,
         {{"provider", provider.info().id}, {"entries", events}, {"by", "person"}});
  else if (result.wasConnected)
    note(services, "connection.ended", exchange.person().id, {{"provider", provider.info().id}, {"entries", events}});
  services.connections.changed(exchange.person().id);
  services.engine.wake();
  return Response::json(
      200, {{"provider", provider.info().id},
            {"disconnected", true},
            {"was_connected", result.wasConnected},
            {"removing", result.removing},
            {"entries_remain", result.entriesRemain},
            {"disconnect_url", result.disconnectUrl.empty() ? json(nullptr) : json(result.disconnectUrl)}});
}

} // namespace

std::optional<std::vector<std::string>> allowedProviders(const Services& services, const Person& person) {
  const auto policy = services.policy();
  const auto* role = policy->role(person.role);
  if (!role)
    return std::vector<std::string>{};
  return role->config().providers;
}

void addConnections(RouteTable& table, Services& services) {
  const auto attempts =
      std::make_shared<LoginThrottle>(services.clock, LoginThrottleOptions{.perAccount = 10, .perAddress = 100});
  table.add("GET", "/api/calendar/status/", Access::person, [&](Exchange& e) { return getStatus(services, e); });
  table.add("POST", "/api/calendar/{provider}/connect/", Access::person,
            [&, attempts](Exchange& e) { return postConnect(services, *attempts, e); });
  table.add("GET", "/api/calendar/{provider}/callback/", Access::open,
            [&](Exchange& e) { return getCallback(services, e); });
  table.add("POST", "/api/calendar/{provider}/disconnect/", Access::person,
            [&](Exchange& e) { return postDisconnect(services, e); });
}

} // namespace calbridge::http
