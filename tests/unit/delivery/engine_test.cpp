#include "fixture.hpp"

#include <set>

namespace calbridge::delivery {
namespace {

using connections::Entries;
using Reply = Outcome<PushReply>;

/// An engine over the real store and scripted providers; john and sarah are in the directory.
struct Delivering : connections::Fixture {
  ObservedStore observed{*store};
  SteadyRandom steady;
  DeliveryOptions options;
  std::mutex mutex;
  std::vector<PushRequest> pushed; ///< in order of arrival, guarded by mutex
  Signal pushes;
  std::unique_ptr<DeliveryEngine> engine;

  Delivering() {
    options.retry.jitter = 0;
    options.leaseMs = 24 * 365 * kHour; // time is moved by hours here; leases have a test of their own
    google.info_.mailboxConcurrency = 4;
    for (auto* provider : {&google, &outlook, &ics})
      script(*provider, [](const PushRequest&, const CallContext&) {
        return Reply(PushReply{"event", "etag", "", ""});
      });
  }
  ~Delivering() { engine.reset(); }

  /// What the provider answers; every push is noted first.
  void script(ScriptedProvider& provider, std::function<Reply(const PushRequest&, const CallContext&)> answer) {
    provider.onPush = [this, answer = std::move(answer)](const PushRequest& request, const CallContext& context) {
      {
        const std::lock_guard lock(mutex);
        pushed.push_back(request);
      }
      pushes.raise();
      return answer(request, context);
    };
  }
  void start() {
    engine = std::make_unique<DeliveryEngine>(observed, providers, node, clock, steady, log, options);
    engine->start();
  }
  PushRequest push(std::size_t index) {
    const std::lock_guard lock(mutex);
    return pushed.at(index);
  }

