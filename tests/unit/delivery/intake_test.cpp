#include "fixture.hpp"

#include "delivery/intake.hpp"
#include "unit/routing/booking.hpp"

namespace calbridge::delivery {
namespace {

using nlohmann::json;

std::shared_ptr<const routing::RoutingPolicy> shippedPolicy() {
  return std::make_shared<const routing::RoutingPolicy>(booking::shippedPolicies().roles,
                                                        booking::shippedPolicies().routing);
}

json eventOf(const std::string& id, const std::string& type, const json& patch = json::object(),
             const std::string& appointment = "A-1001") {
  json snapshot = booking::sampleAppointment();
  snapshot.erase("version");
  snapshot["id"] = appointment;
  snapshot["start"] = "2031-12-01T09:00:00";
  snapshot["end"] = "2031-12-01T11:00:00";
  if (patch.is_object())
    snapshot.merge_patch(patch);
  return {{"specversion", "1.0"},
          {"id", id},
          {"source", "app"},
          {"type", type},
          {"data", {{"appointment", std::move(snapshot)}}}};
}

json staffed(const std::string& id) {
  return {{"staff", json::array({{{"id", id}, {"name", "Name of " + id}}})}};
}

/// A store with the people of the routing tests, and an intake over it that can end and come back.
struct Desk {
  TemporaryFolder folder;
  TestClock clock;
  RecordingLogger log;
  std::unique_ptr<store::Store> store = open();
  std::unique_ptr<ObservedStore> observed = std::make_unique<ObservedStore>(*store);
  std::unique_ptr<DirectoryCache> directory = std::make_unique<DirectoryCache>(*observed);
  std::shared_ptr<const routing::RoutingPolicy> policy = shippedPolicy();
  std::unique_ptr<Intake> intake;

  Desk() {
    for (const auto& person : booking::people())
      store->putPerson(person, std::nullopt);
    remake();
  }
  std::unique_ptr<store::Store> open() const {
    return store::openStore("sqlite:" + (folder.path / "test.db").string());
  }
  void remake(Reevaluation::Brake brake = {}) {
    intake.reset();
    intake = std::make_unique<Intake>(*observed, *directory, policy, clock, log, brake);
  }
  /// As after the end of the process.
  void restart() {
    intake.reset();
    directory.reset();
    observed.reset();
    store.reset();
    store = open();
    observed = std::make_unique<ObservedStore>(*store);
    directory = std::make_unique<DirectoryCache>(*observed);
    remake();
  }

  std::int64_t accept(const json& event) { return intake->accept({event}, false).at(0).seq; }
  bool routed(const std::string& id) {
    return eventually([&] {
      const auto event = store->event("app", id);
      return event && event->routed;
    });
  }
  std::optional<store::PlacementRecord> placement(const std::string& person,
                                                  const std::string& appointment = "A-1001") {
    return store->placement("appointment", appointment, person);
  }
  bool has(const std::string& person, const std::string& appointment = "A-1001") {
    const auto found = placement(person, appointment);
    return found && found->present;
  }
  bool settled() {
    return eventually([&] { return !intake->reevaluation().running; });
  }
};

std::string pointerOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code() + " " + error.pointer();
  }
  return "nothing";
}

} // namespace

TEST_CASE("An accepted event is in the journal and survives the end of the process unrouted") {
  Desk desk;
  const auto answer = desk.intake->accept({eventOf("e1", "order.confirmed")}, false);
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].id == "e1");
  CHECK(answer[0].source == "app");
  CHECK_FALSE(answer[0].duplicate);
  desk.restart();
  const auto waiting = desk.store->unroutedEvents(0, 10);
  REQUIRE(waiting.size() == 1);
  CHECK(waiting[0].id == "e1");
  CHECK(waiting[0].seq == answer[0].seq);
  CHECK_FALSE(desk.has("john"));

  desk.intake->start(); // a new run routes what the earlier one left
  CHECK(desk.routed("e1"));
  CHECK(desk.has("john"));
  CHECK(desk.placement("john")->revision == 1);
  CHECK(desk.store->unroutedEvents(0, 10).empty());
}

