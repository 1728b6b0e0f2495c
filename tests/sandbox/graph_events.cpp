#include "graph_call.hpp"

#include "google_rules.hpp"

#include <charconv>
#include <regex>

namespace calbridge::sandbox {

namespace {

std::string unquoted(const std::string& odata) {
  std::string out;
  for (std::size_t i = 0; i < odata.size(); ++i) {
    out += odata[i];
    if (odata[i] == '\'')
      ++i; // '' means one quote
  }
  return out;
}

void touch(StoredEvent& event, Account& account, Calendar& calendar, TimeMs now) {
  event.change = ++account.changes;
  calendar.change = event.change;
  std::string key = "DwAAABYAAAB" + std::to_string(1'000'000 + event.change);
  event.resource["changeKey"] = key;
  event.resource["@odata.etag"] = "W/\"" + key + "\"";
  event.resource["lastModifiedDateTime"] = formatRfc3339(now);
}

/// What Graph tells about an event that its maker did not mention.
void addDefaults(json& event, const Account& account) {
  static const json kDefaults{{"categories", json::array()},
                              {"reminderMinutesBeforeStart", 15},
                              {"isReminderOn", true},
                              {"hasAttachments", false},
                              {"subject", ""},
                              {"bodyPreview", ""},
                              {"importance", "normal"},
                              {"sensitivity", "normal"},
                              {"isAllDay", false},
                              {"isCancelled", false},
                              {"isOrganizer", true},
                              {"responseRequested", true},
                              {"seriesMasterId", nullptr},
                              {"showAs", "busy"},
                              {"type", "singleInstance"},
                              {"isOnlineMeeting", false},
                              {"allowNewTimeProposals", true},
                              {"hideAttendees", false},
                              {"recurrence", nullptr},
                              {"attendees", json::array()},
                              {"location", {{"displayName", ""}}},
                              {"body", {{"contentType", "html"}, {"content", ""}}}};
  for (auto& [name, value] : kDefaults.items())
    if (!event.contains(name) || (event[name].is_null() && !value.is_null()))
      event[name] = value;
  event["organizer"] = {{"emailAddress", {{"name", account.name}, {"address", account.email}}}};
  event["bodyPreview"] = event["body"].value("content", std::string()).substr(0, 255);
}

std::optional<json> readBody(const std::string& text) {
  json body = json::parse(text, nullptr, false);
  if (!body.is_object())
    return std::nullopt;
  if (body.contains("body") && body["body"].is_object() && body["body"].contains("contentType") &&
      body["body"]["contentType"].is_string())
    for (char& c : body["body"]["contentType"].get_ref<std::string&>()) // enumerations are read without case
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return body;
}

} // namespace

json Graph::Call::present(const StoredEvent& event) const {
  json shown = event.resource;
  std::string key = shown["id"];
  shown["id"] = idFor(key);
  shown["webLink"] = "https://outlook.live.com/owa/?itemid=" + key;
  static const std::regex kExpand(R"(singleValueExtendedProperties\(\$filter=id eq '((?:[^']|'')*)'\))");
  std::string expand = parameter("$expand");
  std::smatch match;
  if (!expand.empty() && std::regex_match(expand, match, kExpand)) {
    std::string wanted = unquoted(match[1]);
    json properties = json::array();
    for (const json& property : event.extended)
      if (sameProperty(property["id"], wanted))
        properties.push_back(property);
    if (!properties.empty())
      shown["singleValueExtendedProperties"] = properties;
  }
  if (std::string select = parameter("$select"); !select.empty()) {
    json kept = json::object();
    for (auto& [name, value] : shown.items())
      if (name == "id" || name == "@odata.etag" || name == "singleValueExtendedProperties" ||
          ("," + select + ",").find("," + name + ",") != std::string::npos)
        kept[name] = value;
    return kept;
  }
  return shown;
}

Response Graph::events(Call& call, Calendar* calendar, std::span<const std::string> rest) {
  const std::string& method = call.request.method;
  if (std::string expand = call.parameter("$expand");
      !expand.empty() && !expand.starts_with("singleValueExtendedProperties($filter=id eq '"))
    return fail(400, "BadRequest",
                "Parsing OData Select and Expand failed: this sandbox expands singleValueExtendedProperties($filter=id "
                "eq '…') only.");
  if (rest.empty()) {
    if (method == "POST")
      return create(call, calendar ? *calendar : call.account.primary());
    return method == "GET" ? list(call, calendar)
                           : fail(405, "ErrorInvalidRequest", "The HTTP method is not supported for this resource.");
  }
  if (rest.size() != 1)
    return fail(400, "BadRequest", "Resource not found for the segment '" + rest[1] + "'.");
  std::string key = Call::keyOf(rest[0]);
  if (key.empty())
    return fail(400, "ErrorInvalidIdMalformed", "Id is malformed.");
  if (call.wrongForm(rest[0]))
    s_.violations.add(Kind::outlook, call.account.email, "an id whose form is not the one that Prefer names");
  Calendar* holder = nullptr;
  for (auto& [id, candidate] : call.account.calendars)
    if ((!calendar || calendar == &candidate) && candidate.events.contains(key))
      holder = &candidate;
  if (!holder)
    return fail(404, "ErrorItemNotFound", "The specified object was not found in the store.");
  StoredEvent& event = holder->events.at(key);
  if (method == "GET")
    return Response::json(200, call.present(event));
  if (method == "PATCH")
    return update(call, *holder, event);
  if (method != "DELETE")
    return fail(405, "ErrorInvalidRequest", "The HTTP method is not supported for this resource.");
  if (auto wanted = call.request.headers.find("If-Match");
      wanted && *wanted != "*" && event.resource["@odata.etag"] != std::string(*wanted))
    return fail(412, "ErrorIrresolvableConflict",
                "The send or update operation could not be performed because the change key passed in the request does "
                "not match the current change key for the item.");
  if (!event.transactionId.empty() && s_.settings.graphTransactionTaken)
    call.account.deadTransactions.insert(event.transactionId);
  holder->events.erase(key);
  holder->change = ++call.account.changes;
  return Response::noContent();
}

Response Graph::create(Call& call, Calendar& calendar) {
  auto body = readBody(call.request.body);
  if (!body)
    return fail(400, "BadRequest",
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid "
                "JSON format.");
  if (s_.settings.validate)
    if (auto wrong = s_.schemas.check(Schemas::Body::graphEvent, *body))
      return fail(400, "RequestBodyRead", *wrong);
  StoredEvent event;
  event.transactionId = body->contains("transactionId") && (*body)["transactionId"].is_string()
                            ? (*body)["transactionId"].get<std::string>()
                            : std::string();
  if (!event.transactionId.empty()) {
    const StoredEvent* twin = nullptr;
    for (auto& [id, other] : call.account.calendars)
      if (auto found = other.transactions.find(event.transactionId); found != other.transactions.end())
        if (auto at = other.events.find(found->second); at != other.events.end())
          twin = &at->second;
    bool taken = s_.settings.graphTransactionTaken && call.account.deadTransactions.contains(event.transactionId);
    if (twin || taken) {
      int status = s_.settings.graphDuplicateStatus;
      Response response = fail(status, "ErrorDuplicateTransactionId",
                               "Your request can't be completed because the TransactionId already exists.");
      if (twin && status == 400) {
        json answer = json::parse(response.body);
        answer["error"]["@event.existingEventId"] = call.idFor(twin->resource["id"]);
        response.body = answer.dump();
      }
      return response;
    }
  }
  std::string startZone, endZone;
  if (s_.settings.validate) {
    if (body->contains("singleValueExtendedProperties"))
      if (auto wrong = mergeExtended(event.extended, (*body)["singleValueExtendedProperties"]))
        return fail(wrong->status, wrong->code, wrong->message);
    if (body->contains("start") && (*body)["start"].is_object())
      startZone = (*body)["start"].value("timeZone", "");
    if (body->contains("end") && (*body)["end"].is_object())
      endZone = (*body)["end"].value("timeZone", "");
    if (auto wrong = checkGraphEvent(*body, event))
      return fail(wrong->status, wrong->code, wrong->message);
  } else if (body->contains("singleValueExtendedProperties")) {
    event.extended = (*body)["singleValueExtendedProperties"];
  }
  body->erase("singleValueExtendedProperties");
  if (body->contains("attendees") && !(*body)["attendees"].empty()) {
    s_.violations.add(Kind::outlook, call.account.email, "POST with attendees");
    call.account.invitations += static_cast<std::int64_t>((*body)["attendees"].size());
  }
  TimeMs now = s_.clock.now();
  std::string key = s_.random.token(60);
  (*body)["id"] = key;
  (*body)["iCalUId"] = "040000008200E00074C5B7101A82E008" + randomHex(s_.random).substr(0, 48);
  (*body)["createdDateTime"] = formatRfc3339(now);
  (*body)["originalStartTimeZone"] = startZone;
  (*body)["originalEndTimeZone"] = endZone;
  addDefaults(*body, call.account);
  event.client = call.access.client;
  event.resource = std::move(*body);
  touch(event, call.account, calendar, now);
  json shown = call.present(event);
  if (!event.transactionId.empty())
    calendar.transactions[event.transactionId] = key;
  calendar.events.emplace(key, std::move(event));
  return Response::json(201, shown)
      .header("Location", "/outlook/v1.0/me/events/" + http::percentEncode(call.idFor(key)));
}

Response Graph::update(Call& call, Calendar& calendar, StoredEvent& event) {
  auto body = readBody(call.request.body);
  if (!body)
    return fail(400, "BadRequest", "Unable to read JSON request payload.");
  if (s_.settings.validate)
    if (auto wrong = s_.schemas.check(Schemas::Body::graphEvent, *body))
      return fail(400, "RequestBodyRead", *wrong);
  if (body->contains("transactionId") && (*body)["transactionId"] != event.resource.value("transactionId", json()))
    return fail(400, "ErrorInvalidPropertySet",
                "The property 'transactionId' cannot be changed after the event was created.");
  StoredEvent next = event;
  if (body->contains("singleValueExtendedProperties"))
    if (auto wrong = mergeExtended(next.extended, (*body)["singleValueExtendedProperties"]))
      return fail(wrong->status, wrong->code, wrong->message);
  body->erase("singleValueExtendedProperties");
  body->erase("id");
  if (body->contains("attendees") && !(*body)["attendees"].empty()) {
    s_.violations.add(Kind::outlook, call.account.email, "PATCH with attendees");
    call.account.invitations += static_cast<std::int64_t>((*body)["attendees"].size());
  }
  bool timed = body->contains("start") || body->contains("end") || body->contains("isAllDay");
  if (next.resource.value("isAllDay", false) && timed) // checked in the zone in which it was given
    for (auto [name, zone] : {std::pair{"start", "originalStartTimeZone"}, {"end", "originalEndTimeZone"}}) {
      auto known = graphTimeZone(next.resource.value(zone, std::string()));
      TimeMs at = std::string(name) == "start" ? next.startUtc : next.endUtc;
      if (known && !body->contains(name))
        next.resource[name] = {{"dateTime", utcToLocal(at, *known)}, {"timeZone", next.resource[zone]}};
    }
  for (auto [name, zone] : {std::pair{"start", "originalStartTimeZone"}, {"end", "originalEndTimeZone"}})
    if (body->contains(name) && (*body)[name].is_object() && (*body)[name].contains("timeZone"))
      next.resource[zone] = (*body)[name]["timeZone"];
  mergePatch(next.resource, *body);
  if (s_.settings.validate && timed)
    if (auto wrong = checkGraphEvent(next.resource, next))
      return fail(wrong->status, wrong->code, wrong->message);
  addDefaults(next.resource, call.account);
  event = std::move(next);
  touch(event, call.account, calendar, s_.clock.now());
  return Response::json(200, call.present(event));
}

Response Graph::list(Call& call, Calendar* calendar) {
  static const std::regex kFilter(
      R"(singleValueExtendedProperties/[Aa]ny\((\w+):\s*\1/id eq '((?:[^']|'')*)' and \1/value eq '((?:[^']|'')*)'\))");
  std::string filter = call.parameter("$filter");
  std::string wantedId, wantedValue;
  if (!filter.empty()) {
    std::smatch match;
    if (!std::regex_match(filter, match, kFilter))
      return fail(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.");
    wantedId = unquoted(match[2]);
    wantedValue = unquoted(match[3]);
  }
  std::size_t top = 10, skip = 0;
  for (auto [name, target] : {std::pair{"$top", &top}, {"$skip", &skip}})
    if (std::string text = call.parameter(name); !text.empty()) {
      auto parsed = std::from_chars(text.data(), text.data() + text.size(), *target);
      if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || top == 0 || top > 1000)
        return fail(400, "ErrorInvalidUrlQuery", std::string("The value of ") + name + " is not valid.");
    }
  std::vector<const StoredEvent*> chosen;
  for (auto& [id, candidate] : call.account.calendars) {
    if (calendar ? &candidate != calendar : !candidate.primary && filter.empty())
      continue;
    for (auto& [key, event] : candidate.events) {
      bool fits = filter.empty();
      for (const json& property : event.extended)
        fits = fits || (sameProperty(property["id"], wantedId) && property["value"] == wantedValue);
      if (fits)
        chosen.push_back(&event);
    }
  }
  std::sort(chosen.begin(), chosen.end(), [](auto* a, auto* b) { return a->change > b->change; });
  json value = json::array();
  for (std::size_t i = skip; i < std::min(chosen.size(), skip + top); ++i)
    value.push_back(call.present(*chosen[i]));
  json body{{"@odata.context", "https://graph.microsoft.com/v1.0/$metadata#users('me')/events"}, {"value", value}};
  if (skip + top < chosen.size()) {
    std::string next;
    for (const auto& [name, text] : call.query)
      if (name != "$skip")
        next += "&" + http::percentEncode(name) + "=" + http::percentEncode(text);
    body["@odata.nextLink"] = "http://" + std::string(call.request.headers.get("Host")) + call.request.path +
                              "?$skip=" + std::to_string(skip + top) + next;
  }
  return Response::json(200, body);
}

Response Graph::calendarView(Call& call, Calendar& calendar) {
  if (call.request.method != "GET")
    return fail(405, "ErrorInvalidRequest", "The HTTP method is not supported for this resource.");
  auto bound = [&](const char* name) {
    std::string text = call.parameter(name);
    auto instant = parseRfc3339(text);
    return instant ? instant : localToUtc(text, "UTC");
  };
  auto from = bound("startDateTime"), to = bound("endDateTime");
  if (!from || !to || *to < *from)
    return fail(
        400, "ErrorInvalidParameter",
        "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.");
  json value = json::array();
  for (auto& [key, event] : calendar.events)
    if (event.endUtc > *from && event.startUtc < *to)
      value.push_back(call.present(event));
  return Response::json(200, {{"@odata.context", "https://graph.microsoft.com/v1.0/$metadata#users('me')/calendarView"},
                              {"value", value}});
}

} // namespace calbridge::sandbox