  store::PlacementRecord place(const std::string& appointmentId, const Person& person,
                               const std::string& title = "Clean", bool present = true, TimeMs startsIn = 24 * kHour) {
    const std::vector<std::string> ids{appointmentId};
    auto state = store->appointmentStates(ids).at(0);
    store::PlacementRecord placement;
    for (const auto& known : state.placements)
      if (known.personId == person.id)
        placement = known;
    placement.appointmentId = appointmentId;
    placement.personId = person.id;
    placement.present = present;
    placement.route = "route";
    placement.decidedAt = clock.now();
    ++placement.revision;
    placement.entry.title = title;
    const TimeMs start = clock.now() + startsIn;
    placement.entry.time = {false, utcToLocal(start, "UTC"), utcToLocal(start + kHour, "UTC"),
                            "UTC", start / 1000 * 1000,      start / 1000 * 1000 + kHour};
    placement.contentHash = contentHash(placement.entry);
    state.appointment.endUtc = placement.entry.time.endUtc;
    state.appointment.snapshot = nlohmann::json{{"id", appointmentId}}.dump();
    store::RoutingWrite write;
    write.appointments.push_back(state.appointment);
    write.placements.push_back(placement);
    REQUIRE(store->applyRouting(write, clock.now()));
    return store->placement("appointment", appointmentId, person.id).value();
  }
  store::DeliveryRecord delivery(const store::PlacementRecord& placement) {
    const auto found = store->deliveriesOfPlacement(placement.id);
    REQUIRE(found.size() == 1);
    return found.front();
  }
  /// Until the dispatcher has looked for work twice, the second time wholly after this call began.
  void look() {
    for (int i = 0; i < 2; ++i) {
      const auto before = observed.claims.count();
      engine->wake();
      REQUIRE(observed.claims.reaches(before + 1));
    }
  }
  /// Until every push that was claimed has ended.
  bool idle(const std::string& provider) {
    look();
    return eventually([&] { return engine->lanes().at(provider).pool->inFlight() == 0; });
  }
  bool recorded(std::size_t outcomes) { return observed.recorded.reaches(outcomes); }
  void later(TimeMs ms) {
    clock.advance(ms);
    engine->wake();
  }
};

Reply failing(Status status, std::optional<std::chrono::milliseconds> retryAfter = {}, std::string code = {}) {
  return Failure{status, "said the provider", std::move(code), retryAfter};
}

} // namespace

TEST_CASE("Every status of a provider leads to the state and time that STATES.md names") {
  struct Row {
    Status status;
    std::string state;
    TimeMs dueIn; ///< from the failure; pending only
  };
  const Row row = GENERATE(Row{Status::invalidRequest, "failed", 0}, Row{Status::permanent, "failed", 0},
                           Row{Status::unsupported, "failed", 0}, Row{Status::transient, "pending", kSecond},
                           Row{Status::deadline, "pending", kSecond}, Row{Status::conflict, "pending", kSecond},
                           Row{Status::internal, "pending", kSecond}, Row{Status::cancelled, "pending", kSecond},
                           Row{Status::rateLimited, "pending", kSecond}, Row{Status::notFound, "pending", kMinute});
  INFO("status " << toString(row.status));
  Delivering f;
  f.connect(f.google, f.john);
  f.script(f.google, [&](const auto&, const auto&) { return failing(row.status); });
  const auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  const auto delivery = f.delivery(placement);
  CHECK(delivery.state == row.state);
  CHECK(delivery.dueAt == (row.state == "pending" ? f.clock.now() + row.dueIn : 0));
  CHECK(delivery.attempts == 1);
  CHECK(delivery.errorCode == toString(row.status));
  CHECK(delivery.errorMessage == "said the provider");
  f.look();
  CHECK(f.pushes.count() == 1); // not before its time
}

TEST_CASE("A confirmed push is delivered, and a confirmed removal removed") {
  Delivering f;
  f.connect(f.google, f.john);
  auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  CHECK(f.delivery(placement).state == "delivered");
  CHECK(f.delivery(placement).providerEventId == "event");
  CHECK(f.push(0).operation == PushRequest::Operation::upsert);
  CHECK(f.push(0).accessToken == ScriptedProvider::token("first"));
  f.place("A-1", f.john, "Clean", false);
  REQUIRE(f.recorded(2));
  CHECK(f.delivery(placement).state == "removed");
  CHECK(f.push(1).operation == PushRequest::Operation::remove);
  CHECK(f.push(1).providerEventId == "event");
  CHECK(f.push(1).etag == "etag");
  CHECK(f.engine->lanes().at("google").counters.delivered == 1);
  CHECK(f.engine->lanes().at("google").counters.removed == 1);
}

TEST_CASE("Who says that it will look after its work claims on its own thread what that has made due") {
  Delivering f;
  f.connect(f.google, f.john);
  std::mutex mutex;
  std::set<std::thread::id> claimers;
  f.observed.changeClaim = [&](const auto& claim) {
    const std::lock_guard lock(mutex);
    if (!claim.tasks.empty())
      claimers.insert(std::this_thread::get_id());
  };
  f.start();
  std::size_t placed = 0;
  // While the dispatcher is looking, it is the dispatcher who finds it: tried until it is not.
  CHECK(eventually([&] {
    f.engine->lookAfter([&] { f.place("A-" + std::to_string(++placed), f.john); });
    const std::lock_guard lock(mutex);
    return claimers.contains(std::this_thread::get_id());
  }));
  CHECK(f.pushes.reaches(placed));
  CHECK(f.recorded(placed));
  CHECK(f.pushes.count() == placed);
}

TEST_CASE("What is due is delivered when the work after which somebody wanted to look has failed") {
  Delivering f;
  f.connect(f.google, f.john);
  f.start();
  f.look();
  CHECK_THROWS_WITH(f.engine->lookAfter([&] {
    f.place("A-1", f.john);
    throw std::runtime_error("after it was stored");
  }),
                    "after it was stored");
  CHECK(f.pushes.reaches(1));
}

TEST_CASE("Work before the start and after the end of an engine is only done") {
  Delivering f;
  f.connect(f.google, f.john);
  f.engine = std::make_unique<DeliveryEngine>(f.observed, f.providers, f.node, f.clock, f.steady, f.log, f.options);
  f.engine->lookAfter([&] { f.place("A-1", f.john); });
  CHECK(f.observed.claims.count() == 0);
  f.engine->start();
  CHECK(f.pushes.reaches(1));
  f.engine->stop();
  const auto before = f.observed.claims.count();
  f.engine->lookAfter([&] { f.place("A-2", f.john); });
  CHECK(f.observed.claims.count() == before);
  CHECK(f.pushes.count() == 1);
}

TEST_CASE("The pauses double from try to try until the provider is back") {
  Delivering f;
  f.connect(f.google, f.john);
  f.script(f.google, [&](const auto&, const auto&) { return failing(Status::transient); });
  const auto placement = f.place("A-1", f.john);
  f.start();
  TimeMs pause = kSecond;
  for (std::size_t n = 1; n <= 14; ++n) {
    REQUIRE(f.recorded(n));
    INFO("try " << n);
    CHECK(f.delivery(placement).dueAt == f.clock.now() + pause);
    CHECK(f.delivery(placement).attempts == static_cast<int>(n));
    f.later(pause - 1);
    f.look();
    CHECK(f.pushes.count() == n);
    f.later(1);
    pause = std::min(pause * 2, kHour);
  }
  REQUIRE(f.recorded(15));
}

TEST_CASE("Retry-After is kept, and a rate limit rests the whole connection") {
  Delivering f;
  f.google.info_.mailboxConcurrency = 1;
  const auto connection = f.connect(f.google, f.john);
  const auto other = f.connect(f.google, f.sarah);
  std::atomic<bool> limited{true};
  f.script(f.google, [&](const auto&, const auto&) {
    return limited.exchange(false) ? failing(Status::rateLimited, std::chrono::minutes(2))
                                   : Reply(PushReply{"e", "", "", ""});
  });
  const auto first = f.place("A-1", f.john), second = f.place("A-2", f.john);
  const auto start = f.clock.now();
  f.start();
  REQUIRE(f.recorded(1));
  CHECK(f.record(connection).pausedUntil >= start + 2 * kMinute);
  CHECK(f.delivery(first).dueAt >= start + 2 * kMinute);
  f.later(2 * kMinute - 1);
  f.look();
  CHECK(f.pushes.count() == 1); // neither of the two
  const auto third = f.place("A-3", f.sarah);
  REQUIRE(f.recorded(2)); // another mailbox was not told to wait
  CHECK(f.delivery(third).state == "delivered");
  CHECK(f.record(other).pausedUntil == 0);
  f.later(10 * kSecond);
  REQUIRE(f.recorded(4));
  CHECK(f.delivery(first).state == "delivered");
  CHECK(f.delivery(second).state == "delivered");
}

TEST_CASE("A delivery that is rate-limited for ever is given up once its appointment is over") {
  Delivering f;
  f.connect(f.google, f.john);
  f.script(f.google, [&](const auto&, const auto&) { return failing(Status::rateLimited); });
  const auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  f.later(25 * kHour + kMinute); // over, but not given up before its time
  REQUIRE(f.recorded(2));
  CHECK(f.delivery(placement).state == "pending");
  f.later(4 * kHour);
  REQUIRE(f.recorded(3));
  CHECK(f.delivery(placement).state == "failed");
  f.later(48 * kHour);
  f.look();
  CHECK(f.pushes.count() == 3);
}

TEST_CASE("A failing delivery is not given up while its appointment is still to come") {
  Delivering f;
  f.connect(f.google, f.john);
  f.script(f.google, [&](const auto&, const auto&) { return failing(Status::transient); });
  const auto placement = f.place("A-1", f.john, "Clean", true, 30 * 24 * kHour);
  f.start();
  REQUIRE(f.recorded(1));
  f.later(29 * kHour);
  REQUIRE(f.recorded(2));
  CHECK(f.delivery(placement).state == "pending");
}

TEST_CASE("A refused token is refreshed once for all deliveries, and each push repeated with the new one") {
  Delivering f;
  f.google.info_.mailboxConcurrency = 8;
  f.connect(f.google, f.john);
  f.script(f.google, [&](const PushRequest& request, const auto&) {
    return request.accessToken == ScriptedProvider::token("first") ? failing(Status::reauthRequired, {}, "authError")
                                                                   : Reply(PushReply{"e", "", "", ""});
  });
  for (int i = 0; i < 20; ++i)
    f.place("A-" + std::to_string(i), f.john);
  f.start();
  REQUIRE(f.recorded(20));
  CHECK(f.google.refreshes == 1);
  CHECK(f.store->deliveries("delivered", 100).size() == 20);
}

TEST_CASE("A dead grant stops the attempts, keeps the work, and reconnecting delivers it") {
  Delivering f;
  f.google.info_.mailboxConcurrency = 1;
  const auto connection = f.connect(f.google, f.john);
  std::atomic<bool> dead{true};
  f.script(f.google, [&](const auto&, const auto&) {
    return dead ? failing(Status::reauthRequired, {}, "authError") : Reply(PushReply{"e", "", "", ""});
  });
  f.google.onRefresh = [](const std::string&) {
    return Outcome<Grant>(Failure{Status::reauthRequired, "withdrawn", "invalid_grant", {}});
  };
  const auto first = f.place("A-1", f.john), second = f.place("A-2", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  CHECK(f.record(connection).state == "needs_reconnection");
  CHECK(f.delivery(first).state == "blocked");
  CHECK(f.delivery(second).state == "blocked");
  const auto third = f.place("A-3", f.john);
  CHECK(f.delivery(third).state == "blocked");
  f.later(48 * kHour);
  f.look();
  CHECK(f.pushes.count() == 1);
  CHECK(f.google.refreshes == 1);

  dead = false;
  f.connect(f.google, f.john);
  REQUIRE(f.recorded(4));
  CHECK(f.delivery(first).state == "delivered");
  CHECK(f.delivery(second).state == "delivered");
  CHECK(f.delivery(third).state == "delivered");
}

TEST_CASE("A provider that refuses fresh tokens, too, ends as a connection that needs reconnection") {
  Delivering f;
  const auto connection = f.connect(f.google, f.john);
  f.script(f.google, [&](const auto&, const auto&) { return failing(Status::reauthRequired); });
  const auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  CHECK(f.record(connection).state == "connected"); // those tokens may have ended too soon
  CHECK(f.pushes.count() == 2);
  f.later(kSecond);
  REQUIRE(f.recorded(2));
  CHECK(f.record(connection).state == "needs_reconnection");
  CHECK(f.delivery(placement).state == "blocked");
  CHECK(f.pushes.count() == 4);
  CHECK(f.google.refreshes == 3);
}

TEST_CASE("No more pushes go to one mailbox at a time than the provider allows") {
  Delivering f;
  f.google.info_.mailboxConcurrency = 3;
  f.connect(f.google, f.john);
  Gate gate;
  Crowd crowd;
  f.script(f.google, [&](const auto&, const auto&) {
    crowd.enter();
    gate.pass();
    crowd.leave();
    return Reply(PushReply{"e", "", "", ""});
  });
  for (int i = 0; i < 20; ++i)
    f.place("A-" + std::to_string(i), f.john);
  f.start();
  REQUIRE(gate.entered.reaches(3));
  f.look();
  CHECK(gate.entered.count() == 3);
  gate.open();
  REQUIRE(f.recorded(20));
  CHECK(crowd.most() == 3);
}

TEST_CASE("A provider that hangs does not hold up another") {
  Delivering f;
  f.outlook.info_.mailboxConcurrency = 64;
  f.connect(f.outlook, f.sarah);
  f.connect(f.google, f.john);
  Gate gate;
  f.script(f.outlook, [&](const auto&, const auto&) {
    gate.pass();
    return Reply(PushReply{"e", "", "", ""});
  });
  for (int i = 0; i < 60; ++i)
    f.place("S-" + std::to_string(i), f.sarah);
  f.start();
  REQUIRE(gate.entered.reaches(2));
  for (int i = 0; i < 30; ++i)
    f.place("J-" + std::to_string(i), f.john);
  REQUIRE(f.recorded(30)); // all of them google's: the others hang
  CHECK(f.engine->lanes().at("google").counters.delivered == 30);
  CHECK(f.engine->lanes().at("outlook").counters.delivered == 0);
  gate.open();
  REQUIRE(f.recorded(90));
}

TEST_CASE("What was claimed but not begun when the engine stops is delivered by the next one, untouched by it") {
  Delivering f;
  f.options.maxInFlight = 1;
  f.connect(f.google, f.john);
  Gate gate;
  f.script(f.google, [&](const auto&, const auto&) {
    gate.pass();
    return Reply(PushReply{"e", "", "", ""});
  });
  for (int i = 0; i < 4; ++i)
    f.place("A-" + std::to_string(i), f.john);
  f.start();
  REQUIRE(gate.entered.reaches(1));
  REQUIRE(f.observed.claimed.reaches(4));
  std::thread stopper([&] { f.engine->stop(); });
  // Opened only once the pool is closed, so that nothing else is begun.
  REQUIRE(eventually([&] {
    return f.engine->lanes().at("google").pool->room() == 0 && f.engine->lanes().at("google").pool->inFlight() == 1;
  }));
  gate.open();
  stopper.join();
  CHECK(f.pushes.count() == 1);
  CHECK(f.store->deliveries("delivered", 10).size() == 1);
  for (const auto& left : f.store->deliveries("pending", 10))
    CHECK(left.attempts == 0);
  f.start();
  REQUIRE(f.recorded(4));
  CHECK(f.store->deliveries("delivered", 10).size() == 4);
  CHECK(f.pushes.count() == 4);
}

TEST_CASE("A push that stopping cuts off counts as nobody's failure and is due at once") {
  Delivering f;
  f.connect(f.google, f.john);
  std::atomic<bool> hang{true};
  f.script(f.google, [&](const auto&, const CallContext& context) {
    while (hang && !*context.cancelled)
      std::this_thread::yield();
    return hang ? failing(Status::cancelled) : Reply(PushReply{"e", "", "", ""});
  });
  const auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.pushes.reaches(1));
  f.engine->stop();
  CHECK(f.delivery(placement).state == "pending");
  CHECK(f.delivery(placement).attempts == 0);
  CHECK(f.delivery(placement).dueAt <= f.clock.now());
  hang = false;
  f.start();
  REQUIRE(f.recorded(1));
  CHECK(f.delivery(placement).state == "delivered");
}

TEST_CASE("Disconnecting with removal ends when the entries are gone") {
  Delivering f;
  const auto connection = f.connect(f.google, f.john);
  f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  const auto result = f.node.disconnection().disconnect("john", "google", Entries::remove);
  CHECK(result.removing == 1);
  REQUIRE(eventually([&] { return f.record(connection).state == "disconnected"; }));
  CHECK(f.push(1).operation == PushRequest::Operation::remove);
  CHECK(f.record(connection).sealed.empty());
  CHECK(f.google.revokes == 1);
}

TEST_CASE("A closing connection ends at its deadline and destroys its tokens although the provider is down") {
  Delivering f;
  const auto connection = f.connect(f.google, f.john);
  f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  f.script(f.google, [&](const auto&, const auto&) { return failing(Status::transient); });
  f.google.onRevoke = [](const Credentials&) { return std::optional(Failure{Status::transient, "down", "", {}}); };
  f.node.disconnection().disconnect("john", "google", Entries::remove);
  REQUIRE(f.recorded(2));
  CHECK(f.record(connection).state == "closing");
  f.later(connections::Disconnection::kClosingTime + kSecond);
  REQUIRE(eventually([&] { return f.record(connection).state == "disconnected"; }));
  CHECK(f.record(connection).sealed.empty());
  const auto before = f.pushes.count();
  f.later(48 * kHour);
  f.look();
  CHECK(f.pushes.count() == before);
}

TEST_CASE("Edits while a provider is down do not ask it more often, and all of them are one push in the end") {
  Delivering f;
  f.connect(f.google, f.john);
  std::atomic<bool> down{true};
  f.script(f.google, [&](const auto&, const auto&) {
    return down ? failing(Status::transient) : Reply(PushReply{"e", "", "", ""});
  });
  auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  const auto due = f.delivery(placement).dueAt;
  for (int i = 1; i <= 100; ++i)
    placement = f.place("A-1", f.john, "Edit " + std::to_string(i));
  CHECK(f.delivery(placement).dueAt == due);
  CHECK(f.delivery(placement).attempts == 1);
  f.look();
  CHECK(f.pushes.count() == 1);
  down = false;
  f.later(kSecond);
  REQUIRE(f.recorded(2));
  f.look();
  CHECK(f.pushes.count() == 2);
  CHECK(f.push(1).entry.title == "Edit 100");
  CHECK(f.delivery(placement).state == "delivered");
  CHECK(f.delivery(placement).appliedRevision == placement.revision);
}

TEST_CASE("A change during a push is followed by one more push with what is wanted then") {
  Delivering f;
  f.connect(f.google, f.john);
  Gate gate;
  f.script(f.google, [&](const auto&, const auto&) {
    gate.pass();
    return Reply(PushReply{"e", "", "", ""});
  });
  auto placement = f.place("A-1", f.john, "First");
  f.start();
  REQUIRE(gate.entered.reaches(1));
  for (int i = 0; i < 10; ++i)
    placement = f.place("A-1", f.john, "Later " + std::to_string(i));
  gate.open();
  REQUIRE(f.recorded(2));
  f.look();
  CHECK(f.pushes.count() == 2);
  CHECK(f.push(1).entry.title == "Later 9");
  CHECK(f.push(1).sequence > f.push(0).sequence);
  CHECK(f.delivery(placement).state == "delivered");
}

TEST_CASE("Names stay equal over retries; after a confirmed removal the creation is a new one") {
  Delivering f;
  f.connect(f.google, f.john);
  std::atomic<int> failures{2};
  f.script(f.google, [&](const auto&, const auto&) {
    return failures-- > 0 ? failing(Status::transient) : Reply(PushReply{"e", "", "", ""});
  });
  f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  f.later(kSecond);
  REQUIRE(f.recorded(2));
  f.later(2 * kSecond);
  REQUIRE(f.recorded(3));
  for (const std::size_t i : {1u, 2u}) {
    CHECK(f.push(i).uid == f.push(0).uid);
    CHECK(f.push(i).idempotencyKey == f.push(0).idempotencyKey);
    CHECK(f.push(i).attempt == static_cast<int>(i) + 1);
  }
  f.place("A-1", f.john, "Clean", false);
  REQUIRE(f.recorded(4));
  CHECK(f.push(3).uid == f.push(0).uid);
  f.place("A-1", f.john, "Clean", true);
  REQUIRE(f.recorded(5));
  CHECK(f.push(4).uid == f.push(0).uid);
  CHECK(f.push(4).idempotencyKey != f.push(0).idempotencyKey);
  CHECK(f.push(4).providerEventId.empty());
}

TEST_CASE("A removal after a write that was given up is believed when that could not be carried out any more") {
  Delivering f;
  f.connect(f.google, f.john);
  std::atomic<int> slow{1};
  f.script(f.google, [&](const auto&, const auto&) {
    return slow-- > 0 ? failing(Status::deadline) : Reply(PushReply{"e", "", "", ""});
  });
  const auto entry = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  f.place("A-1", f.john, "Clean", false);
  f.later(kSecond);
  REQUIRE(f.recorded(2));
  CHECK(f.push(1).operation == PushRequest::Operation::remove);
  CHECK(f.delivery(entry).state == "pending");
  CHECK(f.delivery(entry).errorCode == "removal_unconfirmed");
  const TimeMs again = f.delivery(entry).dueAt - f.clock.now();
  CHECK(again >= f.options.pushTimeout.count() - kSecond);
  f.later(again);
  REQUIRE(f.recorded(3));
  CHECK(f.push(2).operation == PushRequest::Operation::remove);
  CHECK(f.delivery(entry).state == "removed");
}

TEST_CASE("A removal is believed at once when the write was confirmed in the end, or refused") {
  for (const Status status : {Status::deadline, Status::transient}) {
    Delivering f;
    f.connect(f.google, f.john);
    std::atomic<int> failures{1};
    f.script(f.google, [&](const auto&, const auto&) {
      return failures-- > 0 ? failing(status) : Reply(PushReply{"e", "", "", ""});
    });
    const auto entry = f.place("A-1", f.john);
    f.start();
    REQUIRE(f.recorded(1));
    if (status == Status::deadline) {
      f.later(kSecond);
      REQUIRE(f.recorded(2));
      CHECK(f.delivery(entry).state == "delivered");
    }
    f.place("A-1", f.john, "Clean", false);
    f.later(kSecond);
    REQUIRE(f.recorded(status == Status::deadline ? 3 : 2));
    CHECK(f.delivery(entry).state == "removed");
  }
}

TEST_CASE("New content after a write that was given up is written again when that could not be carried out any more") {
  Delivering f;
  f.connect(f.google, f.john);
  std::atomic<int> slow{1};
  f.script(f.google, [&](const auto&, const auto&) {
    return slow-- > 0 ? failing(Status::deadline) : Reply(PushReply{"e", "tag", "", ""});
  });
  const auto entry = f.place("A-1", f.john, "First");
  f.start();
  REQUIRE(f.recorded(1));
  f.place("A-1", f.john, "Second");
  f.later(kSecond);
  REQUIRE(f.recorded(2));
  CHECK(f.delivery(entry).state == "pending");
  CHECK(f.delivery(entry).errorCode == "write_unconfirmed");
  CHECK(f.delivery(entry).providerEventId == "e");
  const TimeMs again = f.delivery(entry).dueAt - f.clock.now();
  CHECK(again >= f.options.pushTimeout.count() - kSecond);
  f.later(again);
  REQUIRE(f.recorded(3));
  CHECK(f.push(2).entry.title == "Second");
  CHECK(f.push(2).providerEventId == "e");
  CHECK(f.delivery(entry).state == "delivered");
}

TEST_CASE("What was taken over from another host is written again when that one's request cannot act any more") {
  Delivering f;
  f.connect(f.google, f.john);
  std::atomic<int> takenOver{1};
  f.observed.changeClaim = [&](auto& claim) {
    for (auto& task : claim.tasks)
      task.takenOver = takenOver-- > 0;
  };
  const auto entry = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  CHECK(f.delivery(entry).state == "pending");
  CHECK(f.delivery(entry).errorCode == "write_unconfirmed");
  f.later(f.options.pushTimeout.count());
  REQUIRE(f.recorded(2));
  CHECK(f.delivery(entry).state == "delivered");
  CHECK(f.pushes.count() == 2);
}

TEST_CASE("Two attempts at one entry, the older one ending last: what is wanted is said once more after both") {
  Delivering f;
  f.options.leaseMs = kMinute;
  f.connect(f.google, f.john);
  Gate gate;
  f.script(f.google, [&](const PushRequest& request, const auto&) {
    if (request.entry.title == "First")
      gate.pass();
    return Reply(PushReply{"e", "", "", ""});
  });
  const auto entry = f.place("A-1", f.john, "First");
  f.start();
  REQUIRE(gate.entered.reaches(1));
  const bool removal = GENERATE(false, true);
  f.place("A-1", f.john, "Second", !removal);
  f.later(kMinute); // its lease has run out
  REQUIRE(f.recorded(1));
  CHECK(f.delivery(entry).state == (removal ? "removed" : "delivered"));
  gate.open();
  REQUIRE(f.recorded(2));
  CHECK(f.delivery(entry).state == "pending");
  f.later(f.options.pushTimeout.count());
  REQUIRE(f.recorded(3));
  CHECK(f.delivery(entry).state == (removal ? "removed" : "delivered"));
  CHECK(f.push(2).operation == (removal ? PushRequest::Operation::remove : PushRequest::Operation::upsert));
  CHECK(f.push(2).entry.title == f.push(1).entry.title);
  CHECK(f.push(2).providerEventId == "e");
  if (removal)
    CHECK(f.push(2).idempotencyKey == f.push(0).idempotencyKey);
}

TEST_CASE("After a 429 nothing more of that mailbox is begun, although it is claimed already") {
  Delivering f;
  f.google.info_.mailboxConcurrency = 4;
  f.options.maxInFlight = 1; // the others wait for its thread
  f.connect(f.google, f.john);
  f.connect(f.google, f.sarah);
  std::atomic<int> refusals{1};
  f.script(f.google, [&](const PushRequest& request, const auto&) {
    if (request.entry.title == "John's" && refusals-- > 0)
      return failing(Status::rateLimited, std::chrono::milliseconds(5 * kSecond));
    return Reply(PushReply{"e", "", "", ""});
  });
  for (int i = 0; i < 4; ++i)
    f.place("A-" + std::to_string(i), f.john, "John's");
  f.place("B-1", f.sarah, "Sarah's");
  f.start();
  REQUIRE(f.recorded(2)); // the refusal, and Sarah's
  REQUIRE(f.idle("google"));
  CHECK(f.pushes.count() == 2);
  f.later(5 * kSecond);
  REQUIRE(f.recorded(6));
  CHECK(f.store->deliveries("delivered", 100).size() == 5);
}

TEST_CASE("When the clock is set back by an hour, what waits for its next attempt waits no longer for that") {
  Delivering f;
  f.connect(f.google, f.john);
  std::atomic<int> failures{1};
  f.script(f.google, [&](const auto&, const auto&) {
    return failures-- > 0 ? failing(Status::rateLimited, std::chrono::milliseconds(3 * kSecond))
                          : Reply(PushReply{"e", "", "", ""});
  });
  const auto entry = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  f.look();
  f.clock.setBack(kHour);
  f.look();
  CHECK(f.delivery(entry).dueAt == f.clock.now() + 3 * kSecond);
  f.later(3 * kSecond - 1);
  f.look();
  CHECK(f.pushes.count() == 1);
  f.later(1);
  REQUIRE(f.recorded(2));
  CHECK(f.delivery(entry).state == "delivered");
}

TEST_CASE("Outcomes that cannot be stored for a while hold back no later delivery and repeat no push") {
  Delivering f;
  f.google.info_.mailboxConcurrency = 1;
  f.connect(f.google, f.john);
  std::atomic<int> failures{1};
  f.observed.beforeRecord = [&](auto) {
    if (failures-- > 0)
      throw Error("store_unavailable", "the disk is full");
  };
  f.place("A-1", f.john);
  f.place("A-2", f.john);
  f.start();
  REQUIRE(f.recorded(2));
  CHECK(f.pushes.count() == 2);
  CHECK(f.store->deliveries("delivered", 10).size() == 2);
}

TEST_CASE("A candidate that goes away while it is being claimed takes no room in its mailbox with it") {
  Delivering f;
  f.google.info_.mailboxConcurrency = 1;
  f.connect(f.google, f.john);
  std::atomic<bool> first{true};
  f.observed.changeClaim = [&](store::Store::Claim& claim) {
    if (claim.tasks.empty() || !first.exchange(false))
      return;
    f.store->releaseClaims(claim.tasks);
    claim.tasks.clear();
  };
  const auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.observed.claims.reaches(1));
  f.look();
  REQUIRE(f.recorded(1));
  CHECK(f.delivery(placement).state == "delivered");
}