/// Which threads stored what routing led to.
struct Routers {
  explicit Routers(Desk& desk) {
    desk.observed->beforeRouting = [this](const auto&) {
      const std::lock_guard lock(mutex);
      threads.push_back(std::this_thread::get_id());
      if (failures-- > 0)
        throw Error("store_unavailable", "the disk is full");
    };
  }
  bool haveThisThread() {
    const std::lock_guard lock(mutex);
    return std::count(threads.begin(), threads.end(), std::this_thread::get_id()) > 0;
  }

  std::mutex mutex;
  std::vector<std::thread::id> threads;
  std::atomic<int> failures{0};
};

TEST_CASE("Who has promised to route an event does so on its own thread when it calls what it got") {
  Desk desk;
  Routers routers(desk);
  desk.intake->start();
  int events = 0;
  // While the routing thread still looks for what an earlier run left, it is that one: tried until it is not.
  CHECK(eventually([&] {
    desk.clock.advance(kSecond);
    const auto route = desk.intake->promiseToRoute();
    const std::string id = std::to_string(++events);
    desk.accept(eventOf("e" + id, "order.confirmed", {}, "A-" + id));
    route();
    route(); // once is all that counts
    return routers.haveThisThread();
  }));
  for (int i = 1; i <= events; ++i)
    CHECK(desk.routed("e" + std::to_string(i)));
  CHECK(desk.intake->counters().routed == events);
}

TEST_CASE("A promise that nobody keeps leaves its event to the routing thread") {
  Desk desk;
  Routers routers(desk);
  desk.intake->start();
  {
    const auto route = desk.intake->promiseToRoute();
    desk.accept(eventOf("e1", "order.confirmed"));
  }
  CHECK(desk.routed("e1"));
  CHECK_FALSE(routers.haveThisThread());
}

TEST_CASE("Where event follows event the routing thread takes them") {
  Desk desk;
  Routers routers(desk);
  desk.intake->start();
  for (int i = 1; i <= 3; ++i) { // at one time
    const auto route = desk.intake->promiseToRoute();
    const std::string id = std::to_string(i);
    desk.accept(eventOf("e" + id, "order.confirmed", {}, "A-" + id));
    if (i > 1)
      route();
  }
  for (const auto* id : {"e1", "e2", "e3"})
    CHECK(desk.routed(id));
  CHECK_FALSE(routers.haveThisThread());
}

TEST_CASE("An event whose routing failed on the thread of its acceptance is routed by the routing thread") {
  Desk desk;
  Routers routers(desk);
  desk.intake->start();
  int events = 0;
  CHECK(eventually([&] {
    desk.clock.advance(kSecond);
    routers.failures = 1;
    const auto route = desk.intake->promiseToRoute();
    const std::string id = std::to_string(++events);
    desk.accept(eventOf("e" + id, "order.confirmed", {}, "A-" + id));
    CHECK_NOTHROW(route());
    CHECK(desk.routed("e" + id));
    return routers.haveThisThread();
  }));
  for (int i = 1; i <= events; ++i)
    CHECK(desk.routed("e" + std::to_string(i)));
  CHECK(desk.log.text().find("the disk is full") != std::string::npos);
}

TEST_CASE("A promise that is called after the end routes nothing, and before the start neither") {
  Desk desk;
  auto route = desk.intake->promiseToRoute();
  desk.accept(eventOf("e1", "order.confirmed"));
  route();
  CHECK(desk.store->unroutedEvents(0, 10).size() == 1);
  desk.intake->start();
  CHECK(desk.routed("e1"));
  desk.intake->stop();
  desk.clock.advance(kSecond);
  route = desk.intake->promiseToRoute();
  desk.accept(eventOf("e2", "order.confirmed", {}, "A-2"));
  route();
  CHECK(desk.store->unroutedEvents(0, 10).size() == 1);
}

TEST_CASE("The same event again is a duplicate and changes nothing") {
  Desk desk;
  desk.intake->start();
  const auto first = desk.accept(eventOf("e1", "order.confirmed"));
  REQUIRE(desk.routed("e1"));
  const auto again = desk.intake->accept({eventOf("e1", "order.confirmed")}, false).at(0);
  CHECK(again.duplicate);
  CHECK(again.seq == first);
  desk.accept(eventOf("e2", "order.confirmed", {}, "A-2"));
  REQUIRE(desk.routed("e2"));
  CHECK(desk.placement("john")->revision == 1);
  CHECK(desk.intake->counters().accepted == 2);
  CHECK(desk.intake->counters().duplicates == 1);
  desk.intake->stop(); // it counts after the commit that the test has seen
  CHECK(desk.intake->counters().routed == 2);
}

