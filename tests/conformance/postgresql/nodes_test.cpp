#include "fixture.hpp"

#include <set>

using namespace on_postgresql;

namespace {

/// As if the node had said nothing for its whole lifetime: paused, or cut off.
void declareDead(const std::string& url, const std::string& name) {
  postgresql::Session(url).script(
      "UPDATE nodes SET alive_until = clock_timestamp() - interval '1 second' WHERE name = '" + name + "'");
}

} // namespace

TEST_CASE("Two hosts under one name: the second is refused and told why") {
  const auto url = freshUrl();
  auto first = openNode(url, "one");
  try {
    openNode(url, "one");
    FAIL("the name is taken");
  } catch (const Error& error) {
    CHECK(error.code() == "store_locked");
    CHECK(error.message().find("storage.node") != std::string::npos);
  }
  const auto other = openNode(url, "two");
  CHECK(other->nodes().size() == 2);
  first.reset();
  CHECK(eventually([&] { return other->nodes().size() == 1; }));
  CHECK_NOTHROW(openNode(url, "one"));
}

TEST_CASE("Hosts see each other and the policies that each decides by") {
  const auto url = freshUrl();
  const auto one = openNode(url, "one");
  const auto two = openNode(url, "two");
  one->announcePolicy("old");
  two->announcePolicy("new");
  std::vector<NodeRecord> seen;
  CHECK(eventually([&] {
    seen = one->nodes();
    return seen.size() == 2 && !seen[0].policy.empty() && !seen[1].policy.empty();
  }));
  CHECK(seen.at(0).name == "one");
  CHECK(seen.at(0).own);
  CHECK(seen.at(0).policy == "old");
  CHECK(seen.at(1).policy == "new");
  CHECK_FALSE(seen.at(1).own);
}

TEST_CASE("A command claims nothing") {
  const auto url = freshUrl();
  const auto store = openStore(url);
  connectPerson(*store, "john");
  place(*store, "A-1", "john");
  CHECK(claim(*store).empty());
  CHECK(claim(*openNode(url, "one")).size() == 1);
}

