#include "database.hpp"

#include <atomic>
#include <thread>

using namespace conformance;
using Kind = DeliveryOutcome::Kind;

TEST_CASE("A placement becomes due on every live connection of its person and on nobody else's") {
  EVERY_STORE;
  f.person("john");
  f.person("eve");
  const auto google = f.connect("john", "google");
  const auto outlook = f.connect("john", "outlook");
  f.connect("eve", "google", "eve");
  const auto placed = f.place("A-1", "john", "Deep clean");
  const auto claim = f.claim();
  REQUIRE(claim.tasks.size() == 2);
  for (const auto& task : claim.tasks) {
    CHECK(task.personId == "john");
    CHECK(task.placementId == placed.id);
    CHECK((task.connectionId == google.id || task.connectionId == outlook.id));
    CHECK(task.entry == placed.entry);
    CHECK(task.contentHash == placed.contentHash);
    CHECK(task.appointmentId == "A-1");
    CHECK(task.revision == 1);
    CHECK(task.wanted);
    CHECK(task.attempts == 0);
  }
  CHECK(claim.tasks[0].provider != claim.tasks[1].provider);
}

TEST_CASE("A leased delivery is not handed out again, and a recorded success ends the work") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  const auto placed = f.place("A-1", "john", "Deep clean");
  const auto task = f.claimOne();
  CHECK(f.claim().tasks.empty());
  f.record(success(task, kNow + 5));
  const auto row = f.delivery(placed);
  CHECK(row.state == "delivered");
  CHECK(row.appliedRevision == 1);
  CHECK(row.providerEventId == "event-" + std::to_string(placed.id));
  CHECK(row.deliveredAt == kNow + 5);
  CHECK(row.dueAt == 0);
  CHECK(f.claim(kNow + kHour * 1000).tasks.empty());
}

TEST_CASE("An outcome of a claim that somebody else has taken over does not count, and leads to another look") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  const auto placed = f.place("A-1", "john", "Deep clean");
  const auto slow = f.claim(kNow, 10, kMinute).tasks.at(0);
  CHECK(f.claim(kNow + kMinute - 1).tasks.empty());
  const auto second = f.claimOne(kNow + kMinute);
  CHECK(second.fence != slow.fence);
  f.record(success(slow, kNow + kMinute));
  CHECK(f.delivery(placed).state == "pending");
  CHECK(f.claim(kNow + kMinute).tasks.empty());
  f.record(success(second, kNow + kMinute)); // its claim went with the other's outcome: who wrote last?
  CHECK(f.delivery(placed).state == "pending");
  CHECK(f.claim(kNow + 2 * kMinute - 1).tasks.empty());
  f.deliverOne(kNow + 2 * kMinute);
  CHECK(f.delivery(placed).state == "delivered");
  f.record(failure(second, Kind::failed)); // nothing was written
  CHECK(f.delivery(placed).state == "delivered");
}

TEST_CASE("A write that ends after the entry was removed is removed again, under the names that it had") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  const auto slow = f.claimOne();
  const auto placed = f.unplace("A-1", "john");
  f.record(success(f.claimOne(kNow + kMinute), kNow + kMinute));
  CHECK(f.delivery(placed).state == "removed");
  f.record(success(slow, kNow + kMinute));
  CHECK(f.delivery(placed).state == "pending");
  const auto again = f.claimOne(kNow + 2 * kMinute);
  CHECK_FALSE(again.wanted);
  CHECK(again.generation == slow.generation);
  CHECK(again.providerEventId == success(slow).providerEventId);
  f.record(success(again, kNow + 2 * kMinute));
  CHECK(f.delivery(placed).state == "removed");
  f.record(success(again, kNow + 3 * kMinute)); // a removal that is repeated leaves nothing behind
  CHECK(f.delivery(placed).state == "removed");
}

TEST_CASE("When the clock goes back, what waits waits as much less, and what rests rests as much less") {
  EVERY_STORE;
  f.person("john");
  f.person("eve");
  f.connect("john", "google", "john");
  f.connect("eve", "google", "eve");
  const auto waiting = f.place("A-1", "john", "Clean");
  f.record(failure(f.claimOne(), Kind::retry, kNow + kMinute));
  f.place("A-2", "eve", "Clean");
  auto limited = failure(f.claimOne(), Kind::retry, kNow + kMinute);
  limited.pauseUntil = kNow + kMinute;
  f.record(limited);
  const TimeMs now = kNow - kHour;
  f.store->clockWentBack(now, kHour);
  CHECK(f.delivery(waiting).dueAt == now + kMinute);
  CHECK(f.claim(now + kMinute - 1).tasks.empty());
  CHECK(f.claim(now + kMinute).tasks.size() == 2);
}