TEST_CASE("A provider that throws costs its own delivery one try and nothing else") {
  Delivering f;
  f.connect(f.google, f.john);
  std::atomic<bool> first{true};
  f.script(f.google, [&](const auto&, const auto&) -> Reply {
    if (first.exchange(false))
      throw std::runtime_error("a defect");
    return PushReply{"e", "", "", ""};
  });
  const auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  CHECK(f.delivery(placement).state == "pending");
  CHECK(f.delivery(placement).errorCode == "internal");
  f.later(kSecond);
  REQUIRE(f.recorded(2));
  CHECK(f.delivery(placement).state == "delivered");
}

TEST_CASE(
    "A provider that is down keeps its people's deliveries untouched and is asked one at a time until it is back") {
  Delivering f;
  std::vector<store::PlacementRecord> placements;
  for (int i = 0; i < 60; ++i) {
    Person person = f.john;
    person.id = "person-" + std::to_string(i);
    person.email = person.id + "@example.com";
    f.store->putPerson(person, {});
    f.google.account = {"account-" + person.id, person.email};
    f.connect(f.google, person);
    placements.push_back(f.place("A-1", person));
  }
  std::atomic<bool> up{false};
  f.script(f.google, [&](const auto&, const auto&) {
    return up ? Reply(PushReply{"event", "etag", "", ""}) : failing(Status::transient);
  });
  f.start();
  // Those under way when it was noticed have failed; the others wait without an attempt.
  REQUIRE(f.idle("google"));
  const auto tried = f.pushes.count();
  CHECK(tried >= 10);
  CHECK(tried < 60);
  REQUIRE(f.recorded(tried));
  f.look();
  CHECK(f.pushes.count() == tried);
  const auto untouched = [&] {
    return std::count_if(placements.begin(), placements.end(),
                         [&](const auto& placement) { return f.delivery(placement).attempts == 0; });
  };
  CHECK(untouched() == static_cast<std::ptrdiff_t>(60 - tried));
  CHECK(f.engine->lanes().at("google").circuitOpen);

  f.later(kSecond); // the probe
  REQUIRE(f.recorded(tried + 1));
  f.look();
  CHECK(f.pushes.count() == tried + 1);

  up = true;
  f.later(2 * kSecond);
  REQUIRE(f.recorded(60 + tried + 1)); // every one that failed has come once more
  CHECK_FALSE(f.engine->lanes().at("google").circuitOpen);
  for (const auto& placement : placements)
    CHECK(f.delivery(placement).state == "delivered");
  CHECK(f.log.text().find("a provider answers again") != std::string::npos);
}

