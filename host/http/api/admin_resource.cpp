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

} // namespace

void addAdmin(RouteTable& table, Services& services) {
  table.add("GET", "/api/calendar/connections/", Access::admin,
            [&](Exchange& exchange) { return listConnections(services, exchange); });
}

} // namespace calbridge::http