TEST_CASE("A claim says when the next delivery becomes due") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  CHECK_FALSE(f.claim().nextDue.has_value());
  f.place("A-1", "john", "Deep clean");
  f.record(failure(f.claimOne(), Kind::retry, kNow + kHour));
  const auto claim = f.claim();
  CHECK(claim.tasks.empty());
  CHECK(claim.nextDue == kNow + kHour);
  CHECK(f.claim(kNow + kHour).tasks.size() == 1);
  INFO("a leased row can be had again when its lease runs out");
  CHECK(f.claim(kNow + kHour).nextDue == kNow + kHour + kMinute);
}

TEST_CASE("A claim that left due work behind says so") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  for (int i = 0; i < 5; ++i)
    f.place("A-" + std::to_string(i), "john", "Clean");
  const auto claim = f.claim(kNow, 3);
  CHECK(claim.tasks.size() == 3);
  CHECK(claim.nextDue == kNow);
  CHECK(f.claim(kNow, 3).tasks.size() == 2);
}

TEST_CASE("Claims come oldest first over all connections") {
  EVERY_STORE;
  std::vector<std::string> people;
  for (int i = 0; i < 5; ++i) {
    people.push_back("person-" + std::to_string(i));
    f.person(people.back());
    f.connect(people.back(), "google", people.back());
  }
  std::vector<std::int64_t> expected;
  for (int i = 0; i < 60; ++i) {
    expected.push_back(
        f.place("A-" + std::to_string(i), people.at(static_cast<std::size_t>(i * 7 % 5)), "Clean", kNow + i).id);
  }
  std::vector<std::int64_t> got;
  for (const std::size_t limit : {7U, 20U, 100U}) {
    for (const auto& task : f.claim(kNow + kHour, limit).tasks)
      got.push_back(task.placementId);
  }
  CHECK(got == expected);
}

TEST_CASE("A connection without room is passed over and others are served") {
  EVERY_STORE;
  f.person("john");
  f.person("eve");
  const auto busy = f.connect("john", "google", "john");
  const auto idle = f.connect("eve", "google", "eve");
  for (int i = 0; i < 40; ++i)
    f.place("A-" + std::to_string(i), "john", "Clean");
  f.place("B-1", "eve", "Clean", kNow + 1);
  int asked = 0;
  const auto claim = f.store->claimDeliveries(kNow + 1, 10, kMinute, [&](std::int64_t id, const std::string& provider) {
    CHECK(provider == "google");
    ++asked;
    return id != busy.id;
  });
  REQUIRE(claim.tasks.size() == 1);
  CHECK(claim.tasks[0].connectionId == idle.id);
  CHECK(asked == 2);
  CHECK(f.claim(kNow + 1).tasks.size() == 40);
}

TEST_CASE("Room counts as taken for every task that is handed out") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  for (int i = 0; i < 5; ++i)
    f.place("A-" + std::to_string(i), "john", "Clean");
  int room = 2;
  const auto claim =
      f.store->claimDeliveries(kNow, 10, kMinute, [&](std::int64_t, const std::string&) { return room-- > 0; });
  CHECK(claim.tasks.size() == 2);
}

TEST_CASE("A paused connection rests as a whole, the others do not") {
  EVERY_STORE;
  f.person("john");
  f.person("eve");
  const auto john = f.connect("john", "google", "john");
  f.connect("eve", "google", "eve");
  f.place("A-1", "john", "Clean");
  f.place("A-2", "john", "Clean");
  auto throttled = failure(f.claim(kNow, 1).tasks.at(0), Kind::retry, kNow + kHour);
  throttled.pauseUntil = kNow + kHour;
  f.record(throttled);
  f.place("A-3", "eve", "Clean");
  const auto claim = f.claim(kNow + 1);
  REQUIRE(claim.tasks.size() == 1);
  CHECK(claim.tasks[0].personId == "eve");
  f.record(success(claim.tasks[0]));
  CHECK(f.claim(kNow + kHour - 1).tasks.empty());
  CHECK(f.claim(kNow + kHour - 1).nextDue == kNow + kHour);
  CHECK(f.store->connection(john.id)->pausedUntil == kNow + kHour);
  CHECK(f.claim(kNow + kHour).tasks.size() == 2);
}