TEST_CASE("A quota is kept, and what it holds back goes as soon as it allows") {
  Delivering f;
  f.google.info_.mailboxConcurrency = 64;
  f.options.limits["google"] = {.perMinute = 0, .perAccountPerMinute = 100}; // ten at once
  f.connect(f.google, f.john);
  for (int i = 0; i < 25; ++i)
    f.place("A-" + std::to_string(i), f.john);
  f.start();
  REQUIRE(f.recorded(10));
  f.look();
  CHECK(f.pushes.count() == 10);
  CHECK(f.engine->lanes().at("google").quotaWaits > 0);
  f.later(4 * kSecond); // 90 a minute come back: six
  REQUIRE(f.recorded(16));
  f.look();
  CHECK(f.pushes.count() == 16);
  f.later(kMinute);
  REQUIRE(f.recorded(25));
}

TEST_CASE("A quota counts requests, not pushes, and is shared with the other hosts") {
  Delivering f;
  f.google.info_.mailboxConcurrency = 64;
  f.options.limits["google"] = {.perMinute = 300, .perAccountPerMinute = 0};
  f.observed.alive = {
      {"here", "", true}, {"there", "", false}, {"elsewhere", "", false}}; // a hundred each, ten at once
  f.script(f.google, [](const auto&, const CallContext& context) {
    *context.requests += 6;
    return Reply(PushReply{"event", "etag", "", ""});
  });
  f.connect(f.google, f.john);
  for (int i = 0; i < 25; ++i)
    f.place("A-" + std::to_string(i), f.john);
  f.start();
  REQUIRE(f.recorded(10));
  f.look();
  CHECK(f.pushes.count() == 10);
  f.later(30 * kSecond); // 45 come back, and 50 are owed
  f.look();
  CHECK(f.pushes.count() == 10);
  f.later(8 * kSecond);
  REQUIRE(f.recorded(11));
}

