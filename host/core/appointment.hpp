#pragma once
#include "core/entry.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace calbridge {

/// One booking of the application, as the whole snapshot that an event carried.
struct Appointment {
  std::string id;
  std::optional<std::int64_t> version;
  bool cancelled = false; ///< status is "cancelled" (or "canceled")
  EntryTime time;
  std::optional<std::string> customerId;
  std::vector<std::string> staffIds;
  nlohmann::json data; ///< everything that was sent, unknown fields included; what templates read
};

/// Reads and checks a snapshot. Throws Error("invalid_event") whose pointer is `at` + the field's own.
/// Required: id, start, end; a timezone unless both carry an offset. `end` may not lie before `start`.
Appointment parseAppointment(nlohmann::json json, const std::string& at);

} // namespace calbridge
