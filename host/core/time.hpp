#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace calbridge {

/// Milliseconds since 1970-01-01T00:00:00Z. The only form in which instants are stored.
using TimeMs = std::int64_t;

/// The source of time. Injected everywhere, so that tests move time instead of waiting for it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall clock, UTC; may step.
  virtual TimeMs now() const = 0;
  /// Monotonic milliseconds with an arbitrary origin; for deadlines.
  virtual TimeMs monotonic() const = 0;
};

/// The machine's own clock.
class SystemClock final : public Clock {
 public:
  TimeMs now() const override;
  TimeMs monotonic() const override;
};

/// RFC 3339 date-time with an offset or Z → instant. nullopt when malformed or out of range.
std::optional<TimeMs> parseRfc3339(std::string_view text);
/// "2026-12-01T09:00:00Z"; with milliseconds only when there are any.
std::string formatRfc3339(TimeMs time);
/// RFC 9110 section 5.6.7, "Tue, 01 Dec 2026 09:00:00 GMT".
std::string formatHttpDate(TimeMs time);
std::optional<TimeMs> parseHttpDate(std::string_view text);

/// True for a zone of the IANA time zone database (tzdata of the machine).
bool isTimeZone(const std::string& name);

/// A local wall-clock reading "YYYY-MM-DDTHH:MM:SS" in an IANA zone → instant. A reading that a DST change skips is
/// moved forward by the gap, one that occurs twice means the first (RFC 5545 section 3.3.5). nullopt when malformed or
/// the zone is unknown.
std::optional<TimeMs> localToUtc(std::string_view local, const std::string& zone);
/// Instant → "YYYY-MM-DDTHH:MM:SS" in an IANA zone. Throws Error("invalid_timezone") for an unknown zone.
std::string utcToLocal(TimeMs time, const std::string& zone);

/// Is this a valid "YYYY-MM-DD"?
bool isDate(std::string_view text);
/// Is this a valid "YYYY-MM-DDTHH:MM:SS"?
bool isLocalDateTime(std::string_view text);

} // namespace calbridge
