// Routing is not synced: after a power failure an event is routed again whose entries may have been pushed already.
#include "store/store.hpp"
#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

using namespace calbridge;
using namespace calbridge::store;

namespace {

constexpr TimeMs kNow = 1'800'000'000'000;

struct Journal {
  testing::TemporaryFolder folder;
  std::unique_ptr<Store> store = open();

  Journal() {
    store->putPerson({"john", "John", "john@example.com", "customer", "UTC", {}}, std::nullopt);
    ConnectionRecord fresh;
    fresh.personId = "john";
    fresh.provider = "google";
    fresh.accountId = fresh.account = "john@google.example";
    store->connect(
        fresh, [](std::int64_t) { return std::string("sealed"); }, kNow);
  }
  std::unique_ptr<Store> open() const { return openStore("sqlite:" + (folder.path / "test.db").string()); }
  void restart() {
    store.reset();
    store = open();
  }
  std::int64_t accept(const std::string& id) {
    const NewEvent event{"app", id, "order.confirmed", 1, "hash", "{}"};
    return store->acceptEvents({&event, 1}, kNow).at(0).seq;
  }
  /// One event's decision about the appointment A-1.
  std::vector<DeliveryRecord> route(std::int64_t seq, bool present) {
    const std::vector<std::string> ids{"A-1"};
    auto state = store->appointmentStates(ids).at(0);
    PlacementRecord placement;
    if (!state.placements.empty())
      placement = state.placements.front();
    placement.appointmentId = "A-1";
    placement.personId = "john";
    placement.present = present;
    ++placement.revision;
    placement.entry.time = {false, "2027-01-16T08:00:00", "2027-01-16T09:00:00", "UTC", kNow, kNow + 1000};
    state.appointment.snapshot = R"({"id":"A-1"})";
    RoutingWrite write;
    write.events.push_back({seq, "[]"});
    write.appointments.push_back(state.appointment);
    write.placements.push_back(placement);
    REQUIRE(store->applyRouting(write, kNow));
    return store->deliveriesOfPlacement(store->placement("appointment", "A-1", "john")->id);
  }
};

} // namespace

TEST_CASE("What an event of an earlier run adds and removes in one batch is looked for at the provider") {
  Journal journal;
  const auto seq = journal.accept("e-1");
  journal.restart();
  const auto deliveries = journal.route(seq, false);
  REQUIRE(deliveries.size() == 1);
  CHECK_FALSE(deliveries[0].wanted);
  CHECK(deliveries[0].state == "pending");
}

TEST_CASE("What an event of an earlier run added may have been pushed, and is removed with a call") {
  Journal journal;
  const auto seq = journal.accept("e-1");
  journal.restart();
  CHECK(journal.route(seq, true).at(0).state == "pending");
  const auto deliveries = journal.route(journal.accept("e-2"), false);
  CHECK_FALSE(deliveries.at(0).wanted);
  CHECK(deliveries.at(0).state == "pending");
}

TEST_CASE("What an event of this run adds and removes before anybody pushed it needs no call") {
  Journal journal;
  CHECK(journal.route(journal.accept("e-1"), true).at(0).state == "pending");
  CHECK(journal.route(journal.accept("e-2"), false).at(0).state == "removed");

  Journal other;
  CHECK(other.route(other.accept("e-1"), false).empty());
}
