#include "calendar_api.hpp"

#include "calbridge/oauth.hpp"
#include "mapping.hpp"

namespace calbridge::google {
namespace {

// Small answers, and nobody is sent mail about anything.
constexpr std::string_view kWriteQuery = "sendUpdates=none&prettyPrint=false&fields=id,etag,htmlLink";
constexpr std::string_view kReadQuery = "prettyPrint=false&fields=id,etag,htmlLink,status,extendedProperties/private";

} // namespace

CalendarApi::CalendarApi(sdk::Call& call, std::string baseUrl, std::string accessToken)
    : call_(call), baseUrl_(std::move(baseUrl)), accessToken_(std::move(accessToken)) {
  while (baseUrl_.ends_with('/')) {
    baseUrl_.pop_back();
  }
}

std::string CalendarApi::eventUrl(std::string_view calendar, std::string_view id) const {
  std::string url = baseUrl_ + "/calendars/" + sdk::percentEncode(calendar) + "/events";
  return id.empty() ? url : url + "/" + sdk::percentEncode(id);
}

sdk::HttpResponse CalendarApi::insertEvent(std::string_view calendar, std::string_view body) {
  return call_.http().post(eventUrl(calendar, {}).append("?").append(kWriteQuery), body, sdk::bearerJson(accessToken_));
}

sdk::HttpResponse CalendarApi::updateEvent(std::string_view calendar, std::string_view id, std::string_view etag,
                                           std::string_view body) {
  sdk::Headers headers = sdk::bearerJson(accessToken_);
  if (!etag.empty()) {
    headers.emplace_back("If-Match", etag);
  }
  return call_.http().put(eventUrl(calendar, id).append("?").append(kWriteQuery), body, headers);
}

sdk::HttpResponse CalendarApi::getEvent(std::string_view calendar, std::string_view id) {
  return call_.http().get(eventUrl(calendar, id).append("?").append(kReadQuery), sdk::bearer(accessToken_));
}

sdk::HttpResponse CalendarApi::deleteEvent(std::string_view calendar, std::string_view id) {
  return call_.http().del(eventUrl(calendar, id).append("?sendUpdates=none"), sdk::bearer(accessToken_));
}

sdk::HttpResponse CalendarApi::insertCalendar(std::string_view body) {
  return call_.http().post(baseUrl_ + "/calendars?prettyPrint=false&fields=id", body, sdk::bearerJson(accessToken_));
}

sdk::HttpResponse CalendarApi::getCalendar(std::string_view calendar) {
  return call_.http().get(baseUrl_ + "/calendars/" + sdk::percentEncode(calendar) + "?prettyPrint=false&fields=id",
                          sdk::bearer(accessToken_));
}

sdk::HttpResponse CalendarApi::listCalendars() {
  return call_.http().get(baseUrl_ + "/users/me/calendarList?minAccessRole=owner&maxResults=250&prettyPrint=false"
                                     "&fields=items(id,description,deleted)",
                          sdk::bearer(accessToken_));
}

sdk::Problem CalendarApi::problem(const sdk::HttpResponse& response) {
  return problemFrom(response, call_.clock().nowMs(), accessToken_);
}

} // namespace calbridge::google
