#include "connections/calendar_choice.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace calbridge::connections {
namespace {

// Beside the values that plugins keep, which have a prefix of their own.
constexpr const char* kIdKey = "calendar";
constexpr const char* kNameKey = "calendar_name";
constexpr std::size_t kLongestId = 2000;

} // namespace

store::ConnectionRecord CalendarChoice::live(const std::string& personId, const std::string& provider) {
  const Provider* known = providers_.find(provider);
  if (!known || !known->info().can("list-calendars"))
    throw Error("not_found", "there is no provider of this name whose calendars can be chosen");
  for (const auto& record : store_.connectionsOf(personId)) {
    if (record.provider != provider)
      continue;
    if (record.state == "connected")
      return record;
    if (record.state == "needs_reconnection")
      throw Error("needs_reconnection", known->info().label + " has to be connected again first");
  }
  throw Error("not_found", known->info().label + " is not connected");
}

std::vector<Calendar> CalendarChoice::ask(const store::ConnectionRecord& record, const CallContext& context) {
  Provider& provider = *providers_.find(record.provider);
  auto access = tokens_.accessToken(record.id, context);
  if (const auto* failure = std::get_if<Failure>(&access))
    throw Error(failure->status == Status::reauthRequired ? "needs_reconnection" : "provider_error", failure->message);
  Credentials credentials;
  (provider.info().can("oauth2") ? credentials.accessToken : credentials.secret) = std::get<std::string>(access);
  auto outcome = provider.listCalendars(credentials, context);
  wipe(credentials);
  if (const auto* failure = std::get_if<Failure>(&outcome))
    throw Error("provider_error", failure->message, failure->code);
  return std::move(std::get<std::vector<Calendar>>(outcome));
}

CalendarChoice::Listing CalendarChoice::list(const std::string& personId, const std::string& provider,
                                             const CallContext& context) {
  const auto record = live(personId, provider);
  return {ask(record, context), of(record.id)};
}

CalendarChoice::Chosen CalendarChoice::choose(const std::string& personId, const std::string& provider,
                                              const std::string& calendarId, const CallContext& context) {
  const auto record = live(personId, provider);
  const auto calendars = ask(record, context);
  const auto found = std::find_if(calendars.begin(), calendars.end(), [&](const Calendar& calendar) {
    return calendarId.empty() ? calendar.primary : calendar.id == calendarId;
  });
  if (found == calendars.end() || found->id.size() > kLongestId)
    throw Error("unknown_calendar", "this account has no calendar of this id", {}, "/id");
  if (!found->writable)
    throw Error("calendar_read_only", "the calendar \"" + found->name + "\" may not be written to", {}, "/id");
  const bool changed = of(record.id) != found->id;
  store_.setConnectionValue(record.id, kNameKey, found->name);
  store_.setConnectionValue(record.id, kIdKey, found->id);
  return {found->name, changed};
}

std::string CalendarChoice::of(std::int64_t connectionId) {
  return store_.connectionValue(connectionId, kIdKey).value_or("");
}

std::string chosenCalendarName(store::Store& store, std::int64_t connectionId) {
  return store.connectionValue(connectionId, kNameKey).value_or("");
}

} // namespace calbridge::connections