TEST_CASE("A shorter pause does not undercut a longer one") {
  EVERY_STORE;
  f.person("john");
  const auto john = f.connect("john");
  f.place("A-1", "john", "Clean");
  f.place("A-2", "john", "Clean");
  const auto tasks = f.claim().tasks;
  auto longer = failure(tasks.at(0), Kind::retry, kNow + kHour);
  longer.pauseUntil = kNow + kHour;
  auto shorter = failure(tasks.at(1), Kind::retry, kNow + kMinute);
  shorter.pauseUntil = kNow + kMinute;
  f.record(longer);
  f.record(shorter);
  CHECK(f.store->connection(john.id)->pausedUntil == kNow + kHour);
  CHECK(f.claim(kNow + 2 * kMinute).tasks.empty());
}

TEST_CASE("A hundred edits while the provider is down become one push of the last") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  auto placed = f.place("A-1", "john", "Edit 0");
  f.record(failure(f.claimOne(), Kind::retry, kNow + kHour));
  for (int i = 1; i <= 100; ++i)
    placed = f.place("A-1", "john", "Edit " + std::to_string(i), kNow + i);
  INFO("edits neither undercut the wait nor begin the back-off anew");
  CHECK(f.claim(kNow + kHour - 1).tasks.empty());
  CHECK(f.delivery(placed).attempts == 1);
  const auto task = f.claimOne(kNow + kHour);
  CHECK(task.revision == 101);
  CHECK(task.entry.title == "Edit 100");
  f.record(success(task));
  CHECK(f.delivery(placed).state == "delivered");
  CHECK(f.delivery(placed).attempts == 0);
  CHECK(f.claim(kNow + 1000 * kHour).tasks.empty());
}

TEST_CASE("An edit during an attempt is pushed after it, and the attempt's result is kept") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  auto placed = f.place("A-1", "john", "First");
  const auto first = f.claimOne();
  placed = f.place("A-1", "john", "Second", kNow + 1);
  CHECK(f.claim(kNow + 1).tasks.empty());
  f.record(success(first, kNow + 2));
  CHECK(f.delivery(placed).state == "pending");
  CHECK(f.delivery(placed).appliedRevision == 1);
  const auto second = f.claimOne(kNow + 2);
  CHECK(second.revision == 2);
  CHECK(second.providerEventId == "event-" + std::to_string(placed.id));
  CHECK(second.etag == "etag-1");
  CHECK(second.entry.title == "Second");
}

TEST_CASE("A task never has an older content than its revision's, also when that changes at the moment of the claim") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  constexpr int kAppointments = 4, kRevisions = 400;
  std::vector<std::string> ids;
  for (int i = 0; i < kAppointments; ++i)
    ids.push_back("A-" + std::to_string(i));
  std::atomic<bool> ended = false, refused = false;
  std::thread routing([&] {
    for (int revision = 1; revision <= kRevisions && !refused; ++revision) {
      RoutingWrite write;
      for (auto& state : f.store->appointmentStates(ids)) {
        PlacementRecord placement = state.placements.empty() ? PlacementRecord() : state.placements.front();
        placement.appointmentId = state.appointment.id;
        placement.personId = "john";
        placement.present = true;
        placement.revision = revision;
        placement.entry.title = std::to_string(revision);
        placement.entry.time = {false,           "2027-01-16T08:00:00", "2027-01-16T09:00:00",
                                "Europe/London", kNow + kHour,          kNow + 2 * kHour};
        placement.contentHash = contentHash(placement.entry);
        state.appointment.endUtc = kNow + 2 * kHour;
        state.appointment.snapshot = R"({"id":")" + state.appointment.id + R"("})";
        write.appointments.push_back(std::move(state.appointment));
        write.placements.push_back(std::move(placement));
      }
      refused = !f.store->applyRouting(write, kNow);
    }
    ended = true;
  });
  int older = 0, claims = 0;
  std::int64_t last = 0;
  for (bool more = true; more;) {
    const bool final = ended;
    const auto tasks = f.claim().tasks;
    std::vector<DeliveryOutcome> outcomes;
    for (const auto& task : tasks) {
      older += std::stoll(task.entry.title) < task.revision ? 1 : 0;
      last = std::max(last, task.revision);
      ++claims;
      outcomes.push_back(success(task));
    }
    f.store->recordOutcomes(outcomes);
    more = !final || !tasks.empty();
  }
  routing.join();
  CHECK_FALSE(refused);
  INFO(claims << " claims");
  CHECK(older == 0);
  CHECK(last == kRevisions);
}