TEST_CASE("The same id with another content is refused and stores nothing") {
  Desk desk;
  desk.accept(eventOf("e1", "order.confirmed"));
  const auto changed = eventOf("e1", "order.confirmed", {{"end", "2031-12-01T12:00:00"}});
  CHECK(pointerOf([&] { desk.accept(changed); }) == "event_conflict /id");
  CHECK(pointerOf([&] {
          desk.intake->accept({eventOf("e2", "order.confirmed"), changed}, true);
        }) == "event_conflict /1/id");
  CHECK_FALSE(desk.store->event("app", "e2"));
  CHECK(desk.store->unroutedEvents(0, 10).size() == 1);
}

TEST_CASE("A batch with one bad event stores none and names the bad one") {
  Desk desk;
  auto bad = eventOf("e2", "order.confirmed");
  bad["data"]["appointment"].erase("start");
  CHECK(pointerOf([&] {
          desk.intake->accept({eventOf("e1", "order.confirmed"), bad, eventOf("e3", "order.confirmed")}, true);
        }) == "invalid_event /1/data/appointment/start");
  CHECK(desk.store->unroutedEvents(0, 10).empty());
  CHECK(desk.intake->counters().accepted == 0);
}

TEST_CASE("An event given twice in one batch is stored once") {
  Desk desk;
  const auto event = eventOf("e1", "order.confirmed");
  const auto answer = desk.intake->accept({event, event}, true);
  REQUIRE(answer.size() == 2);
  CHECK_FALSE(answer[0].duplicate);
  CHECK(answer[1].duplicate);
  CHECK(answer[0].seq == answer[1].seq);
  CHECK(desk.store->unroutedEvents(0, 10).size() == 1);
}

TEST_CASE("More events than fit in memory are routed from the journal, none lost and none twice") {
  Desk desk;
  constexpr int kEvents = 3000;
  std::vector<json> batch;
  for (int i = 0; i < kEvents; ++i) {
    batch.push_back(eventOf("e" + std::to_string(i), "order.confirmed", {}, "A-" + std::to_string(i)));
    if (batch.size() == 1000) {
      desk.intake->accept(batch, true);
      batch.clear();
    }
  }
  desk.intake->start();
  REQUIRE(desk.routed("e2999"));
  desk.accept(eventOf("last", "order.confirmed", {}, "A-last")); // comes after all that the queue still held
  REQUIRE(desk.routed("last"));
  CHECK(desk.store->unroutedEvents(0, 10).empty());
  desk.intake->stop(); // it counts after the commit that the test has seen
  CHECK(desk.intake->counters().routed == kEvents + 1);
  const auto placed = desk.store->placementsOf("john", 0, 10000);
  CHECK(placed.size() == kEvents + 1);
  CHECK(std::all_of(placed.begin(), placed.end(), [](const auto& p) { return p.revision == 1; }));
}

TEST_CASE("An event that was routed from the journal while its acceptance returned keeps its first result") {
  Desk desk;
  std::atomic<bool> first{true};
  desk.observed->afterAccept = [&] {
    if (!first.exchange(false))
      return;
    desk.intake->start(); // reads the journal before accept() has queued the event
    REQUIRE(desk.routed("e1"));
  };
  desk.accept(eventOf("e1", "order.confirmed"));
  desk.accept(eventOf("e2", "order.confirmed", {}, "A-2"));
  REQUIRE(desk.routed("e2"));
  const auto event = desk.store->event("app", "e1");
  REQUIRE(event->result.size() == 1);
  CHECK(event->result[0].at("stale") == false);
  REQUIRE(event->result[0].at("decisions").size() >= 1);
  CHECK(event->result[0].at("decisions")[0].at("action") == "add");
  CHECK(desk.placement("john")->revision == 1);
}

