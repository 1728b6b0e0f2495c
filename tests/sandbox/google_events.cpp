#include "google_call.hpp"

#include <charconv>

namespace calbridge::sandbox {

namespace {

std::string etagOf(std::int64_t change) {
  return "\"" + std::to_string(3'400'000'000'000 + change * 2) + "\"";
}

/// What the server alone decides about an event.
void complete(json& event, const std::string& id, const Account& account, const Calendar& calendar, TimeMs now) {
  event["kind"] = "calendar#event";
  event["id"] = id;
  event["created"] = formatRfc3339(now / 1000 * 1000);
  event["htmlLink"] = "https://www.google.com/calendar/event?eid=" + id;
  event["creator"] = calendar.primary ? json{{"email", account.email}, {"self", true}} : json{{"email", account.email}};
  event["organizer"] = calendar.primary ? json{{"email", account.email}, {"self", true}}
                                        : json{{"email", calendar.id}, {"displayName", calendar.name}, {"self", true}};
  event["iCalUID"] = id + "@google.com";
  event["eventType"] = "default";
}

void touch(StoredEvent& event, Account& account, Calendar& calendar, TimeMs now) {
  event.change = ++account.changes;
  calendar.change = account.changes;
  event.resource["etag"] = etagOf(event.change);
  event.resource["updated"] = formatRfc3339(now);
}

void addDefaults(json& event) {
  if (!event.contains("status"))
    event["status"] = "confirmed";
  if (!event.contains("reminders"))
    event["reminders"] = {{"useDefault", true}};
  if (!event.contains("sequence"))
    event["sequence"] = 0;
}

bool matches(const StoredEvent& event, const std::string& header) {
  return header == "*" || header == event.resource["etag"];
}

/// Is every privateExtendedProperty=k=v of the query there?
bool hasProperties(const http::Parameters& query, const json& resource) {
  for (const auto& [name, value] : query) {
    bool isPrivate = name == "privateExtendedProperty";
    if (!isPrivate && name != "sharedExtendedProperty")
      continue;
    std::size_t equals = value.find('=');
    const json* properties = nullptr;
    if (resource.contains("extendedProperties") &&
        resource["extendedProperties"].contains(isPrivate ? "private" : "shared"))
      properties = &resource["extendedProperties"][isPrivate ? "private" : "shared"];
    std::string key = value.substr(0, equals);
    if (equals == std::string::npos || !properties || !properties->contains(key) ||
        (*properties)[key] != value.substr(equals + 1))
      return false;
  }
  return true;
}

} // namespace

Response GoogleCalendar::events(Call& call, const std::string& calendarId, std::span<const std::string> rest) {
  const std::string& method = call.request.method;
  bool read = method == "GET";
  bool covered =
      read ? call.hasScope({"calendar", "calendar.app.created", "calendar.events", "calendar.events.owned",
                            "calendar.events.owned.readonly", "calendar.events.readonly", "calendar.readonly"})
           : call.hasScope({"calendar", "calendar.app.created", "calendar.events", "calendar.events.owned"});
  if (!covered) {
    Response response = error(403, "insufficientPermissions", "Request had insufficient authentication scopes.");
    response.header("WWW-Authenticate", "Bearer realm=\"https://accounts.google.com/\", error=\"insufficient_scope\"");
    return response;
  }
  bool ownOnly =
      read ? call.ownCalendarsOnly({"calendar", "calendar.events", "calendar.events.owned",
                                    "calendar.events.owned.readonly", "calendar.events.readonly", "calendar.readonly"})
           : call.ownCalendarsOnly({"calendar", "calendar.events", "calendar.events.owned"});
  json body;
  bool writes = method == "POST" || method == "PUT" || method == "PATCH";
  if (writes) {
    std::string_view type = call.request.headers.get("Content-Type");
    if (!http::equalIgnoringCase(type.substr(0, type.find_first_of("; ")), "application/json"))
      return error(400, "parseError", "This API does not support parsing form-encoded input.");
    body = json::parse(call.request.body, nullptr, false);
    if (!body.is_object())
      return error(400, "parseError", "Parse Error");
    if (s_.settings.validate) {
      json present = body;
      dropNulls(present);
      if (auto wrong = s_.schemas.check(Schemas::Body::googleEvent, present))
        return error(400, "badRequest", "Invalid JSON payload received. " + *wrong);
    }
  }
  if (!read) {
    auto sends = call.parameter("sendUpdates");
    if (sends && *sends != "all" && *sends != "externalOnly" && *sends != "none")
      return error(400, "invalidParameter", "Invalid value '" + *sends + "' for sendUpdates.", "global", "sendUpdates",
                   "parameter");
    if (sends != "none")
      s_.violations.add(Kind::google, call.account.email, method + " without sendUpdates=none");
  }
  std::lock_guard lock(call.account.mutex);
  auto found = call.account.calendars.find(calendarId == "primary" ? call.account.primary().id : calendarId);
  if (found == call.account.calendars.end() || (ownOnly && found->second.client != call.access.client))
    return error(404, "notFound", "Not Found");
  Calendar& calendar = found->second;
  if (writes && body.contains("attendees") && !body["attendees"].empty()) {
    s_.violations.add(Kind::google, call.account.email, method + " with attendees");
    call.account.invitations += call.parameter("sendUpdates").value_or("none") == "none"
                                    ? 0
                                    : static_cast<std::int64_t>(body["attendees"].size());
  }
  if (rest.empty())
    return method == "GET"    ? list(call, calendar)
           : method == "POST" ? insert(call, calendar, std::move(body))
                              : error(405, "httpMethodNotAllowed", "Method Not Allowed");
  if (rest.size() != 1)
    return error(404, "notFound", "Not Found");
  if (method == "PUT" || method == "PATCH")
    return change(call, calendar, rest[0], std::move(body), method == "PATCH");
  if (method == "DELETE")
    return remove(call, calendar, rest[0]);
  if (method != "GET")
    return error(405, "httpMethodNotAllowed", "Method Not Allowed");
  auto event = calendar.events.find(rest[0]);
  if (event == calendar.events.end())
    return error(404, "notFound", "Not Found");
  std::string etag = event->second.resource["etag"];
  if (call.request.headers.get("If-None-Match") == etag)
    return Response{.status = 304}.header("ETag", etag);
  return Response::json(200, event->second.resource).header("ETag", etag);
}

Response GoogleCalendar::insert(Call& call, Calendar& calendar, json body) {
  dropNulls(body);
  std::string id = body.value("id", std::string());
  if (id.empty())
    id = randomHex(s_.random).substr(0, 26);
  else if (!isGoogleEventId(id))
    return error(400, "invalid", "Invalid resource id value.");
  if (calendar.events.contains(id))
    return error(409, "duplicate", "The requested identifier already exists.");
  StoredEvent event;
  if (s_.settings.validate)
    if (auto wrong = checkGoogleEvent(body, calendar, s_.settings, event))
      return std::move(*wrong);
  TimeMs now = s_.clock.now();
  addDefaults(body);
  complete(body, id, call.account, calendar, now);
  event.client = call.access.client;
  event.deleted = body["status"] == "cancelled";
  event.resource = std::move(body);
  touch(event, call.account, calendar, now);
  Response response = Response::json(200, event.resource);
  calendar.events.emplace(std::move(id), std::move(event));
  return response;
}

Response GoogleCalendar::change(Call& call, Calendar& calendar, const std::string& id, json body, bool patch) {
  auto found = calendar.events.find(id);
  if (found == calendar.events.end())
    return error(404, "notFound", "Not Found");
  StoredEvent& event = found->second;
  if (auto wanted = call.request.headers.find("If-Match"); wanted && !matches(event, std::string(*wanted)))
    return error(412, "conditionNotMet", "Precondition Failed", "global", "If-Match", "header");
  if (body.contains("id") && !body["id"].is_null() && body["id"] != id)
    return error(400, "invalid", "Invalid resource id value.");
  bool revives = event.deleted && body.contains("status") && !body["status"].is_null() && body["status"] != "cancelled";
  if (revives && !s_.settings.googleRevive)
    return error(403, "forbidden", "Forbidden");
  json merged;
  auto sequence = event.resource.value("sequence", std::int64_t{0});
  if (patch) {
    merged = event.resource;
    mergePatch(merged, body);
  } else {
    dropNulls(body);
    merged = std::move(body);
    if (!merged.contains("status") && event.deleted)
      merged["status"] = "cancelled";
  }
  if (merged.value("sequence", sequence) < sequence)
    return error(
        400, "invalid",
        "Invalid sequence value. The specified sequence number is below the current sequence number of the resource.");
  if (!merged.contains("sequence"))
    merged["sequence"] = sequence;
  addDefaults(merged);
  StoredEvent next = event;
  if (s_.settings.validate)
    if (auto wrong = checkGoogleEvent(merged, calendar, s_.settings, next))
      return std::move(*wrong);
  TimeMs now = s_.clock.now();
  std::string created = event.resource["created"];
  complete(merged, id, call.account, calendar, now);
  merged["created"] = created;
  next.deleted = merged["status"] == "cancelled";
  next.resource = std::move(merged);
  event = std::move(next);
  touch(event, call.account, calendar, now);
  return Response::json(200, event.resource).header("ETag", event.resource["etag"]);
}

Response GoogleCalendar::remove(Call& call, Calendar& calendar, const std::string& id) {
  auto found = calendar.events.find(id);
  if (found == calendar.events.end())
    return error(404, "notFound", "Not Found");
  StoredEvent& event = found->second;
  if (event.deleted)
    return error(410, "deleted", "Resource has been deleted");
  if (auto wanted = call.request.headers.find("If-Match"); wanted && !matches(event, std::string(*wanted)))
    return error(412, "conditionNotMet", "Precondition Failed", "global", "If-Match", "header");
  event.deleted = true;
  event.resource["status"] = "cancelled";
  touch(event, call.account, calendar, s_.clock.now());
  return Response::noContent();
}

Response GoogleCalendar::list(Call& call, Calendar& calendar) {
  auto invalid = [](const std::string& name) {
    return error(400, "invalidParameter", "Invalid value for " + name, "global", name, "parameter");
  };
  std::optional<TimeMs> timeMin, timeMax, updatedMin;
  for (auto [name, target] : {std::pair{"timeMin", &timeMin}, {"timeMax", &timeMax}, {"updatedMin", &updatedMin}})
    if (auto text = call.parameter(name)) {
      *target = parseRfc3339(*text);
      if (!*target)
        return error(400, "badRequest", "Bad Request");
    }
  if (timeMin && timeMax && *timeMin >= *timeMax)
    return error(400, "timeRangeEmpty", "The specified time range is empty.", "calendar", "timeMax", "parameter");
  std::size_t most = 250;
  if (auto text = call.parameter("maxResults")) {
    auto parsed = std::from_chars(text->data(), text->data() + text->size(), most);
    if (parsed.ec != std::errc{} || parsed.ptr != text->data() + text->size() || most == 0)
      return invalid("maxResults");
    most = std::min<std::size_t>(most, 2500);
  }
  auto order = call.parameter("orderBy");
  if (order && *order != "updated" && (*order != "startTime" || !call.flag("singleEvents")))
    return error(400, "badRequest", "The requested ordering is not available for the particular query.");
  auto syncToken = call.parameter("syncToken");
  std::int64_t since = 0;
  if (syncToken) {
    for (const char* name : {"privateExtendedProperty", "sharedExtendedProperty", "iCalUID", "orderBy", "q", "timeMin",
                             "timeMax", "updatedMin"})
      if (call.parameter(name))
        return error(400, "badRequest", "Sync token cannot be used with the query restriction " + std::string(name));
    auto parsed = std::from_chars(syncToken->data(), syncToken->data() + syncToken->size(), since);
    if (parsed.ec != std::errc{} || since > call.account.changes)
      return error(410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.", "calendar",
                   "syncToken", "parameter");
  }
  std::vector<const StoredEvent*> chosen;
  auto uid = call.parameter("iCalUID");
  auto words = call.parameter("q");
  for (auto& [id, event] : calendar.events) {
    if (syncToken ? event.change <= since : event.deleted && !call.flag("showDeleted"))
      continue;
    if ((timeMin && event.endUtc <= *timeMin) || (timeMax && event.startUtc >= *timeMax) ||
        (uid && event.resource["iCalUID"] != *uid))
      continue;
    if (updatedMin && parseRfc3339(event.resource["updated"].get<std::string>()) < updatedMin)
      continue;
    if (words && (event.resource.value("summary", "") + event.resource.value("description", "") +
                  event.resource.value("location", ""))
                         .find(*words) == std::string::npos)
      continue;
    if (hasProperties(call.query, event.resource))
      chosen.push_back(&event);
  }
  bool byStart = order == "startTime";
  std::sort(chosen.begin(), chosen.end(), [byStart](auto* a, auto* b) {
    return byStart ? std::tie(a->startUtc, a->change) < std::tie(b->startUtc, b->change) : a->change < b->change;
  });
  std::size_t from = 0;
  if (auto page = call.parameter("pageToken")) {
    auto parsed = std::from_chars(page->data(), page->data() + page->size(), from);
    if (parsed.ec != std::errc{} || from > chosen.size())
      return invalid("pageToken");
  }
  json items = json::array();
  std::size_t end = std::min(chosen.size(), from + most);
  for (std::size_t i = from; i < end; ++i)
    items.push_back(chosen[i]->resource);
  json body{{"kind", "calendar#events"},
            {"etag", etagOf(calendar.change)},
            {"summary", calendar.name},
            {"description", calendar.description},
            {"updated", formatRfc3339(s_.clock.now())},
            {"timeZone", calendar.timeZone},
            {"accessRole", "owner"},
            {"defaultReminders", calendar.primary ? json{{{"method", "popup"}, {"minutes", 10}}} : json::array()},
            {"items", items}};
  if (end < chosen.size())
    body["nextPageToken"] = std::to_string(end);
  else
    body["nextSyncToken"] = std::to_string(call.account.changes);
  return Response::json(200, body);
}

} // namespace calbridge::sandbox
