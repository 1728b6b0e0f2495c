#include "mapping.hpp"

#include "calbridge/answers.hpp"
#include "calbridge/oauth.hpp"
#include "calbridge/wall_clock.hpp"

#include <algorithm>

namespace calbridge::google {
namespace {

using sdk::Entry;
using sdk::Json;
using sdk::ObjectWriter;
using sdk::Problem;
using sdk::Status;
using sdk::textOf;

constexpr std::size_t kMaxReminders = 5;
constexpr int kMaxReminderMinutes = 40320;
constexpr std::chrono::milliseconds kQuotaPause = std::chrono::hours(1);
constexpr std::size_t kMaxDescription = 8192; // what Google keeps

std::string base32hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuv";
  std::string out;
  out.reserve(bytes.size() * 8 / 5 + 1);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char byte : bytes) {
    bits = ((bits << 8U) | static_cast<unsigned char>(byte)) & 0xFFFFU;
    for (count += 8; count >= 5; count -= 5) {
      out.push_back(kDigits[(bits >> (count - 5)) & 31U]);
    }
  }
  if (count > 0) {
    out.push_back(kDigits[(bits << (5 - count)) & 31U]);
  }
  return out;
}

/// FNV-1a, 64 bits: tells contents apart, protects nothing.
std::string shortHash(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  std::string out(16, '0');
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[15 - i] = "0123456789abcdef"[(hash >> (4 * i)) & 0xFU];
  }
  return out;
}

void writeTime(std::string& out, ObjectWriter& event, const Entry& entry, const char* field, const std::string& value) {
  if (!(entry.allDay ? sdk::readDate(value) : sdk::readWallClock(value))) {
    throw Problem(Status::invalidRequest, std::string("request/entry/") + field +
                                              (entry.allDay ? " is not a date" : " is not a local date and time"));
  }
  event.name(field);
  ObjectWriter time(out);
  if (entry.allDay) {
    time.text("date", value);
  } else {
    time.text("dateTime", value).text("timeZone", entry.timezone);
  }
  time.end();
}

/// At most five, the earliest first to stay: a late one is worth less than a missed early one.
void writeReminders(std::string& out, ObjectWriter& event, const Entry& entry) {
  std::vector<int> minutes = entry.reminders;
  for (int& value : minutes) {
    value = std::min(value, kMaxReminderMinutes);
  }
  std::sort(minutes.begin(), minutes.end());
  minutes.erase(std::unique(minutes.begin(), minutes.end()), minutes.end());
  if (minutes.size() > kMaxReminders) {
    minutes.erase(minutes.begin(), minutes.end() - kMaxReminders);
  }
  event.name("reminders");
  ObjectWriter reminders(out);
  reminders.flag("useDefault", false).name("overrides");
  out.push_back('[');
  for (std::size_t i = 0; i < minutes.size(); ++i) {
    if (i > 0) {
      out.push_back(',');
    }
    ObjectWriter(out).text("method", "popup").number("minutes", minutes[i]).end();
  }
  out.push_back(']');
  reminders.end();
}

bool isWebUrl(std::string_view url) {
  return (url.starts_with("http://") || url.starts_with("https://")) &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

/// `text` cut to `size` bytes without cutting a character.
std::string_view clipped(std::string_view text, std::size_t size) {
  if (text.size() <= size) {
    return text;
  }
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) {
    --size;
  }
  return text.substr(0, size);
}

/// Everything of the resource that the entry decides, without the braces around.
void writeContent(std::string& out, ObjectWriter& event, const sdk::PushRequest& request) {
  const Entry& entry = request.entry;
  event.text("status", entry.status == "tentative" ? "tentative" : "confirmed");
  event.text("summary", entry.title);
  event.text("description", htmlEscape(clipped(entry.description, kMaxDescription)));
  event.text("location", entry.location);
  writeTime(out, event, entry, "start", entry.start);
  writeTime(out, event, entry, "end", entry.end);
  event.text("transparency", entry.showAs == "free" ? "transparent" : "opaque");
  const bool named =
      entry.visibility == "public" || entry.visibility == "private" || entry.visibility == "confidential";
  event.text("visibility", named ? entry.visibility : std::string("default"));
  writeReminders(out, event, entry);
  if (isWebUrl(entry.url)) {
    event.name("source");
    ObjectWriter(out).text("title", entry.title.empty() ? entry.url : entry.title).text("url", entry.url).end();
  }
}

/// The API's error object in either of its two forms: {errors: [{reason, message}], message} or {status, details}.
struct ApiError {
  std::string reason;
  std::string message;
};
ApiError apiError(const sdk::HttpResponse& response) {
  ApiError out;
  try {
    const Json json = sdk::parseJson(response.body, Status::transient, "the error");
    if (!json.is_object() || !json.contains("error")) {
      return out;
    }
    const Json& error = json["error"];
    if (!error.is_object()) {
      return out;
    }
    out.message = textOf(error, "message");
    out.reason = textOf(error, "status");
    if (const auto details = error.find("details"); details != error.end() && details->is_array()) {
      for (const Json& detail : *details) {
        if (detail.is_object() && !textOf(detail, "reason").empty()) {
          out.reason = textOf(detail, "reason");
        }
      }
    }
    if (const auto errors = error.find("errors"); errors != error.end() && errors->is_array() && !errors->empty() &&
                                                  errors->front().is_object() &&
                                                  !textOf(errors->front(), "reason").empty()) {
      out.reason = textOf(errors->front(), "reason");
    }
  } catch (const Problem&) {
    return {}; // not JSON: the HTTP status alone decides
  }
  return out;
}

} // namespace