TEST_CASE("Content that the provider already has is not pushed again") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Same");
  f.deliverOne();
  const auto placed = f.place("A-1", "john", "Same");
  CHECK(f.claim().tasks.empty());
  CHECK(f.delivery(placed).state == "delivered");
  CHECK(f.delivery(placed).wantedRevision == 2);
  CHECK(f.delivery(placed).appliedRevision == 2);
}

TEST_CASE("A cancellation before the first attempt is no work") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  const auto placed = f.unplace("A-1", "john");
  CHECK(f.claim().tasks.empty());
  CHECK(f.delivery(placed).state == "removed");
}

TEST_CASE("A cancellation of something that was never delivered anywhere makes no delivery") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  const auto placed = f.unplace("A-1", "john");
  CHECK(f.claim().tasks.empty());
  CHECK(f.store->deliveriesOfPlacement(placed.id).empty());
}

TEST_CASE("A cancellation during the first attempt removes what that attempt may have made") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  const auto first = f.claimOne();
  const auto placed = f.unplace("A-1", "john");
  f.record(failure(first, Kind::retry, kNow + kMinute));
  const auto removal = f.claimOne(kNow + kMinute);
  CHECK_FALSE(removal.wanted);
  CHECK(removal.attempts == 1);
  f.record(success(removal));
  CHECK(f.delivery(placed).state == "removed");
}

TEST_CASE("A cancellation after a restart removes what an unrecorded attempt may have made") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  f.claimOne(); // pushed, and then the process died
  f.reopen();
  f.unplace("A-1", "john");
  CHECK_FALSE(f.claimOne().wanted);
}

TEST_CASE("A cancellation after a lost lease removes what the attempt may have made") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  const bool expired = GENERATE(true, false);
  if (expired) {
    f.claimOne();
  } else {
    const auto claimed = f.claim().tasks;
    f.store->releaseClaims(claimed);
  }
  f.unplace("A-1", "john", kNow + kMinute);
  CHECK_FALSE(f.claimOne(kNow + kMinute).wanted);
}

TEST_CASE("After a restart everything that was leased is due at once") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  f.claimOne();
  f.reopen();
  CHECK(f.claim().tasks.size() == 1);
}

TEST_CASE("Released claims are due at once") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  const auto claimed = f.claim().tasks;
  CHECK(f.claim().tasks.empty());
  f.store->releaseClaims(claimed);
  const auto again = f.claim().tasks;
  CHECK(again.size() == 1);
  INFO("the first lease cannot release the second");
  f.store->releaseClaims(claimed);
  CHECK(f.claim().tasks.empty());
}

TEST_CASE("A claim that fails half-way keeps no rows back") {
  EVERY_STORE;
  for (const std::string person : {"john", "mary"}) {
    f.person(person);
    f.connect(person);
    f.place("A-1", person, "Clean");
  }
  int asked = 0;
  const auto failing = [&](std::int64_t, const std::string&) -> bool {
    return ++asked == 1 ? true : throw std::runtime_error("no memory for the second");
  };
  CHECK_THROWS(f.store->claimDeliveries(kNow, 100, kMinute, failing));
  CHECK(asked == 2);
  CHECK(f.claim().tasks.size() == 2);
}

TEST_CASE("Rows whose contents cannot be read when they are claimed are due as soon as they can be read") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  f.database->execute("ALTER TABLE placements RENAME TO hidden");
  CHECK_THROWS_AS(f.claim(), Error);
  f.database->execute("ALTER TABLE hidden RENAME TO placements");
  CHECK(f.claim().tasks.size() == 1);
}

TEST_CASE("A lease that runs out while the rows cannot be read leaves its row due") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  CHECK(f.claim().tasks.size() == 1);
  f.database->execute("ALTER TABLE deliveries RENAME TO hidden");
  CHECK_THROWS_AS(f.claim(kNow + kMinute), Error);
  f.database->execute("ALTER TABLE hidden RENAME TO deliveries");
  CHECK(f.claim(kNow + kMinute).tasks.size() == 1);
}

