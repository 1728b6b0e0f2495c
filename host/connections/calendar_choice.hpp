#pragma once
#include "connections/access_tokens.hpp"

namespace calbridge::connections {

/// Which of an account's calendars a connection's entries go to. Thread-safe; everything passed in is borrowed.
class CalendarChoice {
 public:
  CalendarChoice(store::Store& store, const Providers& providers, AccessTokens& tokens)
      : store_(store), providers_(providers), tokens_(tokens) {}

  struct Listing {
    std::vector<Calendar> calendars;
    std::string chosen; ///< id; empty: nobody chose, entries go to the primary one
  };
  /// Asks the provider for the calendars of the person's connection. Errors: not_found (not connected, or a provider
  /// that has no calendars to choose from), needs_reconnection, provider_error, store_unavailable.
  Listing list(const std::string& personId, const std::string& provider, const CallContext& context);

  /// Entries go to the calendar of that id from now on; the caller makes those that are there already follow (a
  /// resync). Empty: to the provider's default again. Asks the provider. Errors: as list, and unknown_calendar,
  /// calendar_read_only. Returns the name of the calendar, and whether that is a change.
  struct Chosen {
    std::string name;
    bool changed = false;
  };
  Chosen choose(const std::string& personId, const std::string& provider, const std::string& calendarId,
                const CallContext& context);

  /// The id that was chosen for a connection; empty: none.
  std::string of(std::int64_t connectionId);

 private:
  store::ConnectionRecord live(const std::string& personId, const std::string& provider);
  std::vector<Calendar> ask(const store::ConnectionRecord& record, const CallContext& context);

  store::Store& store_;
  const Providers& providers_;
  AccessTokens& tokens_;
};

/// The name of the calendar that was chosen for a connection, as it was called then; empty: none was.
std::string chosenCalendarName(store::Store& store, std::int64_t connectionId);

} // namespace calbridge::connections
