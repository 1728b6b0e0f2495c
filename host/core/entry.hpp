#pragma once
#include "core/time.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace calbridge {

/// When something is, in the terms of the calendar that shows it (RFC 5545 sections 3.3.4 and 3.3.5).
struct EntryTime {
  bool allDay = false;
  std::string start;    ///< "2026-12-01T09:00:00" wall clock in `timezone`, or "2026-12-01" when allDay
  std::string end;      ///< exclusive, same form
  std::string timezone; ///< IANA, never empty
  TimeMs startUtc = 0;  ///< all-day: midnight in `timezone`
  TimeMs endUtc = 0;

  bool operator==(const EntryTime&) const = default;
};

/// What one person's calendar says about one appointment: text already rendered for that person's role. A plain value,
/// the same for every provider; plugins only translate it.
struct Entry {
  std::string title;
  std::string description; ///< plain text; providers that want HTML must escape it
  std::string location;
  EntryTime time;
  std::vector<int> reminders;         ///< minutes before the start, ascending, 0–40320
  std::string showAs = "busy";        ///< busy | free
  std::string visibility = "default"; ///< default | public | private | confidential
  std::string status = "confirmed";   ///< confirmed | tentative | cancelled
  std::string url;                    ///< http(s) link to the booking, or empty

  bool operator==(const Entry&) const = default;
};

/// Canonical JSON: equal entries give equal bytes.
nlohmann::json toJson(const Entry& entry);
/// Throws nlohmann::json::exception on a document that toJson did not make.
Entry entryFromJson(const nlohmann::json& json);
/// SHA-256 (hex) over all fields: the same for equal entries only.
std::string contentHash(const Entry& entry);

} // namespace calbridge
