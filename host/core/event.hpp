#pragma once
#include "core/appointment.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace calbridge {

/// A CloudEvents 1.0 event about appointments. Identified by (source, id).
struct Event {
  std::string id;
  std::string source;
  std::string type;
  std::optional<TimeMs> time;
  std::vector<Appointment> appointments;
};

/// Reads a structured-mode CloudEvent
/// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md). Throws Error("invalid_event")
/// with the JSON pointer of the offending field, prefixed by `at`.
Event parseEvent(nlohmann::json json, const std::string& at = "");

} // namespace calbridge
