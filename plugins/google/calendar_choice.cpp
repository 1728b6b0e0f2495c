#include "calendar_choice.hpp"

#include "calbridge/call.hpp"
#include "mapping.hpp"

#include <functional>

namespace calbridge::google {
namespace {

using sdk::Json;
using sdk::Problem;
using sdk::Status;

constexpr std::string_view kKey = "calendar_id";
constexpr std::string_view kMark = "Kept up to date by calbridge: changes made here by hand are overwritten.";

std::string idOf(const Json& json) {
  const auto id = json.is_object() ? json.find("id") : json.end();
  if (!json.is_object() || id == json.end() || !id->is_string() || id->get_ref<const std::string&>().empty()) {
    throw Problem(Status::transient, "Google's answer is not a calendar");
  }
  return id->get<std::string>();
}

} // namespace

CalendarChoice::Lock CalendarChoice::lock(sdk::Call& call, std::string_view connectionHint) {
  Lock lock{making_[std::hash<std::string_view>{}(connectionHint) % making_.size()], std::defer_lock};
  if (!lock.try_lock_for(call.remaining())) {
    throw Problem(Status::deadline, "another push was still making the calendar");
  }
  return lock;
}

std::string CalendarChoice::ensure(sdk::Call& call, CalendarApi& api, std::string_view connectionHint,
                                   std::string_view timezone) {
  if (auto known = dedicated_ ? call.kv().get(kKey) : std::optional<std::string>("primary")) {
    return *known;
  }
  const Lock guard = lock(call, connectionHint);
  if (auto known = call.kv().get(kKey)) {
    return *known;
  }
  const auto found = find(api);
  const std::string calendar = found ? *found : make(api, timezone);
  call.kv().set(kKey, calendar);
  return calendar;
}

std::optional<std::string> CalendarChoice::existing(sdk::Call& call, CalendarApi& api) {
  if (!dedicated_) {
    return "primary";
  }
  auto known = call.kv().get(kKey);
  return known ? known : find(api);
}

void CalendarChoice::forget(sdk::Call& call, CalendarApi& api, std::string_view connectionHint,
                            const std::string& calendar) {
  if (!dedicated_) {
    throw Problem(Status::notFound, "the Google account has no primary calendar", "notFound");
  }
  const Lock guard = lock(call, connectionHint);
  if (call.kv().get(kKey).value_or(std::string()) != calendar) {
    return; // another push has made a new one meanwhile
  }
  const sdk::HttpResponse response = api.getCalendar(calendar);
  if (response.ok()) {
    throw Problem(Status::transient, "Google Calendar denied a calendar that it has");
  }
  if (Problem problem = api.problem(response); problem.status() != Status::notFound) {
    throw Problem(problem);
  }
  call.kv().set(kKey, {});
}

/// Google documents no scope that both lists calendars and is granted for calendar.app.created; where the list is
/// refused there is nothing to be found.
std::optional<std::string> CalendarChoice::find(CalendarApi& api) const {
  const sdk::HttpResponse response = api.listCalendars();
  if (!response.ok()) {
    Problem problem = api.problem(response);
    const bool later = problem.status() == Status::rateLimited || problem.status() == Status::transient;
    if (later || response.status == 401) {
      throw Problem(problem);
    }
    return std::nullopt;
  }
  const Json json = response.json();
  const auto items = json.is_object() ? json.find("items") : json.end();
  if (!json.is_object() || items == json.end() || !items->is_array()) {
    return std::nullopt;
  }
  for (const Json& item : *items) {
    if (item.is_object() && item.value("description", Json()) == kMark && item.value("deleted", Json()) != true) {
      return idOf(item);
    }
  }
  return std::nullopt;
}

std::string CalendarChoice::make(CalendarApi& api, std::string_view timezone) const {
  std::string body;
  sdk::ObjectWriter(body).text("summary", name_).text("description", kMark).optionalText("timeZone", timezone).end();
  const sdk::HttpResponse response = api.insertCalendar(body);
  if (!response.ok()) {
    throw Problem(api.problem(response));
  }
  return idOf(response.json());
}

} // namespace calbridge::google
