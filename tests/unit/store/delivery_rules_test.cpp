#include "store/delivery_rules.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace calbridge;
using namespace calbridge::store;
using Kind = DeliveryOutcome::Kind;

namespace {

/// The CHECKs of the deliveries table, said again.
bool legal(const DeliveryRow& row) {
  if ((row.state == "pending") != row.dueAt.has_value())
    return false;
  if (row.state == "delivered" && (!row.wanted || row.appliedRevision != row.wantedRevision))
    return false;
  if (row.state == "removed" && (row.wanted || !row.providerEventId.empty()))
    return false;
  return row.state != "failed" || !row.errorCode.empty();
}

} // namespace

TEST_CASE("Whatever happens in whatever order, a row stays legal and ends where the placement is") {
  std::mt19937 random(20260101);
  const auto chance = [&](int of) { return std::uniform_int_distribution<>(0, of - 1)(random); };
  for (int round = 0; round < 3000; ++round) {
    DeliveryRow row;
    row.wantedRevision = 1;
    row.untriedIn = 1;
    TimeMs now = 1000;
    row.dueAt = now;
    WantedContent content{true, 1, "hash-1", 1'000'000};
    Reach reach = Reach::open;
    bool atProvider = false; // the calendar, as the provider has it
    std::string hashAtProvider;
    struct Attempt {
      bool wanted;
      std::int64_t revision;
      std::string hash;
      int generation;
    };
    std::optional<Attempt> attempt;
    std::vector<Attempt> lost; // still going on, but their claims are somebody else's
    const auto touched = [&] { return row.untriedIn == 1 && !attempt && lost.empty() ? Touched::no : Touched::maybe; };
    const auto begin = [&] {
      attempt = Attempt{row.wanted, row.wantedRevision, content.contentHash, row.generation};
      if (chance(4) != 0) { // reaches the provider
        atProvider = attempt->wanted;
        hashAtProvider = attempt->hash;
      }
    };
    const auto finish = [&](Kind kind) {
      DeliveryOutcome outcome;
      outcome.kind = kind;
      outcome.revision = attempt->revision;
      outcome.at = now;
      outcome.retryAt = now + 10;
      if (kind == Kind::delivered || kind == Kind::removed) {
        atProvider = attempt->wanted;
        hashAtProvider = attempt->hash;
        outcome.contentHash = attempt->hash;
        if (attempt->wanted)
          outcome.providerEventId = "event";
      }
      applyOutcome(row, outcome, reach);
      attempt.reset();
    };
    const auto finishLate = [&] {
      const Attempt late = lost.back();
      lost.pop_back();
      atProvider = late.wanted;
      hashAtProvider = late.hash;
      DeliveryOutcome outcome;
      outcome.kind = chance(2) == 0 ? Kind::retry : late.wanted ? Kind::delivered : Kind::removed;
      outcome.wanted = late.wanted;
      outcome.revision = late.revision;
      outcome.generation = late.generation;
      outcome.contentHash = late.hash;
      outcome.at = now;
      outcome.settledAt = now + 7;
      if (late.wanted && outcome.kind == Kind::delivered)
        outcome.providerEventId = "event";
      if (!applyLateOutcome(row, outcome, reach))
        return;
      if (attempt)
        lost.push_back(*attempt);
      attempt.reset();
    };
    for (int step = 0; step < 25; ++step, now += 5) {
      switch (chance(10)) {
      case 0:
      case 1:
        content.present = chance(3) != 0;
        content.contentHash = "hash-" + std::to_string(chance(3));
        ++content.revision;
        if (reach == Reach::open || reach == Reach::waiting)
          plan(row, content, reach, touched(), now);
        break;
      case 2:
        if (!attempt && row.dueAt && *row.dueAt <= now)
          begin();
        break;
      case 3:
        if (attempt)
          finish(attempt->wanted ? Kind::delivered : Kind::removed);
        break;
      case 4:
        if (attempt)
          finish(chance(2) == 0 ? Kind::retry : chance(2) == 0 ? Kind::failed : Kind::blocked);
        break;
      case 5:
        if (reach == Reach::open) {
          reach = Reach::waiting;
          block(row);
        }
        break;
      case 6:
        if (reach == Reach::open || reach == Reach::waiting) {
          reach = Reach::closing;
          close(row, content, chance(2) == 0, touched(), now);
        } else if (reach == Reach::closing) {
          reach = Reach::none;
          if (!end(row, touched())) { // dropped; a reconnection's back-fill makes it again
            row = {};
            row.wantedRevision = content.revision;
            row.untriedIn = 1;
            row.state = "blocked";
          }
        }
        break;
      case 8:
        if (attempt) {
          lost.push_back(*attempt);
          attempt.reset();
        }
        break;
      case 9:
        if (!lost.empty())
          finishLate();
        break;
      default:
        if (reach != Reach::open) {
          const bool forgotten = reach != Reach::waiting;
          reach = Reach::open;
          reconnect(row, content, forgotten, touched(), now);
        }
      }
      INFO("round " << round << ", step " << step << ", state " << row.state);
      REQUIRE(legal(row));
    }
    // Then the world heals.
    while (!lost.empty() || (attempt && !row.dueAt)) {
      if (lost.empty())
        finish(attempt->wanted ? Kind::delivered : Kind::removed);
      else
        finishLate();
      REQUIRE(legal(row));
    }
    if (reach != Reach::open)
      reconnect(row, content, reach != Reach::waiting, touched(), now);
    reach = Reach::open;
    if (row.state == "failed")
      retryNow(row, reach, now);
    for (int i = 0; i < 5 && (attempt || row.dueAt); ++i, now += 5000) {
      if (!attempt)
        attempt = Attempt{row.wanted, row.wantedRevision, content.contentHash, row.generation};
      finish(attempt->wanted ? Kind::delivered : Kind::removed);
      REQUIRE(legal(row));
    }
    INFO("round " << round << ", state " << row.state);
    REQUIRE_FALSE(row.dueAt.has_value());
    REQUIRE(atProvider == content.present);
    if (content.present)
      REQUIRE(hashAtProvider == content.contentHash);
  }
}

TEST_CASE("A revision of a delivery never goes back") {
  DeliveryRow row;
  row.state = "delivered";
  row.wantedRevision = row.appliedRevision = 4;
  row.providerEventId = "event";
  const WantedContent content{true, 4, "hash", 1000};
  close(row, content, true, Touched::maybe, 10);
  CHECK(row.wantedRevision == 5);
  reconnect(row, content, true, Touched::maybe, 20);
  CHECK(row.wantedRevision == 6);
  plan(row, {true, 5, "other", 1000}, Reach::open, Touched::maybe, 30);
  CHECK(row.wantedRevision == 7);
  plan(row, {true, 20, "another", 1000}, Reach::open, Touched::maybe, 40);
  CHECK(row.wantedRevision == 20);
}

TEST_CASE("A reconnection gives failures a fresh start") {
  DeliveryRow row;
  row.state = "blocked";
  row.wantedRevision = 1;
  row.attempts = 9;
  row.firstFailureAt = 5;
  row.errorCode = "invalid_grant";
  reconnect(row, {true, 1, "hash", 1000}, false, Touched::maybe, 50);
  CHECK(row.state == "pending");
  CHECK(row.dueAt == 50);
  CHECK(row.attempts == 0);
  CHECK(row.firstFailureAt == 0);
  CHECK(row.errorCode.empty());
}
