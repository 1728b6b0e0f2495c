#include "mapping.hpp"

#include "calbridge/answers.hpp"
#include "calbridge/oauth.hpp"
#include "calbridge/wall_clock.hpp"

#include <algorithm>

namespace calbridge::outlook {
namespace {

using sdk::Entry;
using sdk::Json;
using sdk::ObjectWriter;
using sdk::Problem;
using sdk::Status;
using sdk::textOf;

constexpr std::chrono::milliseconds kQuotaPause = std::chrono::hours(1);
constexpr std::size_t kMaxSubject = 255; // characters that Exchange keeps

/// "2026-12-01T09:00:00" in UTC, from an RFC 3339 instant.
std::string utcWallClock(const std::string& instant, const char* field) {
  const auto ms = sdk::epochMs(instant);
  if (!ms) {
    throw Problem(Status::invalidRequest, std::string("request/entry/") + field + " is not an RFC 3339 instant");
  }
  const auto seconds = std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds{*ms}).count();
  const sdk::WallClock utc = sdk::utcClock(seconds);
  const auto padded = [](int value, std::size_t width) {
    std::string text = std::to_string(value);
    return text.size() < width ? std::string(width - text.size(), '0') + text : text;
  };
  return padded(utc.year, 4) + "-" + padded(utc.month, 2) + "-" + padded(utc.day, 2) + "T" + padded(utc.hour, 2) + ":" +
         padded(utc.minute, 2) + ":" + padded(utc.second, 2);
}

/// All-day events: midnight to midnight, both named in the same zone; which one says nothing about the day.
std::string midnight(const std::string& date, const char* field) {
  if (!sdk::readDate(date)) {
    throw Problem(Status::invalidRequest, std::string("request/entry/") + field + " is not a date");
  }
  return date + "T00:00:00";
}

void writeTime(std::string& out, ObjectWriter& event, const char* field, const std::string& wallClock) {
  event.name(field);
  ObjectWriter(out).text("dateTime", wallClock).text("timeZone", "UTC").end();
}

std::string bodyText(const Entry& entry) {
  const bool web = entry.url.starts_with("http://") || entry.url.starts_with("https://");
  if (!web || entry.description.find(entry.url) != std::string::npos) {
    return entry.description;
  }
  return entry.description.empty() ? entry.url
                                   : entry.description + "\n\n" + entry.url; // Graph has no field for a link
}

const char* showAs(const Entry& entry) {
  if (entry.showAs == "free") {
    return "free";
  }
  return entry.status == "tentative" ? "tentative" : "busy";
}

const char* sensitivity(const Entry& entry) {
  if (entry.visibility == "private") {
    return "private";
  }
  return entry.visibility == "confidential" ? "confidential" : "normal";
}

/// An OData string literal: quotes are doubled.
std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out.append(c == '\'' ? 2 : 1, c);
  }
  return out + "'";
}

} // namespace

std::string eventBody(const sdk::PushRequest& request, std::string_view transactionId) {
  const Entry& entry = request.entry;
  std::string out;
  ObjectWriter event(out);
  event.text("subject", sdk::firstCharacters(entry.title, kMaxSubject));
  event.name("body");
  ObjectWriter(out).text("contentType", "text").text("content", bodyText(entry)).end();
  writeTime(out, event, "start",
            entry.allDay ? midnight(entry.start, "start") : utcWallClock(entry.startUtc, "start_utc"));
  writeTime(out, event, "end", entry.allDay ? midnight(entry.end, "end") : utcWallClock(entry.endUtc, "end_utc"));
  event.flag("isAllDay", entry.allDay);
  event.name("location");
  ObjectWriter(out).text("displayName", entry.location).end();
  event.text("showAs", showAs(entry)).text("sensitivity", sensitivity(entry));
  event.flag("isReminderOn", !entry.reminders.empty());
  if (!entry.reminders.empty()) {
    event.number("reminderMinutesBeforeStart", *std::max_element(entry.reminders.begin(), entry.reminders.end()));
  }
  event.optionalText("transactionId", transactionId);
  event.name("singleValueExtendedProperties");
  out.push_back('[');
  ObjectWriter(out).text("id", kUidPropertyId).text("value", request.uid).end();
  out.push_back(']');
  event.end();
  return out;
}

std::string lookUpQuery(std::string_view uid) {
  const std::string filter = "singleValueExtendedProperties/Any(ep: ep/id eq " + literal(kUidPropertyId) +
                             " and ep/value eq " + literal(uid) + ")";
  return sdk::formEncode({{"$filter", filter}, {"$select", "id,webLink"}, {"$top", "10"}});
}

std::string markQuery() {
  return sdk::formEncode({{"$select", "id,webLink"},
                          {"$expand", "singleValueExtendedProperties($filter=id eq " + literal(kUidPropertyId) + ")"}});
}

SeenEvent seenEvent(const Json& event) {
  SeenEvent seen;
  if (event.is_object()) {
    seen.id = textOf(event, "id");
  }
  if (seen.id.empty()) {
    throw Problem(Status::transient, "Outlook's answer is not an event");
  }
  seen.etag = textOf(event, "@odata.etag");
  seen.link = textOf(event, "webLink");
  const auto properties = event.find("singleValueExtendedProperties");
  if (properties != event.end() && properties->is_array()) {
    for (const Json& property : *properties) {
      if (property.is_object() && property.contains("value")) {
        seen.mark = textOf(property, "value"); // markQuery() asks for this one alone
      }
    }
  }
  return seen;
}

