#include "delivery/late_writes.hpp"

#include <catch2/catch.hpp>

using calbridge::delivery::LateWrites;

namespace {
constexpr LateWrites::Key kEntry{1, 1};
}

TEST_CASE("A request that was given up may come in between until its time is over, and nothing else may") {
  LateWrites late;
  CHECK(late.left(kEntry, 0) == 0);
  late.note(kEntry, 1, 30, 0);
  CHECK(late.left({1, 2}, 0) == 0);
  CHECK(late.left({2, 1}, 0) == 0);
  CHECK(late.left(kEntry, 0) == 30);
  CHECK(late.left(kEntry, 29) == 1);
  CHECK(late.left(kEntry, 30) == 0);
  CHECK(late.left(kEntry, 0) == 0); // forgotten
}

TEST_CASE("A request that said what was confirmed since is only its repetition") {
  LateWrites late;
  late.note(kEntry, 1, 30, 0);
  late.confirmed(kEntry, 2);
  CHECK(late.left(kEntry, 10) == 20);
  late.confirmed(kEntry, 1);
  CHECK(late.left(kEntry, 10) == 0);
}

TEST_CASE("Of several requests that were given up the confirmation of one is not enough") {
  LateWrites late;
  late.note(kEntry, 1, 30, 0);
  late.note(kEntry, 2, 25, 10);
  late.confirmed(kEntry, 2);
  CHECK(late.left(kEntry, 10) == 20);
  late.note(kEntry, 3, 60, 31); // the others are over
  late.confirmed(kEntry, 3);
  CHECK(late.left(kEntry, 31) == 0);
}

TEST_CASE("What a host left behind that is gone is known by no revision, and ends with its time only") {
  LateWrites late;
  late.note(kEntry, 0, 30, 0);
  late.confirmed(kEntry, 1);
  CHECK(late.left(kEntry, 0) == 30);
  CHECK(late.left(kEntry, 31) == 0);
}

TEST_CASE("However many are noted, those that still count are kept") {
  LateWrites late;
  for (std::int64_t i = 0; i < 30'000; ++i)
    late.note({i, 1}, 1, i < 5 ? 1'000'000 : i + 10, i);
  for (std::int64_t i = 0; i < 5; ++i)
    CHECK(late.left({i, 1}, 30'000) == 970'000);
  CHECK(late.left({6, 1}, 30'000) == 0);
}
