#pragma once
#include "calendar_api.hpp"

#include <array>
#include <mutex>
#include <optional>
#include <string>

namespace calbridge::google {

/// Which calendar the entries go to: the person's primary one, or one of calbridge's own that is made once, found again
/// and re-made if the person deleted it. Thread-safe: two pushes at a time to one connection make one calendar.
class CalendarChoice {
 public:
  CalendarChoice(bool dedicated, std::string name) : dedicated_(dedicated), name_(std::move(name)) {}

  bool dedicated() const { return dedicated_; }

  /// The calendar to write to; makes it when there is none. `connectionHint` is equal for pushes of one connection.
  /// Throws sdk::Problem, among others deadline when another push takes too long to make it.
  std::string ensure(sdk::Call& call, CalendarApi& api, std::string_view connectionHint, std::string_view timezone);
  /// The calendar that may hold entries already, nullopt when there is none.
  std::optional<std::string> existing(sdk::Call& call, CalendarApi& api);
  /// Called when Google does not know `calendar` any more: makes sure of it and forgets it, so that the next ensure()
  /// makes another. Throws sdk::Problem: notFound for the primary calendar, transient when the calendar is there after
  /// all.
  void forget(sdk::Call& call, CalendarApi& api, std::string_view connectionHint, const std::string& calendar);

 private:
  using Lock = std::unique_lock<std::timed_mutex>;
  Lock lock(sdk::Call& call, std::string_view connectionHint);
  std::optional<std::string> find(CalendarApi& api) const;
  std::string make(CalendarApi& api, std::string_view timezone) const;

  bool dedicated_;
  std::string name_;
  std::array<std::timed_mutex, 64> making_; ///< by hash of the connection; the host does not tell which one it is
};

} // namespace calbridge::google