std::string eventId(std::string_view uid, std::string_view idempotencyKey, int generation) {
  std::string name(uid);
  if (generation > 0) {
    name += ":" + std::string(idempotencyKey) + ":" + std::to_string(generation);
  }
  return "cbr" + base32hex(name);
}

std::string htmlEscape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    case '\r':
      out += i + 1 < text.size() && text[i + 1] == '\n' ? "" : "<br>";
      break;
    case '\n':
      out += "<br>";
      break;
    default:
      out += text[i];
    }
  }
  return out;
}

std::string eventBody(const sdk::PushRequest& request, std::string_view id) {
  std::string out;
  out.reserve(768 + request.entry.description.size());
  ObjectWriter event(out);
  event.optionalText("id", id);
  const std::size_t begin = out.size();
  writeContent(out, event, request);
  // The comma that an id puts before the content is no part of it.
  const std::string hash = shortHash(std::string_view(out).substr(begin + (id.empty() ? 0 : 1)));
  event.name("extendedProperties");
  ObjectWriter properties(out);
  properties.name("private");
  ObjectWriter(out).text(kUidProperty, request.uid).text(kHashProperty, hash).end();
  properties.end();
  event.end();
  return out;
}

std::string contentHash(const sdk::PushRequest& request) {
  std::string out;
  ObjectWriter event(out);
  const std::size_t begin = out.size();
  writeContent(out, event, request);
  return shortHash(std::string_view(out).substr(begin));
}

SeenEvent seenEvent(const Json& event, std::string_view uid) {
  SeenEvent seen;
  if (event.is_object()) {
    seen.id = textOf(event, "id");
  }
  if (seen.id.empty()) {
    throw Problem(Status::transient, "Google's answer is not an event");
  }
  seen.etag = textOf(event, "etag");
  seen.link = textOf(event, "htmlLink");
  seen.live = textOf(event, "status") != "cancelled";
  const auto extended = event.find("extendedProperties");
  if (extended != event.end() && extended->is_object() && extended->contains("private") &&
      (*extended)["private"].is_object()) {
    const Json& properties = (*extended)["private"];
    const std::string mark = textOf(properties, std::string(kUidProperty).c_str());
    seen.marked = !mark.empty();
    seen.ours = mark == uid;
    seen.hash = textOf(properties, std::string(kHashProperty).c_str());
  }
  return seen;
}

Problem problemFrom(const sdk::HttpResponse& response, std::int64_t nowMs, std::string_view secret) {
  const ApiError error = apiError(response);
  const auto is = [&](std::initializer_list<std::string_view> reasons) {
    return std::find(reasons.begin(), reasons.end(), error.reason) != reasons.end();
  };
  const auto pause = sdk::retryAfter(response, nowMs);
  const std::string said = sdk::said(error.message, secret);
  const std::string code = sdk::fitCode(error.reason, secret);

  if (is({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})) {
    return {Status::rateLimited, "Google Calendar asks to slow down", code, pause};
  }
  if (is({"quotaExceeded", "dailyLimitExceeded"})) {
    return {Status::rateLimited, "a Google Calendar quota is used up" + said, code,
            std::max(pause.value_or(kQuotaPause), kQuotaPause)};
  }
  if (response.status == 401 || is({"authError"})) {
    return {Status::reauthRequired, "Google does not accept the access token", code.empty() ? "authError" : code};
  }
  if (is({"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})) {
    return {Status::reauthRequired, "the permission to change this calendar was not granted: connect again", code};
  }
  if (is({"accessNotConfigured", "SERVICE_DISABLED"})) {
    return {Status::permanent, "the Google Calendar API is not enabled for this installation's Cloud project", code};
  }
  switch (response.status) {
  case 404:
  case 410:
    return {Status::notFound, "Google Calendar does not have it" + said, code};
  case 409:
  case 412:
    return {Status::conflict, "the Google Calendar entry was changed by somebody else" + said, code};
  case 429:
    return {Status::rateLimited, "Google Calendar asks to slow down", code, pause};
  default:
    break;
  }
  const std::string http = " (HTTP " + std::to_string(response.status) + ")";
  if (response.status < 400 || response.status == 408 || response.status >= 500) {
    return {Status::transient, "Google Calendar is unavailable" + http + said, code, pause};
  }
  return {Status::permanent, "Google Calendar refused the entry" + http + said, code};
}

bool scopeSuffices(std::string_view granted, bool dedicated) {
  static constexpr std::string_view kAll = "https://www.googleapis.com/auth/calendar";
  static constexpr std::string_view kEvents = "https://www.googleapis.com/auth/calendar.events";
  static constexpr std::string_view kOwned = "https://www.googleapis.com/auth/calendar.events.owned";
  static constexpr std::string_view kAppCreated = "https://www.googleapis.com/auth/calendar.app.created";
  return sdk::anyScope(granted, [&](std::string_view scope) {
    return scope == kAll || (dedicated ? scope == kAppCreated : scope == kEvents || scope == kOwned);
  });
}

} // namespace calbridge::google
