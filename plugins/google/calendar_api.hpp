#pragma once
#include "calbridge/call.hpp"

#include <string>
#include <string_view>

namespace calbridge::google {

/// The few requests of Calendar v3 that the plugin makes, for the length of one operation. Every function returns what
/// Google answered, whatever its status, or throws sdk::HttpProblem.
class CalendarApi {
 public:
  /// Borrows `call`.
  CalendarApi(sdk::Call& call, std::string baseUrl, std::string accessToken);

  sdk::HttpResponse insertEvent(std::string_view calendar, std::string_view body);
  /// With an empty `etag` unconditionally.
  sdk::HttpResponse updateEvent(std::string_view calendar, std::string_view id, std::string_view etag,
                                std::string_view body);
  sdk::HttpResponse getEvent(std::string_view calendar, std::string_view id);
  sdk::HttpResponse deleteEvent(std::string_view calendar, std::string_view id);
  sdk::HttpResponse insertCalendar(std::string_view body);
  sdk::HttpResponse getCalendar(std::string_view calendar);
  /// The calendars that the person owns, as far as the granted scope shows them.
  sdk::HttpResponse listCalendars();

  /// What a refusal means (mapping.hpp, problemFrom).
  sdk::Problem problem(const sdk::HttpResponse& response);

 private:
  std::string eventUrl(std::string_view calendar, std::string_view id) const;

  sdk::Call& call_;
  std::string baseUrl_;
  std::string accessToken_;
};

} // namespace calbridge::google
