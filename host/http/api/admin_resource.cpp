#include "connections/audit_log.hpp"
#include "connections/connections.hpp"
#include "core/error.hpp"
#include "http/api/resources.hpp"

#include <charconv>

namespace calbridge::http {
namespace {

constexpr std::size_t kDefaultPage = 50;
constexpr std::size_t kLargestPage = 200;

std::size_t readLimit(const Request& request) {
  const auto text = request.queryValue("limit");
  if (!text)
    return kDefaultPage;
  std::size_t limit = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, limit);
  if (read.ec != std::errc{} || read.ptr != end || limit < 1 || limit > kLargestPage)
    throw Error("invalid_field", "`limit` must be a number from 1 to " + std::to_string(kLargestPage), {}, "/limit");
  return limit;
}

Response listConnections(Services& services, Exchange& exchange) {
  if (exchange.request.queryValue("needs").value_or("reconnect") != "reconnect")
    throw Error("invalid_field", "`needs` must be \"reconnect\"", {}, "/needs");
  const std::size_t limit = readLimit(exchange.request);
  auto answer = Response::json(200, connections::toJson(services.connections.overview(
                                        exchange.request.queryValue("after").value_or(""), limit)));
  return answer.header("Cache-Control", "no-store");
}

/// `since` as an instant; 0 when it is absent.
TimeMs readSince(const Request& request) {
  const auto text = request.queryValue("since");
  if (!text)
    return 0;
  const auto since = parseRfc3339(*text);
  if (!since)
    throw Error("invalid_field", "`since` must be an instant such as 2026-01-01T00:00:00Z", {}, "/since");
  return *since;
}

/// The line that a page ended with; 0 when it is absent.
std::int64_t readBefore(const Request& request) {
  const auto text = request.queryValue("before");
  if (!text)
    return 0;
  std::int64_t before = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, before);
  if (read.ec != std::errc{} || read.ptr != end || before < 1)
    throw Error("invalid_field", "`before` must be the `next` of another page", {}, "/before");
  return before;
}

Response listAudit(Services& services, Exchange& exchange) {
  const store::AuditQuery query{exchange.request.queryValue("person").value_or(""), readSince(exchange.request),
                                readBefore(exchange.request), readLimit(exchange.request)};
  nlohmann::json lines = nlohmann::json::array();
  std::int64_t last = 0;
  for (const auto& record : services.store.audit(query)) {
    lines.push_back(connections::toJson(record));
    last = record.seq;
  }
  const bool more = lines.size() == query.limit;
  auto answer = Response::json(200, {{"lines", std::move(lines)}, {"next", more ? nlohmann::json(last) : nullptr}});
  return answer.header("Cache-Control", "no-store");
}

} // namespace

void addAdmin(RouteTable& table, Services& services) {
  table.add("GET", "/api/calendar/connections/", Access::admin,
            [&](Exchange& exchange) { return listConnections(services, exchange); });
  table.add("GET", "/api/audit/", Access::admin, [&](Exchange& exchange) { return listAudit(services, exchange); });
}

} // namespace calbridge::http
