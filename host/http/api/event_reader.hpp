#pragma once
#include "http/edge/request.hpp"

#include <nlohmann/json.hpp>
#include <vector>

namespace calbridge::http {

/// The events of a request in structured form, whatever content mode they came in (CloudEvents HTTP protocol binding
/// 1.0.2, section 3): structured (application/cloudevents+json, also plain application/json without ce- headers),
/// batched (application/cloudevents-batch+json), or binary (ce-* headers, the body is the data).
struct ReadEvents {
  std::vector<nlohmann::json> events;
  bool batch = false;
};

/// Throws Error: unsupported_media_type, invalid_json, invalid_event.
ReadEvents readEvents(const Request& request);

} // namespace calbridge::http
