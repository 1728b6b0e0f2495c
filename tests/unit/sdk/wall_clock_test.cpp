#include <calbridge/wall_clock.hpp>

#include <catch2/catch.hpp>
#include <tuple>

using namespace calbridge::sdk;

namespace {

auto fields(const WallClock& clock) {
  return std::make_tuple(clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second);
}

} // namespace

TEST_CASE("A date is read as its midnight, and what is none is refused") {
  const auto date = readDate("2028-02-29");
  REQUIRE(date);
  CHECK(fields(*date) == std::make_tuple(2028, 2, 29, 0, 0, 0));
  for (const char* text : {"", "2027-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "2026-1-1", "2026/01/01",
                           "2026-01-01T", " 026-01-01", "+026-01-01", "2026-01-0x"}) {
    INFO(text);
    CHECK_FALSE(readDate(text));
  }
}

TEST_CASE("A wall clock is read to the second, and what is none is refused") {
  const auto clock = readWallClock("2026-12-01T09:30:59");
  REQUIRE(clock);
  CHECK(fields(*clock) == std::make_tuple(2026, 12, 1, 9, 30, 59));
  for (const char* text :
       {"", "2026-12-01", "2026-12-01 09:30:59", "2026-12-01T09:30:59Z", "2026-12-01T24:00:00", "2026-12-01T09:60:00",
        "2026-02-30T09:00:00", "2026-12-01T9:30:590", "2026-12-01T09:30:5x"}) {
    INFO(text);
    CHECK_FALSE(readWallClock(text));
  }
}

TEST_CASE("An instant becomes what a clock in UTC shows, before 1970 too") {
  CHECK(fields(utcClock(0)) == std::make_tuple(1970, 1, 1, 0, 0, 0));
  CHECK(fields(utcClock(-1)) == std::make_tuple(1969, 12, 31, 23, 59, 59));
  CHECK(fields(utcClock(1796115600)) == std::make_tuple(2026, 12, 1, 9, 0, 0));
  CHECK(fields(utcClock(951827696)) == std::make_tuple(2000, 2, 29, 12, 34, 56));
}
