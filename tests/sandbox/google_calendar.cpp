#include "google_call.hpp"

namespace calbridge::sandbox {

namespace {

constexpr TimeMs kMinute = 60'000;

std::string etagOf(std::int64_t change) {
  return "\"" + std::to_string(3'580'000'000'000 + change * 2) + "\"";
}

json calendarResource(const Calendar& calendar) {
  json body{{"kind", "calendar#calendar"},
            {"etag", etagOf(calendar.change)},
            {"id", calendar.id},
            {"summary", calendar.name},
            {"timeZone", calendar.timeZone},
            {"conferenceProperties", {{"allowedConferenceSolutionTypes", {"hangoutsMeet"}}}}};
  if (!calendar.description.empty())
    body["description"] = calendar.description;
  return body;
}

json listEntry(const Calendar& calendar) {
  json body = calendarResource(calendar);
  body["kind"] = "calendar#calendarListEntry";
  body["accessRole"] = "owner";
  body["colorId"] = "14";
  body["selected"] = true;
  body["defaultReminders"] = calendar.primary ? json{{{"method", "popup"}, {"minutes", 10}}} : json::array();
  if (calendar.primary)
    body["primary"] = true;
  return body;
}

Response insufficient() {
  Response response =
      GoogleCalendar::error(403, "insufficientPermissions", "Request had insufficient authentication scopes.");
  response.header("WWW-Authenticate", "Bearer realm=\"https://accounts.google.com/\", error=\"insufficient_scope\"");
  return response;
}

} // namespace

Response GoogleCalendar::error(int status, const std::string& reason, const std::string& message,
                               const std::string& domain, const std::string& location,
                               const std::string& locationType) {
  json item{{"domain", domain}, {"reason", reason}, {"message", message}};
  if (!location.empty()) {
    item["location"] = location;
    item["locationType"] = locationType;
  }
  return Response::json(status, {{"error", {{"errors", {item}}, {"code", status}, {"message", message}}}});
}

void GoogleCalendar::reset() {
  std::lock_guard lock(projectMutex_);
  projects_.clear();
}

std::optional<Response> GoogleCalendar::takeQuota(Call& call, int units) {
  if (!s_.settings.limits)
    return std::nullopt;
  TimeMs now = s_.clock.now();
  int status = s_.settings.googleLimitStatus;
  {
    std::lock_guard lock(projectMutex_);
    if (!projects_[call.access.client].take(now, kMinute, s_.settings.googlePerProject, units))
      return error(status, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits");
  }
  std::lock_guard lock(call.account.mutex);
  if (!call.account.calls.take(now, kMinute, s_.settings.googlePerUser, units))
    return error(status, "userRateLimitExceeded", "User Rate Limit Exceeded", "usageLimits");
  return std::nullopt;
}

Response GoogleCalendar::handle(Request& request, std::span<const std::string> rest, std::chrono::milliseconds delay) {
  std::string_view header = request.headers.get("Authorization");
  if (header.empty()) {
    Response response = error(401, "required", "Login Required.", "global", "Authorization", "header");
    response.header("WWW-Authenticate", "Bearer realm=\"https://accounts.google.com/\"");
    return response;
  }
  auto access =
      header.starts_with("Bearer ") ? s_.grants.access(Kind::google, std::string(header.substr(7))) : std::nullopt;
  if (!access) {
    Response response = error(401, "authError", "Invalid Credentials", "global", "Authorization", "header");
    response.header("WWW-Authenticate", "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"");
    return response;
  }
  auto account = access->account;
  Call call{request, std::move(*access), *account,
            request.query.empty() ? http::Parameters{} : request.queryParameters()};
  if (auto refused = takeQuota(call, request.method == "PATCH" ? 3 : 1))
    return std::move(*refused);
  if (delay.count() > 0)
    std::this_thread::sleep_for(delay);
  if (rest.size() >= 3 && rest[0] == "calendars" && rest[2] == "events")
    return events(call, rest[1], rest.subspan(3));
  if (!rest.empty() && rest[0] == "calendars")
    return calendars(call, rest.subspan(1));
  if (rest.size() >= 3 && rest[0] == "users" && rest[1] == "me" && rest[2] == "calendarList")
    return calendarList(call, rest.subspan(3));
  return error(404, "notFound", "Not Found");
}

Response GoogleCalendar::calendars(Call& call, std::span<const std::string> rest) {
  const std::string& method = call.request.method;
  bool read = method == "GET";
  if (!(read ? call.hasScope({"calendar", "calendar.app.created", "calendar.calendars", "calendar.calendars.readonly",
                              "calendar.readonly"})
             : call.hasScope({"calendar", "calendar.app.created", "calendar.calendars"})))
    return insufficient();
  bool ownOnly =
      call.ownCalendarsOnly({"calendar", "calendar.calendars", "calendar.calendars.readonly", "calendar.readonly"});
  json body;
  if (method == "POST" || method == "PUT" || method == "PATCH") {
    body = json::parse(call.request.body, nullptr, false);
    if (!body.is_object())
      return error(400, "parseError", "Parse Error");
    dropNulls(body);
    if (s_.settings.validate)
      if (auto wrong = s_.schemas.check(Schemas::Body::googleCalendar, body))
        return error(400, "badRequest", "Invalid JSON payload received. " + *wrong);
    if (body.contains("timeZone") && !isTimeZone(body["timeZone"]))
      return error(400, "invalid", "Invalid time zone.");
    if (method != "PATCH" && body.value("summary", std::string()).empty())
      return error(400, "required", "Missing title.");
  }
  std::lock_guard lock(call.account.mutex);
  auto apply = [&](Calendar& calendar) {
    calendar.name = body.value("summary", calendar.name);
    calendar.description = body.value("description", calendar.description);
    calendar.timeZone = body.value("timeZone", calendar.timeZone);
    calendar.change = ++call.account.changes;
  };
  if (rest.empty()) {
    if (method != "POST")
      return error(405, "httpMethodNotAllowed", "Method Not Allowed");
    Calendar calendar;
    calendar.id = randomHex(s_.random) + "@group.calendar.google.com";
    calendar.client = call.access.client;
    apply(calendar);
    json answer = calendarResource(calendar);
    call.account.calendars[calendar.id] = std::move(calendar);
    return Response::json(200, answer);
  }
  if (rest.size() != 1)
    return error(404, "notFound", "Not Found");
  auto found = rest[0] == "primary" ? call.account.calendars.find(call.account.primary().id)
                                    : call.account.calendars.find(rest[0]);
  if (found == call.account.calendars.end() || (ownOnly && found->second.client != call.access.client))
    return error(404, "notFound", "Not Found");
  if (method == "GET")
    return Response::json(200, calendarResource(found->second));
  if (method == "DELETE") {
    if (found->second.primary)
      return error(400, "cannotDeletePrimaryCalendar", "The primary calendar cannot be deleted.", "calendar");
    call.account.calendars.erase(found);
    return Response::noContent();
  }
  if (method != "PUT" && method != "PATCH")
    return error(405, "httpMethodNotAllowed", "Method Not Allowed");
  apply(found->second);
  return Response::json(200, calendarResource(found->second));
}

Response GoogleCalendar::calendarList(Call& call, std::span<const std::string> rest) {
  if (call.request.method != "GET" && call.request.method != "DELETE")
    return error(405, "httpMethodNotAllowed", "Method Not Allowed");
  if (rest.empty()) {
    if (call.request.method != "GET")
      return error(405, "httpMethodNotAllowed", "Method Not Allowed");
    if (!call.hasScope({"calendar", "calendar.calendarlist", "calendar.calendarlist.readonly", "calendar.readonly"}))
      return insufficient();
    std::lock_guard lock(call.account.mutex);
    json items = json::array();
    for (auto& [id, calendar] : call.account.calendars)
      items.push_back(listEntry(calendar));
    return Response::json(200, {{"kind", "calendar#calendarList"},
                                {"etag", etagOf(call.account.changes)},
                                {"nextSyncToken", "L" + std::to_string(call.account.changes)},
                                {"items", items}});
  }
  bool read = call.request.method == "GET";
  if (!(read ? call.hasScope({"calendar", "calendar.app.created", "calendar.calendarlist",
                              "calendar.calendarlist.readonly", "calendar.readonly"})
             : call.hasScope({"calendar", "calendar.app.created", "calendar.calendarlist"})))
    return insufficient();
  bool ownOnly = call.ownCalendarsOnly(
      {"calendar", "calendar.calendarlist", "calendar.calendarlist.readonly", "calendar.readonly"});
  std::lock_guard lock(call.account.mutex);
  std::string id = rest[0] == "primary" ? call.account.primary().id : rest[0];
  auto found = call.account.calendars.find(id);
  if (rest.size() != 1 || found == call.account.calendars.end() ||
      (ownOnly && found->second.client != call.access.client))
    return error(404, "notFound", "Not Found");
  if (read)
    return Response::json(200, listEntry(found->second));
  return error(403, "forbidden", "The owner of a calendar cannot remove it from the list; delete the calendar.",
               "calendar");
}

} // namespace calbridge::sandbox
