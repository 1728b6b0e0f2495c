#pragma once
#include "delivery/bulk_sync.hpp"
#include "http/api/route_table.hpp"
#include "http/auth/login_throttle.hpp"
#include "http/auth/password_hash.hpp"
#include "http/auth/sessions.hpp"
#include "http/services.hpp"

#include <array>
#include <atomic>

/// Each function adds the routes of one resource (one file each) to the table. What is passed in is borrowed and
/// outlives the table.
namespace calbridge::http {

/// Answers so far, by status / 100.
struct RequestCounters {
  std::array<std::atomic<std::int64_t>, 6> byClass{};
};

void addEvents(RouteTable& table, Services& services);                            ///< /api/events/
void addPeople(RouteTable& table, Services& services, PasswordHasher& passwords); ///< /api/people/
void addSession(RouteTable& table, Services& services, PasswordHasher& passwords, Sessions& sessions,
                LoginThrottle& throttle); ///< /api/session/
void addConnections(RouteTable& table,
                    Services& services); ///< /api/calendar/status/, …/connect/, …/callback/, …/disconnect/
void addCalendars(RouteTable& table, Services& services);                      ///< …/calendars/, …/calendar/
void addSync(RouteTable& table, Services& services, delivery::BulkSync& bulk); ///< /api/calendar/sync/, sync-bulk/
void addAdmin(RouteTable& table, Services& services);       ///< /api/calendar/connections/, /api/audit/
void addEntries(RouteTable& table, Services& services);     ///< /api/calendar/events/, /api/calendar/ics/
void addFeeds(RouteTable& table, Services& services);       ///< /api/calendar/feed/
void addUnsubscribe(RouteTable& table, Services& services); ///< /api/calendar/unsubscribe/
/// /healthz, /readyz, /metrics, /api/openapi.json
void addOperations(RouteTable& table, Services& services, const RequestCounters& requests,
                   std::function<std::size_t()> openConnections);

/// The roles' `providers`; absent when the role may use all, an empty list when the role is not defined.
std::optional<std::vector<std::string>> allowedProviders(const Services& services, const Person& person);

} // namespace calbridge::http