TEST_CASE("Claims that are given back while the rows cannot be read are due as soon as they can be read") {
  EVERY_STORE;
  if (factory.name != "sqlite") {
    return; // leases are rows there: they run out instead
  }
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  const auto claimed = f.claim().tasks;
  f.database->execute("ALTER TABLE deliveries RENAME TO hidden");
  CHECK_NOTHROW(f.store->releaseClaims(claimed));
  const bool asksMeanwhile = GENERATE(false, true);
  if (asksMeanwhile) {
    CHECK_THROWS_AS(f.claim(), Error);
  }
  f.database->execute("ALTER TABLE hidden RENAME TO deliveries");
  CHECK(f.claim().tasks.size() == 1);
}

TEST_CASE("Removing and adding again counts generations") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  f.deliverOne();
  f.unplace("A-1", "john");
  const auto removal = f.claimOne();
  CHECK_FALSE(removal.wanted);
  CHECK(removal.providerEventId.starts_with("event-"));
  CHECK(removal.generation == 0);
  f.record(success(removal));
  const auto placed = f.place("A-1", "john", "Clean");
  const auto again = f.claimOne();
  CHECK(again.wanted);
  CHECK(again.generation == 1);
  CHECK(again.providerEventId.empty());
  CHECK(again.etag.empty());
  f.record(success(again));
  CHECK(f.delivery(placed).state == "delivered");
}

TEST_CASE("Failures count up until a success") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  const auto placed = f.place("A-1", "john", "Clean");
  TimeMs now = kNow;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto task = f.claimOne(now);
    CHECK(task.attempts == attempt);
    CHECK(task.firstFailureAt == (attempt == 0 ? 0 : kNow));
    f.record(failure(task, Kind::retry, now + kMinute));
    now += kMinute;
  }
  CHECK(f.delivery(placed).errorCode == "backendError");
  CHECK(f.delivery(placed).errorMessage == "The provider failed");
  f.deliverOne(now);
  CHECK(f.delivery(placed).attempts == 0);
  CHECK(f.delivery(placed).errorCode.empty());
}

TEST_CASE("A failed delivery rests until its content changes") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  auto placed = f.place("A-1", "john", "Refused");
  f.record(failure(f.claimOne(), Kind::failed));
  CHECK(f.delivery(placed).state == "failed");
  CHECK(f.claim(kNow + 1000 * kHour).tasks.empty());
  placed = f.place("A-1", "john", "Better");
  CHECK(f.delivery(placed).state == "pending");
  CHECK(f.claimOne().attempts == 0);
}

TEST_CASE("A failure of content that is no longer wanted leads to another attempt") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Refused");
  const auto task = f.claimOne();
  const auto placed = f.place("A-1", "john", "Better");
  f.record(failure(task, Kind::failed));
  CHECK(f.delivery(placed).state == "pending");
  CHECK(f.claimOne().entry.title == "Better");
}

TEST_CASE("An operator's retry makes failed and waiting deliveries due now") {
  EVERY_STORE;
  f.person("john");
  f.person("eve");
  f.connect("john");
  f.connect("eve", "google", "eve");
  f.place("A-1", "john", "Clean");
  f.record(failure(f.claimOne(), Kind::failed));
  f.place("A-2", "john", "Clean");
  f.record(failure(f.claimOne(), Kind::retry, kNow + kHour));
  f.place("A-3", "eve", "Clean");
  f.record(failure(f.claimOne(), Kind::failed));
  CHECK(f.store->retryDeliveries("john", kNow) == 2);
  CHECK(f.claim().tasks.size() == 2);
  CHECK(f.store->retryDeliveries("", kNow) == 1);
}

TEST_CASE("A re-check makes open deliveries due, also delivered ones, and leaves a back-off alone") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Delivered");
  f.deliverOne();
  f.place("A-2", "john", "Over", kNow - 48 * kHour, true, kNow - 24 * kHour);
  f.deliverOne();
  f.place("A-3", "john", "Waiting");
  f.record(failure(f.claimOne(), Kind::retry, kNow + kHour));
  f.place("A-4", "john", "Failed");
  f.record(failure(f.claimOne(), Kind::failed));
  f.place("A-5", "john", "Cancelled");
  f.deliverOne();
  f.unplace("A-5", "john");
  f.deliverOne();
  CHECK(f.store->resyncPerson("john", kNow + 1) == 3);
  std::vector<std::string> titles;
  for (const auto& task : f.claim(kNow + 1).tasks)
    titles.push_back(task.entry.title);
  std::sort(titles.begin(), titles.end());
  CHECK(titles == std::vector<std::string>{"Delivered", "Failed"});
  CHECK(f.store->resyncPerson("nobody", kNow) == 0);
}