TEST_CASE("A feed needs no token, and its entries bear the name of their download") {
  Delivering f;
  const auto feed = f.node.feeds().connect(f.john, std::nullopt, "ics");
  f.script(f.ics, [&](const auto&, const auto&) { return Reply(PushReply{"uid", "", "", "BEGIN:VEVENT"}); });
  const auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(1));
  CHECK(f.push(0).accessToken.empty());
  CHECK(f.push(0).uid == f.engine->identity().uid(placement.personId, placement.appointmentId, ""));
  const auto connection = f.store->connectionsOf("john").at(0).id;
  const auto pieces = f.store->feedPieces(connection, 0, 0);
  REQUIRE(pieces.size() == 1);
  CHECK(pieces[0].rendering == "BEGIN:VEVENT");
}

TEST_CASE("A person with two calendars gets the entry in both, each under its own name") {
  Delivering f;
  f.connect(f.google, f.john);
  f.connect(f.outlook, f.john);
  const auto placement = f.place("A-1", f.john);
  f.start();
  REQUIRE(f.recorded(2));
  CHECK(f.store->deliveriesOfPlacement(placement.id).size() == 2);
  CHECK(f.store->deliveries("delivered", 10).size() == 2);
  CHECK(f.push(0).uid != f.push(1).uid);
}

} // namespace calbridge::delivery
