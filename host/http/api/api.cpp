#include "http/api/api.hpp"
#include "http/api/error_response.hpp"
#include "http/web/pages.hpp"

namespace calbridge::http {
namespace {

OriginOptions originOptions(const SiteOptions& site) {
  return {.publicUrl = site.publicUrl,
          .frontendUrl = site.frontendUrl,
          .allowedOrigins = site.allowedOrigins,
          .listenOrigins = site.listenOrigins};
}

bool isApi(const Request& request) {
  if (request.segments.empty())
    return false;
  const auto& first = request.segments.front();
  return first == "api" ||
         (request.segments.size() == 1 && (first == "healthz" || first == "readyz" || first == "metrics"));
}

/// A feed's path is a secret and so is an unsubscribe link's, and nobody's query belongs into a log (a callback's holds
/// a code).
std::string loggedPath(const Request& request) {
  const std::string_view part = request.segments.size() > 2 ? std::string_view(request.segments[2]) : "";
  return part == "feed"          ? "/api/calendar/feed/(secret).ics"
         : part == "unsubscribe" ? "/api/calendar/unsubscribe/(secret)/"
                                 : request.path;
}

void authorize(const Route& route, const Identity& identity) {
  switch (route.access) {
  case Access::open:
  case Access::link:
    return;
  case Access::app:
    return requireApp(identity);
  case Access::person:
    requirePerson(identity);
    return;
  case Access::admin:
    requireAdmin(identity);
    return;
  }
}

} // namespace

Api::Api(Services& services, delivery::BulkSync& bulk, std::function<std::size_t()> openConnections)
    : services_(services), appKeys_(services.store, services.clock),
      jwt_({.secret = services.site.jwtSecret,
            .jwksFile = services.site.jwksFile,
            .audiences = {"calbridge", services.site.publicUrl}},
           services.clock, services.logger),
      sessions_(
          services.store, services.clock, services.random,
          {.lifetimeMs = services.site.sessionLifetimeMs, .secure = services.site.publicUrl.starts_with("https:")}),
      authenticator_(services.store, appKeys_, jwt_, sessions_), origins_(originOptions(services.site)),
      passwords_(services.random), throttle_(services.clock) {
  addEvents(table_, services); // first: the route that is called most
  addPeople(table_, services, passwords_);
  addSession(table_, services, passwords_, sessions_, throttle_);
  addConnections(table_, services);
  addCalendars(table_, services);
  addSync(table_, services, bulk);
  addAdmin(table_, services);
  addEntries(table_, services);
  addFeeds(table_, services);
  addUnsubscribe(table_, services);
  addOperations(table_, services, counters_, std::move(openConnections));
  pages_ = std::make_unique<Pages>(services, authenticator_, sessions_, origins_, passwords_, throttle_);
}

Api::~Api() = default;

Response Api::handle(Request& request) {
  Response response = answer(request);
  response.header("X-Content-Type-Options", "nosniff");
  // RFC 6797 sections 6.1 and 7.2: over TLS alone. Not for subdomains, which may be somebody else's.
  if (request.secure && services_.site.publicUrl.starts_with("https:"))
    response.header("Strict-Transport-Security", "max-age=31536000");
  response.header("X-Request-Id", request.requestId);
  ++counters_.byClass[static_cast<std::size_t>(response.status / 100 % 6)];
  if (services_.logger.enabled(Logger::Level::debug))
    services_.logger.debug("answered", {{"request", request.requestId},
                                        {"method", request.method},
                                        {"path", loggedPath(request)},
                                        {"status", std::to_string(response.status)},
                                        {"address", request.clientAddress}});
  return response;
}

Response Api::answer(Request& request) {
  if (!isApi(request))
    return pages_->handle(request);
  Response response;
  try {
    if (auto preflight = origins_.preflight(request))
      return std::move(*preflight);
    response = route(request);
  } catch (const Error& error) {
    response = errorResponse(error);
    if (response.status >= 500)
      services_.logger.error("a request failed", {{"request", request.requestId},
                                                  {"method", request.method},
                                                  {"code", error.code()},
                                                  {"reason", error.message()},
                                                  {"detail", error.detail()}});
  }
  origins_.addHeaders(request, response);
  return response;
}

Response Api::route(Request& request) {
  auto match = table_.find(request);
  if (!match.route) {
    if (match.allowed.empty())
      throw Error("not_found", "there is nothing under this path; /api/openapi.json describes what there is");
    auto answer = problem(405, "method_not_allowed", "this path answers to " + match.allowed);
    return answer.header("Allow", match.allowed);
  }
  const Identity identity = authenticator_.authenticate(request);
  if (match.route->access != Access::link)
    origins_.check(request, identity);
  authorize(*match.route, identity);
  Exchange exchange{request, identity, std::move(match.parameters)};
  return match.route->handle(exchange);
}

} // namespace calbridge::http
