#pragma once
#include "google_rules.hpp"

namespace calbridge::sandbox {

/// One authenticated request to Google Calendar.
struct GoogleCalendar::Call {
  Request& request;
  AccessToken access;
  Account& account;
  http::Parameters query;

  std::optional<std::string> parameter(std::string_view name) const {
    auto value = http::find(query, name);
    return value ? std::optional<std::string>(*value) : std::nullopt;
  }
  bool flag(std::string_view name) const { return http::find(query, name) == "true"; }
  bool hasScope(std::initializer_list<const char*> any) const {
    for (const char* name : any)
      if (access.has(std::string("https://www.googleapis.com/auth/") + name))
        return true;
    return false;
  }
  /// True when the grant covers only calendars that this app made.
  bool ownCalendarsOnly(std::initializer_list<const char*> wider) const { return !hasScope(wider); }
};

} // namespace calbridge::sandbox
