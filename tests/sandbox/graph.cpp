#include "graph_call.hpp"

namespace calbridge::sandbox {

namespace {
constexpr TimeMs kCallSpan = 10 * 60'000;
constexpr TimeMs kByteSpan = 5 * 60'000;
constexpr std::int64_t kByteLimit = 150LL * 1024 * 1024;
} // namespace

Response Graph::error(Services& services, int status, const std::string& code, const std::string& message) {
  std::string id = services.random.uuid();
  Response response =
      Response::json(status, {{"error",
                               {{"code", code},
                                {"message", message},
                                {"innerError",
                                 {{"date", formatRfc3339(services.clock.now() / 1000 * 1000).substr(0, 19)},
                                  {"request-id", id},
                                  {"client-request-id", id}}}}}});
  response.header("request-id", id);
  return response;
}

Response Graph::fail(int status, const std::string& code, const std::string& message) {
  return error(s_, status, code, message);
}

std::string Graph::Call::keyOf(const std::string& id) {
  bool known = (id.starts_with("AAkALg") || id.starts_with("AAMkAG")) && id.ends_with("AAA=") && id.size() > 10;
  return known ? id.substr(6, id.size() - 10) : std::string();
}

json Graph::Call::presentCalendar(const Calendar& calendar) const {
  json body{{"id", calendar.id},
            {"name", calendar.name},
            {"color", "auto"},
            {"hexColor", ""},
            {"isDefaultCalendar", calendar.primary},
            {"changeKey", "CK" + std::to_string(calendar.change)},
            {"canShare", true},
            {"canViewPrivateItems", true},
            {"canEdit", true},
            {"allowedOnlineMeetingProviders", {"teamsForBusiness"}},
            {"defaultOnlineMeetingProvider", "teamsForBusiness"},
            {"isTallyingResponses", true},
            {"isRemovable", !calendar.primary},
            {"owner", {{"name", account.name}, {"address", account.email}}}};
  return body;
}

/// Refuses what the mailbox's limits forbid; otherwise the request counts as running.
std::optional<Response> Graph::admit(Call& call) {
  std::lock_guard lock(call.account.mutex);
  if (s_.settings.limits) {
    TimeMs now = s_.clock.now();
    const char* reason = nullptr;
    if (call.account.running >= s_.settings.graphConcurrent)
      reason = "Application is over its MailboxConcurrency limit.";
    else if (!call.account.calls.take(now, kCallSpan, s_.settings.graphPerMailbox))
      reason = "Application is over its request limit for this mailbox.";
    else if (!call.account.bytes.take(now, kByteSpan, kByteLimit, static_cast<std::int64_t>(call.request.body.size())))
      reason = "Application is over its upload limit for this mailbox.";
    if (reason)
      return fail(429, "ApplicationThrottled", reason)
          .header("Retry-After", std::to_string(s_.settings.graphRetryAfter));
  }
  ++call.account.running;
  return std::nullopt;
}

Response Graph::handle(Request& request, std::span<const std::string> rest, std::chrono::milliseconds delay) {
  std::string_view header = request.headers.get("Authorization");
  auto access =
      header.starts_with("Bearer ") ? s_.grants.access(Kind::outlook, std::string(header.substr(7))) : std::nullopt;
  if (!access) {
    Response response =
        fail(401, "InvalidAuthenticationToken",
             header.empty() ? "Access token is empty." : "Access token has expired or is not yet valid.");
    response.header("WWW-Authenticate",
                    "Bearer realm=\"\", authorization_uri=\"/outlook/common/oauth2/v2.0/authorize\"");
    return response;
  }
  auto account = access->account;
  Call call{request, std::move(*access), *account,
            request.query.empty() ? http::Parameters{} : request.queryParameters(), false};
  for (std::string_view prefer : request.headers.all("Prefer"))
    call.immutableIds = call.immutableIds || prefer.find("IdType=\"ImmutableId\"") != std::string_view::npos;
  if (!call.immutableIds && rest.size() > 1)
    s_.violations.add(Kind::outlook, account->email, "a request without Prefer: IdType=\"ImmutableId\"");
  if (auto refused = admit(call))
    return std::move(*refused);
  struct Done {
    Account& account;
    ~Done() {
      std::lock_guard lock(account.mutex);
      --account.running;
    }
  } done{*account};
  if (delay.count() > 0)
    std::this_thread::sleep_for(delay);
  return route(call, rest);
}

Response Graph::route(Call& call, std::span<const std::string> rest) {
  if (rest.empty() || rest[0] != "me")
    return fail(400, "BadRequest", "Resource not found for the segment.");
  rest = rest.subspan(1);
  if (rest.empty())
    return me(call);
  const std::string& method = call.request.method;
  if (method == "GET" ? !call.canRead() : !call.canWrite())
    return fail(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.");
  if (method == "POST" || method == "PATCH") {
    std::string_view type = call.request.headers.get("Content-Type");
    if (!http::equalIgnoringCase(type.substr(0, type.find_first_of("; ")), "application/json"))
      return fail(415, "RequestBodyRead",
                  "A missing or unsupported Content-Type header was given; application/json is needed.");
  }
  std::lock_guard lock(call.account.mutex);
  if (rest[0] == "events")
    return events(call, nullptr, rest.subspan(1));
  if (rest[0] == "calendarView" && rest.size() == 1)
    return calendarView(call, call.account.primary());
  if (rest[0] == "calendar") {
    Calendar& calendar = call.account.primary();
    if (rest.size() > 1 && rest[1] == "events")
      return events(call, &calendar, rest.subspan(2));
    if (rest.size() == 2 && rest[1] == "calendarView")
      return calendarView(call, calendar);
    if (rest.size() == 1 && method == "GET")
      return Response::json(200, call.presentCalendar(calendar));
    return fail(405, "ErrorInvalidRequest", "The HTTP method is not supported for this resource.");
  }
  if (rest[0] != "calendars")
    return fail(400, "BadRequest", "Resource not found for the segment '" + rest[0] + "'.");
  if (rest.size() >= 3) {
    auto found = call.account.calendars.find(rest[1]);
    if (found == call.account.calendars.end())
      return fail(404, "ErrorItemNotFound", "The specified object was not found in the store.");
    if (rest[2] == "events")
      return events(call, &found->second, rest.subspan(3));
    if (rest[2] == "calendarView" && rest.size() == 3)
      return calendarView(call, found->second);
    return fail(400, "BadRequest", "Resource not found for the segment '" + rest[2] + "'.");
  }
  return calendars(call, rest.subspan(1));
}

Response Graph::me(Call& call) {
  if (call.request.method != "GET")
    return fail(405, "BadRequest", "The HTTP method is not supported for this resource.");
  if (!call.access.has("User.Read"))
    return fail(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
  const Account& account = call.account;
  return Response::json(200, {{"@odata.context", "https://graph.microsoft.com/v1.0/$metadata#users/$entity"},
                              {"id", account.id},
                              {"displayName", account.name},
                              {"mail", account.email},
                              {"userPrincipalName", account.email},
                              {"givenName", account.name},
                              {"surname", nullptr},
                              {"preferredLanguage", nullptr},
                              {"businessPhones", json::array()}});
}

Response Graph::calendars(Call& call, std::span<const std::string> rest) {
  const std::string& method = call.request.method;
  json body;
  if (method == "POST" || method == "PATCH") {
    body = json::parse(call.request.body, nullptr, false);
    if (!body.is_object())
      return fail(400, "BadRequest", "Unable to read JSON request payload.");
    if (auto wrong = s_.settings.validate ? s_.schemas.check(Schemas::Body::graphCalendar, body) : std::nullopt)
      return fail(400, "RequestBodyRead", *wrong);
    std::string name = body.value("name", std::string());
    if (method == "POST" && name.empty())
      return fail(400, "ErrorInvalidRequest", "The calendar needs a name.");
    for (auto& [id, calendar] : call.account.calendars)
      if (!name.empty() && calendar.name == name && (rest.empty() || rest[0] != id))
        return fail(409, "ErrorFolderExists", "A folder with the specified name already exists.");
  }
  if (rest.empty()) {
    if (method == "GET") {
      json value = json::array();
      for (auto& [id, calendar] : call.account.calendars)
        value.push_back(call.presentCalendar(calendar));
      return Response::json(
          200,
          {{"@odata.context", "https://graph.microsoft.com/v1.0/$metadata#users('me')/calendars"}, {"value", value}});
    }
    if (method != "POST")
      return fail(405, "ErrorInvalidRequest", "The HTTP method is not supported for this resource.");
    Calendar calendar;
    calendar.id = "AQMkAD" + s_.random.token(24) + "AAA=";
    calendar.name = body["name"];
    calendar.client = call.access.client;
    calendar.change = ++call.account.changes;
    json answer = call.presentCalendar(calendar);
    call.account.calendars[calendar.id] = std::move(calendar);
    return Response::json(201, answer);
  }
  auto found = call.account.calendars.find(rest[0]);
  if (found == call.account.calendars.end())
    return fail(404, "ErrorItemNotFound", "The specified object was not found in the store.");
  if (method == "GET")
    return Response::json(200, call.presentCalendar(found->second));
  if (method == "PATCH") {
    found->second.name = body.value("name", found->second.name);
    found->second.change = ++call.account.changes;
    return Response::json(200, call.presentCalendar(found->second));
  }
  if (method != "DELETE")
    return fail(405, "ErrorInvalidRequest", "The HTTP method is not supported for this resource.");
  if (found->second.primary)
    return fail(400, "ErrorDeleteDistinguishedFolder", "The default calendar cannot be deleted.");
  call.account.calendars.erase(found);
  return Response::noContent();
}

} // namespace calbridge::sandbox