TEST_CASE("An event that cannot be routed is set aside and holds up nobody") {
  Desk desk;
  std::vector<json> batch;
  for (int i = 0; i < 10; ++i)
    batch.push_back(eventOf("e" + std::to_string(i), "order.confirmed", {}, "A-" + std::to_string(i)));
  const auto accepted = desk.intake->accept(batch, true);
  desk.observed->beforeRouting = [poison = accepted[4].seq](const store::RoutingWrite& write) {
    for (const auto& event : write.events)
      if (event.seq == poison && !event.result.starts_with("[{\"error\""))
        throw Error("constraint", "this row cannot be", "of the test");
  };
  desk.intake->start();
  for (int i = 0; i < 10; ++i)
    REQUIRE(desk.routed("e" + std::to_string(i)));
  for (int i = 0; i < 10; ++i)
    CHECK(desk.has("john", "A-" + std::to_string(i)) == (i != 4));
  CHECK(desk.store->event("app", "e4")->result[0].at("error") == "this row cannot be of the test");
  CHECK(desk.log.text().find("event=e4") != std::string::npos);
}

TEST_CASE("A journal row that is not understood any more is set aside and holds up nobody") {
  Desk desk;
  const store::NewEvent broken[] = {{"app", "old", "order.confirmed", 1, "hash", "{\"specversion\":\"0.3\"}"},
                                    {"app", "older", "order.confirmed", 1, "hash", "{no json"}};
  desk.store->acceptEvents(broken, desk.clock.now());
  desk.accept(eventOf("e1", "order.confirmed"));
  desk.restart();
  desk.intake->start();
  REQUIRE(desk.routed("e1"));
  CHECK(desk.has("john"));
  CHECK(desk.routed("old"));
  CHECK(desk.store->event("app", "older")->result[0].contains("error"));
}

TEST_CASE("Routing goes on when the database comes back") {
  Desk desk;
  std::atomic<int> failures{1};
  desk.observed->beforeRouting = [&](const store::RoutingWrite&) {
    if (failures-- > 0)
      throw Error("store_unavailable", "the disk is full");
  };
  desk.accept(eventOf("e1", "order.confirmed"));
  desk.intake->start();
  CHECK(desk.routed("e1"));
  CHECK(desk.has("john"));
  desk.intake->stop();
  CHECK(desk.intake->counters().failures >= 1);
}

TEST_CASE("An event that was stored although its acceptance failed is routed all the same") {
  Desk desk;
  std::atomic<bool> first{true};
  desk.observed->afterAccept = [&] { // the answer to the commit got lost
    if (first.exchange(false))
      throw Error("store_unavailable", "the connection broke");
  };
  desk.intake->start();
  const auto event = eventOf("e-1", "order.confirmed");
  CHECK_THROWS_AS(desk.accept(event), Error);
  CHECK(desk.routed("e-1"));
  CHECK(desk.intake->accept({event}, false).at(0).duplicate);
}

TEST_CASE("Somebody who waits for an event is told when it is routed, or that it was not in time") {
  Desk desk;
  const auto seq = desk.accept(eventOf("e1", "order.confirmed"));
  CHECK_FALSE(desk.intake->waitRouted(seq, std::chrono::milliseconds(1)));
  Gate gate;
  desk.observed->beforeRouting = [&](const store::RoutingWrite&) { gate.pass(); };
  desk.intake->start();
  REQUIRE(gate.entered.reaches(1));
  std::thread opener([&] { gate.open(); });
  // Either it is told, or the event had been routed before it began to wait.
  const bool told = desk.intake->waitRouted(seq, std::chrono::milliseconds(2000));
  opener.join();
  CHECK(desk.routed("e1"));
  CHECK((told || desk.store->event("app", "e1")->routed));
}

