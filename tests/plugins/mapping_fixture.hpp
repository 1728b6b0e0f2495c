#pragma once
#include "calbridge/messages.hpp"

namespace calbridge::testing {

/// An upsert with something in every field.
inline sdk::PushRequest fullRequest() {
  sdk::PushRequest request;
  request.uid = "u-1";
  request.idempotencyKey = "0b4e3a52-7c1d-4f6e-9a8b-1c2d3e4f5a6b";
  request.sequence = 3;
  request.stamp = "2026-11-22T10:00:00Z";
  request.hasEntry = true;
  request.entry.title = "Deep clean";
  request.entry.description = "Bring keys";
  request.entry.location = "1 High Street";
  request.entry.start = "2026-12-01T09:00:00";
  request.entry.end = "2026-12-01T11:00:00";
  request.entry.timezone = "Europe/London";
  request.entry.startUtc = "2026-12-01T09:00:00Z";
  request.entry.endUtc = "2026-12-01T11:00:00Z";
  request.entry.reminders = {30, 1440};
  request.entry.showAs = "busy";
  request.entry.visibility = "default";
  request.entry.status = "confirmed";
  request.entry.url = "https://app.example/o/77";
  return request;
}

/// The same, for two whole days.
inline sdk::PushRequest allDayRequest() {
  sdk::PushRequest request = fullRequest();
  request.entry.allDay = true;
  request.entry.start = "2026-12-01";
  request.entry.end = "2026-12-03";
  request.entry.startUtc = "2026-12-01T00:00:00Z";
  request.entry.endUtc = "2026-12-03T00:00:00Z";
  return request;
}

} // namespace calbridge::testing