std::vector<SeenEvent> seenEvents(const Json& list) {
  const auto value = list.is_object() ? list.find("value") : list.end();
  if (!list.is_object() || value == list.end() || !value->is_array()) {
    throw Problem(Status::transient, "Outlook's answer is not a list of events");
  }
  std::vector<SeenEvent> out;
  for (const Json& event : *value) {
    out.push_back(seenEvent(event));
  }
  return out;
}

std::string transactionId(std::string_view idempotencyKey, int generation) {
  std::string out(idempotencyKey);
  return generation == 0 ? out : out + "-" + std::to_string(generation);
}

GraphError graphError(const sdk::HttpResponse& response) {
  GraphError out;
  try {
    const Json json = sdk::parseJson(response.body, Status::transient, "the error");
    const auto error = json.is_object() ? json.find("error") : json.end();
    if (!json.is_object() || error == json.end() || !error->is_object()) {
      return out;
    }
    out.code = textOf(*error, "code");
    out.message = textOf(*error, "message");
    out.existingEventId = textOf(*error, "@event.existingEventId");
    // Older services put the telling code one level deeper, spelled either way.
    for (const char* key : {"innererror", "innerError"}) {
      const auto inner = error->find(key);
      if (inner == error->end() || !inner->is_object()) {
        continue;
      }
      if (out.code.empty() || out.code == "BadRequest" || out.code == "badRequest") {
        const std::string code = textOf(*inner, "code");
        out.code = code.empty() ? out.code : code;
      }
      if (out.existingEventId.empty()) {
        out.existingEventId = textOf(*inner, "@event.existingEventId");
      }
    }
    if (out.existingEventId.empty()) {
      out.existingEventId = textOf(json, "@event.existingEventId");
    }
  } catch (const Problem&) {
    return {}; // not JSON: the HTTP status alone decides
  }
  return out;
}

bool isDuplicateTransaction(const sdk::HttpResponse& response, const GraphError& error) {
  return (response.status == 400 || response.status == 409) &&
         (error.code == "ErrorDuplicateTransactionId" || !error.existingEventId.empty());
}

Problem problemFrom(const sdk::HttpResponse& response, std::int64_t nowMs, std::string_view secret) {
  const GraphError error = graphError(response);
  const auto is = [&](std::initializer_list<std::string_view> codes) {
    return std::find(codes.begin(), codes.end(), error.code) != codes.end();
  };
  const auto pause = sdk::retryAfter(response, nowMs);
  const std::string said = sdk::said(error.message, secret);
  const std::string code = sdk::fitCode(error.code, secret);

  if (response.status == 401 || is({"InvalidAuthenticationToken", "TokenExpired", "CompactToken"})) {
    return {Status::reauthRequired, "Outlook does not accept the access token",
            code.empty() ? "InvalidAuthenticationToken" : code};
  }
  if (is({"ErrorQuotaExceeded", "ErrorMailboxStoreQuotaExceeded"}) || response.status == 507) {
    return {Status::rateLimited, "the Outlook mailbox is full" + said, code,
            std::max(pause.value_or(kQuotaPause), kQuotaPause)};
  }
  if (response.status == 429 || response.status == 509 ||
      is({"ApplicationThrottled", "TooManyRequests", "MailboxConcurrency", "ErrorExceededConnectionCount"})) {
    return {Status::rateLimited, "Outlook asks to slow down", code, pause};
  }
  if (is({"MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI", "ErrorNonExistentMailbox",
          "ErrorMailboxNotFound", "RequestBroker--ParseUri"})) {
    return {Status::permanent, "this Microsoft account has no calendar that Outlook lets applications use" + said,
            code};
  }
  if (is({"ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorServerBusy", "ErrorTimeoutExpired",
          "ErrorInternalServerTransientError", "ErrorConnectionFailed"})) {
    return {Status::transient, "Outlook is unavailable" + said, code, pause};
  }
  if (response.status == 403 && is({"ErrorAccessDenied", "AccessDenied", "Authorization_RequestDenied", "accessDenied",
                                    "ErrorInsufficientPermissionsInAccessToken"})) {
    return {Status::reauthRequired, "the permission to change this calendar was not granted: connect again", code};
  }
  if (is({"ErrorInvalidIdMalformed", "ErrorInvalidId"})) {
    return {Status::notFound, "Outlook does not have it" + said, code};
  }
  switch (response.status) {
  case 404:
  case 410:
    return {Status::notFound, "Outlook does not have it" + said, code};
  case 409:
  case 412:
    return {Status::conflict, "the Outlook entry was changed by somebody else" + said, code};
  default:
    break;
  }
  const std::string http = " (HTTP " + std::to_string(response.status) + ")";
  const bool later = response.status < 400 || response.status == 408 || response.status == 423 ||
                     response.status == 425 || response.status >= 500;
  if (later) {
    return {Status::transient, "Outlook is unavailable" + http + said, code, pause};
  }
  return {Status::permanent, "Outlook refused the entry" + http + said, code};
}

bool scopeSuffices(std::string_view granted) {
  std::string lower(granted);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return sdk::anyScope(lower, [](std::string_view scope) {
    scope.remove_prefix(scope.rfind('/') == std::string_view::npos ? 0 : scope.rfind('/') + 1);
    return scope == "calendars.readwrite" || scope == "calendars.readwrite.shared";
  });
}

} // namespace calbridge::outlook