TEST_CASE("Waiting ends when the intake stops") {
  Desk desk;
  desk.intake->start();
  std::thread stopper([&] { desk.intake->stop(); });
  CHECK_FALSE(desk.intake->waitRouted(999'999, kPatience));
  stopper.join();
}

TEST_CASE("An assignment that goes to somebody else and back ends where it began") {
  Desk desk;
  desk.intake->start();
  int n = 0;
  for (const auto* who : {"sarah", "tom", "sarah"}) {
    const auto id = "e" + std::to_string(++n);
    desk.accept(eventOf(id, "appointment.assigned", staffed(who)));
    REQUIRE(desk.routed(id));
    CHECK(desk.has("sarah") == (who == std::string("sarah")));
    CHECK(desk.has("tom") == (who == std::string("tom")));
    CHECK(desk.has("mike") == (who == std::string("sarah"))); // manager of sarah's team
    CHECK(desk.has("sue") == (who == std::string("tom")));
  }
  CHECK(desk.placement("sarah")->revision == 3);
}

TEST_CASE("An assignment that goes and comes back within one batch ends where it began, in one change") {
  Desk desk;
  desk.intake->accept({eventOf("e1", "appointment.assigned", staffed("sarah")),
                       eventOf("e2", "appointment.assigned", staffed("tom")),
                       eventOf("e3", "appointment.assigned", staffed("sarah"))},
                      true);
  desk.intake->start();
  REQUIRE(desk.routed("e3"));
  CHECK(desk.has("sarah"));
  CHECK_FALSE(desk.has("tom"));
  CHECK(desk.placement("sarah")->revision == 1);
}

TEST_CASE("A new policy decides again about every open appointment") {
  Desk desk;
  desk.intake->start();
  std::vector<json> batch;
  for (int i = 0; i < 150; ++i)
    batch.push_back(eventOf("e" + std::to_string(i), "order.confirmed", {}, "A-" + std::to_string(i)));
  desk.intake->accept(batch, true);
  REQUIRE(desk.routed("e149"));
  auto roles = booking::shippedPolicies().roles;
  for (auto& role : roles.roles)
    if (role.name == "customer")
      role.title = "New: {{service.name}}";
  const auto renewed = std::make_shared<const routing::RoutingPolicy>(roles, booking::shippedPolicies().routing);
  desk.intake->setPolicy(renewed);
  REQUIRE(desk.settled());
  CHECK(desk.intake->policy() == renewed);
  CHECK(desk.intake->reevaluation().done == 150);
  for (const int i : {0, 63, 64, 149}) {
    const auto placement = desk.placement("john", "A-" + std::to_string(i));
    INFO("appointment " << i);
    REQUIRE(placement);
    CHECK(placement->entry.title == "New: Deep clean");
    CHECK(placement->revision == 2);
  }
  desk.intake->reevaluateAll(); // nothing has changed: nothing is raised
  REQUIRE(desk.settled());
  CHECK(desk.placement("john", "A-64")->revision == 2);
}

TEST_CASE("A policy that changed while the host was down is noticed at the start") {
  Desk desk;
  desk.intake->start();
  desk.accept(eventOf("e1", "order.confirmed"));
  REQUIRE(desk.routed("e1"));
  REQUIRE(desk.settled());
  auto roles = booking::shippedPolicies().roles;
  std::erase_if(roles.roles, [](const auto& role) { return role.name == "customer"; });
  auto routing = booking::shippedPolicies().routing;
  desk.policy = std::make_shared<const routing::RoutingPolicy>(roles, routing);
  desk.restart();
  desk.intake->start();
  REQUIRE(desk.settled());
  CHECK(eventually([&] { return !desk.has("john"); })); // no such role any more: no entry
}

TEST_CASE("A policy that would empty calendars has to be confirmed; what it adds is added at once") {
  constexpr int kAppointments = 40;
  Desk desk;
  desk.remake({.share = 0.3, .atLeast = 30});
  desk.intake->start();
  for (int i = 0; i < kAppointments; ++i)
    desk.accept(
        eventOf("evt-" + std::to_string(i), "appointment.assigned", staffed("sarah"), "A-" + std::to_string(i)));
  for (int i = 0; i < kAppointments; ++i)
    REQUIRE(desk.routed("evt-" + std::to_string(i)));
  REQUIRE(desk.settled());
  REQUIRE(desk.has("sarah", "A-0"));
  REQUIRE_FALSE(desk.has("john", "A-0"));

  // Staff fall out of the routes by mistake; customers are let in with the same change.
  auto policies = booking::shippedPolicies();
  auto& routes = policies.routing.routes;
  for (auto& route : routes)
    if (route.name == "assigned-staff")
      route.audience = {.kind = AudienceConfig::Kind::people, .path = "customer.id", .role = {}};
  desk.intake->setPolicy(std::make_shared<const routing::RoutingPolicy>(policies.roles, policies.routing));
  REQUIRE(desk.settled());
  CHECK(desk.intake->heldRemovals().removals == kAppointments);
  for (int i = 0; i < kAppointments; ++i) {
    CHECK(desk.has("sarah", "A-" + std::to_string(i)));
    CHECK(desk.has("john", "A-" + std::to_string(i)));
  }
  CHECK(desk.log.text().find("--confirm-removals") != std::string::npos);

  SECTION("confirmed, the removals are carried out") {
    CHECK(desk.intake->confirmRemovals().removals == kAppointments);
    REQUIRE(desk.settled());
    for (int i = 0; i < kAppointments; ++i)
      CHECK_FALSE(desk.has("sarah", "A-" + std::to_string(i)));
    CHECK(desk.intake->heldRemovals().removals == 0);
    CHECK(desk.intake->confirmRemovals().removals == 0);
  }
  SECTION("with the mistake undone, nothing is held any more and nothing is lost") {
    desk.intake->setPolicy(shippedPolicy());
    REQUIRE(desk.settled());
    CHECK(desk.has("sarah", "A-0"));
    CHECK(desk.has("sarah", "A-39"));
  }
  SECTION("a restart does not forget that it has to be confirmed") {
    desk.policy = std::make_shared<const routing::RoutingPolicy>(policies.roles, policies.routing);
    desk.restart();
    desk.remake({.share = 0.3, .atLeast = 30});
    desk.intake->start();
    REQUIRE(desk.settled());
    CHECK(desk.intake->heldRemovals().removals == kAppointments);
    CHECK(desk.has("sarah", "A-0"));
  }
}

TEST_CASE("A change that removes a usual share needs no confirmation") {
  Desk desk;
  desk.remake({.share = 0.3, .atLeast = 30});
  desk.intake->start();
  for (int i = 0; i < 20; ++i)
    desk.accept(
        eventOf("evt-" + std::to_string(i), "appointment.assigned", staffed("sarah"), "A-" + std::to_string(i)));
  REQUIRE(desk.routed("evt-19"));
  REQUIRE(desk.settled());
  auto policies = booking::shippedPolicies();
  std::erase_if(policies.routing.routes, [](const auto& route) { return route.name == "assigned-staff"; });
  desk.intake->setPolicy(std::make_shared<const routing::RoutingPolicy>(policies.roles, policies.routing));
  REQUIRE(desk.settled());
  CHECK_FALSE(desk.has("sarah", "A-0"));
  CHECK(desk.intake->heldRemovals().removals == 0);
}

TEST_CASE("A person who changes teams gains and loses entries when all is decided again") {
  Desk desk;
  desk.intake->start();
  desk.accept(eventOf("e1", "appointment.assigned", staffed("sarah")));
  REQUIRE(desk.routed("e1"));
  REQUIRE(desk.has("mike"));
  REQUIRE_FALSE(desk.has("sue"));
  desk.store->putPerson({"sarah", "Sarah Jones", "sarah@example.com", "staff", "Europe/London", {"south"}},
                        std::nullopt);
  desk.intake->reevaluateAll();
  REQUIRE(desk.settled());
  CHECK_FALSE(desk.has("mike"));
  CHECK(desk.has("sue"));
}

TEST_CASE("An older snapshot that comes late changes nothing, and the receipt's data say so") {
  Desk desk;
  desk.intake->start();
  desk.accept(eventOf("e1", "order.confirmed", {{"version", 5}}));
  desk.accept(eventOf("e2", "order.confirmed", {{"version", 4}, {"end", "2031-12-01T15:00:00"}}));
  REQUIRE(desk.routed("e2"));
  CHECK(desk.store->event("app", "e2")->result[0].at("stale") == true);
  CHECK(desk.placement("john")->entry.time.end == "2031-12-01T11:00:00");
  CHECK(desk.placement("john")->revision == 1);
}

TEST_CASE("People whom the directory does not know get no entry, and the result names them") {
  Desk desk;
  desk.intake->start();
  desk.accept(eventOf("e1", "appointment.assigned", staffed("ghost")));
  REQUIRE(desk.routed("e1"));
  CHECK_FALSE(desk.has("ghost"));
  CHECK(desk.store->event("app", "e1")->result[0].at("unknown")[0].at("person") == "ghost");
}

} // namespace calbridge::delivery
