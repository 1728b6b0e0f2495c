#pragma once
#include "services.hpp"

namespace calbridge::sandbox {

/// What is wrong with a body, as Graph says it.
struct GraphFault {
  int status = 400;
  std::string code;
  std::string message;
};

/// A Windows zone name or one of the IANA names that Graph documents → IANA; nullopt: TimeZoneNotSupportedException.
std::optional<std::string> graphTimeZone(const std::string& name);

/// Checks a merged event, and turns start and end into UTC as Graph tells them. Fills in startUtc and endUtc.
std::optional<GraphFault> checkGraphEvent(json& event, StoredEvent& stored);

/// Checks ids like `String {guid} Name x`; merges `given` into what is stored, by id.
std::optional<GraphFault> mergeExtended(json& stored, const json& given);

/// Are these the same property? GUIDs compare without case.
bool sameProperty(const std::string& a, const std::string& b);

/// "2026-12-01T09:00:00.0000000"
std::string graphTime(TimeMs utc);

} // namespace calbridge::sandbox