TEST_CASE("The backlog counts what is due, blocked and failed") {
  EVERY_STORE;
  f.person("john");
  f.person("eve");
  f.connect("john");
  const auto eve = f.connect("eve", "google", "eve");
  f.place("A-1", "john", "Failed");
  f.record(failure(f.claimOne(), Kind::failed));
  f.place("A-2", "john", "Due", kNow - 5);
  f.place("A-3", "john", "Due", kNow - 3);
  f.place("A-4", "eve", "Blocked");
  f.store->needReconnection(eve.id, eve.credentialsVersion, "revoked", kNow);
  const auto backlog = f.store->backlog(kNow);
  CHECK(backlog.due == 2);
  CHECK(backlog.oldestDue == kNow - 5);
  CHECK(backlog.blocked == 1);
  CHECK(backlog.failed == 1);
}

TEST_CASE("Deliveries can be listed by state") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Failed");
  f.record(failure(f.claimOne(), Kind::failed));
  f.place("A-2", "john", "Later", kNow + 10);
  f.place("A-3", "john", "Sooner", kNow + 5);
  const auto pending = f.store->deliveries("pending", 10);
  REQUIRE(pending.size() == 2);
  CHECK(pending[0].appointmentId == "A-3");
  CHECK(pending[0].personId == "john");
  CHECK(pending[0].provider == "google");
  CHECK(pending[0].dueAt == kNow + 5);
  CHECK(f.store->deliveries("failed", 10).size() == 1);
  CHECK(f.store->deliveries("", 10).size() == 3);
  CHECK(f.store->deliveries("", 2).size() == 2);
}

TEST_CASE("The pieces of a feed come ordered by start, cancelled ones for a while") {
  EVERY_STORE;
  f.person("ann");
  const auto feed = f.connect("ann", "ics", "");
  CHECK(feed.accountId == "feed");
  const auto push = [&](const std::string& text, TimeMs at) {
    auto outcome = success(f.claimOne(at), at);
    outcome.rendering = text;
    f.record(outcome);
  };
  f.place("A-1", "ann", "Second", kNow, true, kNow + 48 * kHour);
  push("second", kNow);
  f.place("A-2", "ann", "First", kNow, true, kNow + 24 * kHour);
  push("first", kNow);
  const auto revision = f.store->connection(feed.id)->feedRevision;
  CHECK(revision > feed.feedRevision);
  const auto texts = [&](TimeMs endedSince, TimeMs cancelledSince) {
    std::vector<std::string> found;
    for (const auto& piece : f.store->feedPieces(feed.id, endedSince, cancelledSince)) {
      CHECK(piece.timezone == "Europe/London");
      found.push_back(piece.rendering);
    }
    return found;
  };
  CHECK(texts(kNow, kNow) == std::vector<std::string>{"first", "second"});
  CHECK(texts(kNow + 30 * kHour, kNow) == std::vector<std::string>{"second"});
  f.unplace("A-2", "ann");
  push("first, cancelled", kNow + 10);
  CHECK(f.store->connection(feed.id)->feedRevision > revision);
  CHECK(texts(kNow, kNow).size() == 2);
  CHECK(texts(kNow, kNow).front() == "first, cancelled");
  CHECK(texts(kNow, kNow + 10) == std::vector<std::string>{"second"});
}

TEST_CASE("A commit that makes deliveries due signals it") {
  EVERY_STORE;
  std::atomic<int> signals{0};
  f.store->onCommit({[&] { ++signals; }});
  f.person("john");
  f.connect("john");
  CHECK(signals == 0);
  f.place("A-1", "john", "Clean");
  CHECK(signals > 0);
  f.store->onCommit({});
}

TEST_CASE("Outcomes of an erased person are ignored") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  f.place("A-1", "john", "Clean");
  const auto task = f.claimOne();
  CHECK(f.store->erasePerson("john"));
  f.record(success(task));
  CHECK(f.store->deliveries("", 10).empty());
  CHECK(f.claim(kNow + kHour).tasks.empty());
}