TEST_CASE("A connection is worked on by one host at a time, and by another when that one is done") {
  const auto url = freshUrl();
  const auto one = openNode(url, "one");
  const auto two = openNode(url, "two");
  connectPerson(*one, "john");
  for (int i = 0; i < 4; ++i)
    place(*one, "A-" + std::to_string(i), "john");
  const auto first = one->claimDeliveries(kNow, 2, 60'000, [](std::int64_t, const std::string&) { return true; }).tasks;
  REQUIRE(first.size() == 2);
  CHECK(eventually([&] {
    // The other host learns within a second that something waits, and yet gets none of it.
    return two->claimDeliveries(kNow, 100, 60'000, [](std::int64_t, const std::string&) { return true; })
        .nextDue.has_value();
  }));
  CHECK(claim(*two).empty());
  for (const auto& task : first) {
    const auto outcome = delivered(task);
    one->recordOutcomes({&outcome, 1});
  }
  std::vector<DeliveryTask> rest;
  CHECK(eventually([&] {
    rest = two->claimDeliveries(kNow + kHour, 100, 60'000, [](std::int64_t, const std::string&) { return true; }).tasks;
    return !rest.empty();
  }));
  CHECK(rest.size() == 2);
}

TEST_CASE("A host that has more mailboxes than it can serve leaves some to another that comes") {
  const auto url = freshUrl();
  const auto one = openNode(url, "one");
  const int mailboxes = 6;
  for (int person = 0; person < mailboxes; ++person)
    connectPerson(*one, "person-" + std::to_string(person));
  int made = 0;
  const auto more = [&] {
    for (int person = 0; person < mailboxes; ++person)
      place(*one, "A-" + std::to_string(made++), "person-" + std::to_string(person));
  };
  const auto oneOfEach = [](Store& store, std::size_t limit) {
    std::set<std::int64_t> chosen;
    return store
        .claimDeliveries(kNow, limit, 60'000,
                         [&](std::int64_t connection, const std::string&) { return chosen.insert(connection).second; })
        .tasks;
  };
  for (int i = 0; i < 3; ++i)
    more();
  std::set<std::int64_t> ofOne;
  std::vector<DeliveryTask> underWay = oneOfEach(*one, mailboxes);
  for (const auto& task : underWay)
    ofOne.insert(task.connectionId);
  REQUIRE(ofOne.size() == mailboxes);

  // The first is never without a claim on any of them, and always leaves something behind.
  const auto two = openNode(url, "two");
  std::set<std::int64_t> ofTwo;
  CHECK(eventually([&] {
    more();
    for (const auto& task : underWay) {
      const auto outcome = delivered(task);
      one->recordOutcomes({&outcome, 1});
    }
    underWay = oneOfEach(*one, mailboxes);
    for (const auto& task : oneOfEach(*two, 2))
      ofTwo.insert(task.connectionId);
    return !ofTwo.empty();
  }));
  for (const auto& task : underWay)
    CHECK_FALSE(ofTwo.contains(task.connectionId));
}

TEST_CASE("Hosts that claim at the same time never get the same delivery or the same mailbox") {
  const auto url = freshUrl();
  std::vector<std::unique_ptr<Store>> nodes;
  for (const char* name : {"one", "two", "three"})
    nodes.push_back(openNode(url, name));
  constexpr int kPeople = 30;
  for (int i = 0; i < kPeople; ++i) {
    const std::string id = "person-" + std::to_string(i);
    connectPerson(*nodes[0], id);
    for (int j = 0; j < 3; ++j)
      place(*nodes[0], id + "-" + std::to_string(j), id);
  }
  std::mutex mutex;
  std::set<std::int64_t> delivered_;
  std::map<std::int64_t, std::pair<std::size_t, int>> holder; // connection → node, claims
  int doubled = 0, shared = 0;
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < nodes.size(); ++n)
    threads.emplace_back([&, n] {
      for (TimeMs now = kNow;; now += 1000) {
        const auto tasks =
            nodes[n]->claimDeliveries(now, 5, 60'000, [](std::int64_t, const std::string&) { return true; }).tasks;
        {
          const std::lock_guard lock(mutex);
          for (const auto& task : tasks) {
            auto& [node, claims] = holder.try_emplace(task.connectionId, n, 0).first->second;
            shared += node != n ? 1 : 0;
            ++claims;
            doubled += delivered_.insert(task.placementId).second ? 0 : 1;
          }
        }
        std::vector<DeliveryOutcome> outcomes;
        for (const auto& task : tasks)
          outcomes.push_back(delivered(task));
        {
          // Before the outcome is told: after it, another host may have the mailbox.
          const std::lock_guard lock(mutex);
          for (const auto& task : tasks)
            if (--holder.at(task.connectionId).second == 0)
              holder.erase(task.connectionId);
        }
        nodes[n]->recordOutcomes(outcomes);
        const std::lock_guard lock(mutex);
        if (delivered_.size() >= kPeople * 3)
          return;
      }
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(delivered_.size() == kPeople * 3);
  CHECK(doubled == 0);
  CHECK(shared == 0);
  for (const auto& node : nodes)
    CHECK(node->refusedOutcomes() == 0);
}

TEST_CASE("A host taken for dead loses its claims; its outcomes are refused and counted, and lead to another look") {
  const auto url = freshUrl();
  const auto paused = openNode(url, "paused");
  const auto other = openNode(url, "other");
  connectPerson(*paused, "john");
  const auto placed = place(*paused, "A-1", "john");
  const auto stale = claim(*paused);
  REQUIRE(stale.size() == 1);
  declareDead(url, "paused");
  std::vector<DeliveryTask> taken;
  CHECK(eventually([&] {
    taken =
        other->claimDeliveries(kNow + kHour, 100, 60'000, [](std::int64_t, const std::string&) { return true; }).tasks;
    return !taken.empty();
  }));
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].fence > stale[0].fence);
  CHECK_FALSE(stale[0].takenOver);
  CHECK(taken[0].takenOver);
  auto outcome = delivered(taken[0]);
  other->recordOutcomes({&outcome, 1});
  CHECK(other->deliveriesOfPlacement(placed.id).at(0).state == "delivered");
  INFO("the paused one ends its attempt: it may have been the last to write");
  outcome = delivered(stale[0]);
  outcome.settledAt = kNow + kHour;
  paused->recordOutcomes({&outcome, 1});
  CHECK(paused->refusedOutcomes() == 1);
  CHECK(other->deliveriesOfPlacement(placed.id).at(0).state == "pending");
  CHECK(other->deliveriesOfPlacement(placed.id).at(0).dueAt == kNow + kHour);
  std::vector<DeliveryTask> again;
  CHECK(eventually([&] {
    again =
        other->claimDeliveries(kNow + kHour, 100, 60'000, [](std::int64_t, const std::string&) { return true; }).tasks;
    return !again.empty();
  }));
  REQUIRE(again.size() == 1);
  CHECK_FALSE(again[0].takenOver);
  outcome = delivered(again[0]);
  other->recordOutcomes({&outcome, 1});
  CHECK(other->deliveriesOfPlacement(placed.id).at(0).state == "delivered");
  CHECK(other->deliveriesOfPlacement(placed.id).at(0).providerEventId == "event");
  INFO("it comes back under another run and works on");
  CHECK(eventually([&] { return paused->claimsHold(); }));
  CHECK(eventually([&] { return other->nodes().size() == 2; }));
  connectPerson(*paused, "mary");
  place(*paused, "A-2", "mary");
  CHECK(eventually([&] { return !claim(*paused).empty(); }));
}

TEST_CASE("Leases run by the server's clock, whatever the hosts think that it is") {
  const auto url = freshUrl();
  const auto store = openNode(url, "one");
  connectPerson(*store, "john");
  place(*store, "A-1", "john");
  REQUIRE(claim(*store, 60'000).size() == 1);
  INFO("a clock that is an hour ahead ends nobody's lease");
  const auto early =
      store->claimDeliveries(kNow + kHour, 100, 60'000, [](std::int64_t, const std::string&) { return true; });
  CHECK(early.tasks.empty());
  postgresql::Session(url).script("UPDATE deliveries SET lease_until = 1");
  CHECK(eventually([&] { return claim(*store).size() == 1; }));
}

TEST_CASE("Events of a host that is gone are handed to another, and only then") {
  const auto url = freshUrl();
  const auto other = openNode(url, "other");
  std::atomic<int> told{0};
  other->onEventsWaiting([&] { ++told; });
  const auto gone = openNode(url, "gone");
  const std::vector<NewEvent> events{newEvent("evt-1")};
  gone->acceptEvents(events, kNow);
  CHECK(gone->unroutedEvents(0, 10).size() == 1);
  CHECK(other->unroutedEvents(0, 10).empty());
  declareDead(url, "gone");
  CHECK(eventually([&] { return told > 0; }));
  other->onEventsWaiting({});
}

TEST_CASE("One event sent to three hosts by many at once is one event") {
  const auto url = freshUrl();
  std::vector<std::unique_ptr<Store>> nodes;
  for (const char* name : {"one", "two", "three"})
    nodes.push_back(openNode(url, name));
  std::atomic<int> accepted{0}, duplicate{0};
  std::set<std::int64_t> seqs;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 64; ++t)
    threads.emplace_back([&, t] {
      const std::vector<NewEvent> one{newEvent("evt-1")};
      const auto answer = nodes[t % 3]->acceptEvents(one, kNow + static_cast<TimeMs>(t)).at(0);
      (answer.result == Acceptance::Result::accepted ? accepted : duplicate)++;
      const std::lock_guard lock(mutex);
      seqs.insert(answer.seq);
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(accepted == 1);
  CHECK(duplicate == 63);
  CHECK(seqs.size() == 1);
}

TEST_CASE("Of several hosts that decide a value at the same time all get the first one's") {
  const auto url = freshUrl();
  std::vector<std::unique_ptr<Store>> nodes;
  for (const char* name : {"one", "two", "three"})
    nodes.push_back(openNode(url, name));
  std::vector<std::string> got(nodes.size());
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < nodes.size(); ++n)
    threads.emplace_back([&, n] { got[n] = nodes[n]->metaOnce("installation", "of " + std::to_string(n)); });
  for (auto& thread : threads)
    thread.join();
  CHECK(got[0] == got[1]);
  CHECK(got[1] == got[2]);
  CHECK(nodes[0]->meta("installation") == got[0]);
}

TEST_CASE("Whoever connects while routing stores a placement gets it, whichever comes first") {
  const auto url = freshUrl();
  const auto one = openNode(url, "one");
  const auto two = openNode(url, "two");
  for (int round = 0; round < 20; ++round) {
    const std::string id = "person-" + std::to_string(round);
    one->putPerson({id, id, id + "@example.com", "customer", "UTC", {}}, std::nullopt);
    std::thread routing([&] { place(*one, "A-" + id, id); });
    const auto connection = connectPerson(*two, id);
    routing.join();
    CHECK(two->counts(connection.id).pending == 1);
  }
}
