#include "database.hpp"

#include <thread>

using namespace conformance;
using Result = Acceptance::Result;

TEST_CASE("A person comes back as put, and an absent password keeps the stored one") {
  EVERY_STORE;
  const Person person{"sarah", "Sarah Jones", "Sarah@Example.com", "staff", "Europe/London", {"north", "east"}};
  CHECK(f.store->putPerson(person, "hash"));
  CHECK(f.store->person("sarah") == person);
  Person changed = person;
  changed.teams = {};
  changed.name = "Zo\xc3\xab \xf0\x9f\x98\x80 {\"q\",'X'}\\ NULL";
  CHECK_FALSE(f.store->putPerson(changed, std::nullopt));
  CHECK(f.store->person("sarah") == changed);
  const auto logins = f.store->loginsByEmail("sARAH@example.COM");
  REQUIRE(logins.size() == 1);
  CHECK(logins[0].person == changed);
  CHECK(logins[0].passwordHash == "hash");
  CHECK(f.store->setPassword("sarah", "another"));
  CHECK(f.store->loginsByEmail("sarah@example.com").at(0).passwordHash == "another");
  CHECK_FALSE(f.store->setPassword("nobody", "x"));
  CHECK_FALSE(f.store->person("nobody").has_value());
  CHECK(f.store->loginsByEmail("nobody@example.com").empty());
  CHECK(f.store->people() == std::vector<Person>{changed});
}

TEST_CASE("Bytes that a database cannot keep are replaced, one by one, and nothing is cut off") {
  EVERY_STORE;
  Person person{"sarah", std::string("A\0B\xff\xc3(", 6), "", "staff", "UTC", {}};
  f.store->putPerson(person, std::nullopt);
  const std::string stored = f.store->person("sarah")->name;
  const std::string replacement = "\xef\xbf\xbd";
  CHECK((stored == person.name || stored == "A" + replacement + "B" + replacement + replacement + "("));
}

TEST_CASE("The directory's version grows with every change") {
  EVERY_STORE;
  const auto before = f.store->directoryVersion();
  f.person("john");
  const auto after = f.store->directoryVersion();
  CHECK(after > before);
  f.store->erasePerson("john");
  CHECK(f.store->directoryVersion() > after);
}

TEST_CASE("Erasing a person erases everything of theirs and nothing of others") {
  EVERY_STORE;
  for (const std::string id : {"john", "mary"}) {
    f.person(id);
    const auto connection = f.connect(id, "google", id);
    f.store->setConnectionValue(connection.id, "calendar", "x");
    f.store->addSession({"session of " + id, id, kNow, kNow + kHour});
    f.store->addOAuthState({"state of " + id, "b", id, "google", "v", kNow, kNow + kMinute});
    f.place("A-1", id, "Clean");
  }
  CHECK(f.store->erasePerson("john"));
  CHECK_FALSE(f.store->erasePerson("john"));
  CHECK_FALSE(f.store->person("john").has_value());
  CHECK(f.store->connectionsOf("john").empty());
  CHECK_FALSE(f.store->session("session of john").has_value());
  CHECK_FALSE(f.store->takeOAuthState("state of john").has_value());
  CHECK_FALSE(f.store->placement("appointment", "A-1", "john").has_value());
  CHECK(f.store->session("session of mary").has_value());
  CHECK(f.store->takeOAuthState("state of mary").has_value());
  CHECK(f.claimOne().personId == "mary");
}

TEST_CASE("Routing for a person who was erased meanwhile stores the rest") {
  EVERY_STORE;
  f.person("mary");
  RoutingWrite write;
  AppointmentRecord appointment;
  appointment.id = "A-1";
  write.appointments.push_back(appointment);
  for (const char* id : {"erased", "mary"}) {
    PlacementRecord placement;
    placement.appointmentId = "A-1";
    placement.personId = id;
    placement.revision = 1;
    placement.entry.time.timezone = "UTC";
    write.placements.push_back(placement);
  }
  CHECK(f.store->applyRouting(write, kNow));
  const std::vector<std::string> ids{"A-1"};
  const auto state = f.store->appointmentStates(ids).at(0);
  REQUIRE(state.placements.size() == 1);
  CHECK(state.placements[0].personId == "mary");
}

TEST_CASE("App keys are listed, and revoking takes all live keys of a name") {
  EVERY_STORE;
  const auto first = f.store->addAppKey("booking", "hash-1", kNow);
  const auto second = f.store->addAppKey("booking", "hash-2", kNow + 1);
  CHECK(first != second);
  CHECK(f.store->revokeAppKey("booking", kNow + 2));
  CHECK_FALSE(f.store->revokeAppKey("booking", kNow + 3));
  const auto keys = f.store->appKeys();
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].name == "booking");
  CHECK(keys[0].hash == "hash-1");
  CHECK(keys[0].createdAt == kNow);
  CHECK(keys[0].revokedAt == kNow + 2);
}

TEST_CASE("Sessions can be found and dropped") {
  EVERY_STORE;
  f.person("john");
  f.store->addSession({"hash", "john", kNow, kNow + kHour});
  const auto session = f.store->session("hash");
  REQUIRE(session.has_value());
  CHECK(session->personId == "john");
  CHECK(session->createdAt == kNow);
  CHECK(session->expiresAt == kNow + kHour);
  f.store->dropSession("hash");
  CHECK_FALSE(f.store->session("hash").has_value());
}

TEST_CASE("An event is accepted once; its repetition is a duplicate, another content a conflict") {
  EVERY_STORE;
  const std::vector<NewEvent> one{newEvent("evt-1")};
  const auto accepted = f.store->acceptEvents(one, kNow).at(0);
  CHECK(accepted.result == Result::accepted);
  CHECK(accepted.seq > 0);
  const auto again = f.store->acceptEvents(one, kNow).at(0);
  CHECK(again.result == Result::duplicate);
  CHECK(again.seq == accepted.seq);
  const std::vector<NewEvent> other{newEvent("evt-1", "other hash")};
  const auto conflict = f.store->acceptEvents(other, kNow).at(0);
  CHECK(conflict.result == Result::conflict);
  CHECK(conflict.seq == accepted.seq);
  INFO("the same id from another source is another event");
  const std::vector<NewEvent> elsewhere{newEvent("evt-1", "other hash", "another app")};
  CHECK(f.store->acceptEvents(elsewhere, kNow).at(0).result == Result::accepted);
  CHECK(f.store->unroutedEvents(0, 10).size() == 2);
}

TEST_CASE("A batch of events is stored as a whole or not at all") {
  EVERY_STORE;
  const std::vector<NewEvent> known{newEvent("evt-1")};
  f.store->acceptEvents(known, kNow);
  SECTION("with a conflict against the journal nothing is stored") {
    const std::vector<NewEvent> batch{newEvent("evt-2"), newEvent("evt-1", "other"), newEvent("evt-3")};
    const auto answers = f.store->acceptEvents(batch, kNow);
    REQUIRE(answers.size() == 3);
    CHECK(answers[1].result == Result::conflict);
    CHECK(f.store->unroutedEvents(0, 10).size() == 1);
  }
  SECTION("with a contradiction inside the batch nothing is stored") {
    const std::vector<NewEvent> batch{newEvent("evt-2", "a"), newEvent("evt-2", "b"), newEvent("evt-3")};
    const auto answers = f.store->acceptEvents(batch, kNow);
    CHECK(answers[0].result == Result::conflict);
    CHECK(answers[1].result == Result::conflict);
    CHECK(f.store->unroutedEvents(0, 10).size() == 1);
  }
  SECTION("duplicates are fine, inside the batch too") {
    const std::vector<NewEvent> batch{newEvent("evt-2"), newEvent("evt-1"), newEvent("evt-2")};
    const auto answers = f.store->acceptEvents(batch, kNow);
    CHECK(answers[0].result == Result::accepted);
    CHECK(answers[1].result == Result::duplicate);
    CHECK(answers[2].result == Result::duplicate);
    CHECK(answers[2].seq == answers[0].seq);
    CHECK(f.store->unroutedEvents(0, 10).size() == 2);
  }
  SECTION("an empty batch is nothing") {
    CHECK(f.store->acceptEvents({}, kNow).empty());
  }
}

TEST_CASE("The journal hands out unrouted events in order and remembers what routing decided") {
  EVERY_STORE;
  std::vector<NewEvent> batch;
  for (int i = 0; i < 5; ++i)
    batch.push_back(newEvent("evt-" + std::to_string(i)));
  const auto answers = f.store->acceptEvents(batch, kNow + 7);
  auto events = f.store->unroutedEvents(0, 3);
  REQUIRE(events.size() == 3);
  CHECK(events[0].id == "evt-0");
  CHECK(events[0].source == "app");
  CHECK(events[0].type == "order.confirmed");
  CHECK(events[0].time == kNow);
  CHECK(events[0].receivedAt == kNow + 7);
  CHECK(events[0].body == R"({"id":"evt-0"})");
  CHECK_FALSE(events[0].routed);
  CHECK(events[0].result.is_null());
  CHECK(f.store->unroutedEvents(events[2].seq, 10).size() == 2);
  RoutingWrite write;
  write.events.push_back({answers[0].seq, R"({"routes":["a"]})"});
  write.events.push_back({answers[2].seq, R"({"stale":true})"});
  CHECK(f.store->applyRouting(write, kNow));
  events = f.store->unroutedEvents(0, 10);
  REQUIRE(events.size() == 3);
  CHECK(events[0].id == "evt-1");
  CHECK(events[1].id == "evt-3");
  const auto routed = f.store->event("app", "evt-2").value();
  CHECK(routed.routed);
  CHECK(routed.result == nlohmann::json{{"stale", true}});
  CHECK_FALSE(f.store->event("app", "nothing").has_value());
}

TEST_CASE("Without a source the newest event of an id is found") {
  EVERY_STORE;
  const std::vector<NewEvent> batch{newEvent("evt", "h", "zebra"), newEvent("evt", "h", "antelope")};
  f.store->acceptEvents(batch, kNow);
  CHECK(f.store->event("", "evt")->source == "antelope");
  CHECK(f.store->event("zebra", "evt")->source == "zebra");
}

TEST_CASE("Accepted events are there after the store has been opened again") {
  EVERY_STORE;
  const std::vector<NewEvent> batch{newEvent("evt-1")};
  f.store->acceptEvents(batch, kNow);
  f.reopen();
  CHECK(f.store->unroutedEvents(0, 10).size() == 1);
  CHECK(f.store->acceptEvents(batch, kNow).at(0).result == Result::duplicate);
}

TEST_CASE("Many callers are acknowledged together, each with an answer of its own") {
  EVERY_STORE;
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  std::vector<std::set<std::int64_t>> seqs(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::vector<NewEvent> one{newEvent(std::to_string(t) + "-" + std::to_string(i))};
        seqs[static_cast<std::size_t>(t)].insert(f.store->acceptEvents(one, kNow).at(0).seq);
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  std::set<std::int64_t> all;
  for (const auto& own : seqs)
    all.insert(own.begin(), own.end());
  CHECK(all.size() == kThreads * kEach);
  CHECK(f.store->unroutedEvents(0, 1000).size() == kThreads * kEach);
}

TEST_CASE("An appointment that changed since it was loaded makes the whole routing be done again") {
  EVERY_STORE;
  f.person("john");
  const std::vector<std::string> ids{"A-1", "A-2"};
  auto states = f.store->appointmentStates(ids);
  REQUIRE(states.size() == 2);
  CHECK(states[0].appointment.id == "A-1");
  CHECK(states[0].appointment.rowVersion == 0);
  states[0].appointment.version = 3;
  states[0].appointment.orderTime = kNow;
  states[0].appointment.seq = 4;
  states[0].appointment.endUtc = kNow + kHour;
  states[0].appointment.snapshot = R"({"id":"A-1","title":"café"})";
  states[0].appointment.memory = R"({"left":["x"]})";
  RoutingWrite first;
  first.appointments.push_back(states[0].appointment);
  CHECK(f.store->applyRouting(first, kNow));
  INFO("the same again was loaded before the first was stored");
  RoutingWrite second;
  second.appointments.push_back(states[1].appointment);
  second.appointments.push_back(states[0].appointment);
  CHECK_FALSE(f.store->applyRouting(second, kNow));
  states = f.store->appointmentStates(ids);
  CHECK(states[1].appointment.rowVersion == 0);
  const auto& stored = states[0].appointment;
  CHECK(stored.rowVersion == 1);
  CHECK(stored.version == 3);
  CHECK(stored.orderTime == kNow);
  CHECK(stored.seq == 4);
  CHECK(stored.endUtc == kNow + kHour);
  CHECK(stored.snapshot == first.appointments[0].snapshot);
  CHECK(stored.memory == first.appointments[0].memory);
  second.appointments[1] = stored;
  second.appointments[1].version.reset();
  CHECK(f.store->applyRouting(second, kNow));
  CHECK(f.store->appointmentStates(ids)[0].appointment.rowVersion == 2);
  CHECK_FALSE(f.store->appointmentStates(ids)[0].appointment.version.has_value());
}

TEST_CASE("A placement comes back as stored") {
  EVERY_STORE;
  f.person("john");
  PlacementRecord placement;
  placement.appointmentId = "A-1";
  placement.personId = "john";
  placement.route = "customers";
  placement.revision = 1;
  placement.decidedAt = kNow;
  placement.contentHash = "hash";
  placement.entry = {"Title \"q\"",
                     "Line\nline",
                     "1 High Street",
                     {true, "2027-01-16", "2027-01-17", "UTC", kNow, kNow + kHour},
                     {0, 15, 40320},
                     "free",
                     "private",
                     "tentative",
                     "https://example.com/a?b=c"};
  RoutingWrite write;
  write.placements.push_back(placement);
  CHECK(f.store->applyRouting(write, kNow));
  const auto stored = f.store->placement("appointment", "A-1", "john").value();
  CHECK(stored.id > 0);
  CHECK(stored.kind == "appointment");
  CHECK(stored.present);
  CHECK(stored.route == "customers");
  CHECK(stored.revision == 1);
  CHECK(stored.decidedAt == kNow);
  CHECK(stored.contentHash == "hash");
  CHECK(stored.entry == placement.entry);
}

TEST_CASE("A person's placements come by start, present ones that are not over") {
  EVERY_STORE;
  f.person("john");
  f.place("A-1", "john", "Second", kNow, true, kNow + 3 * kHour);
  f.place("A-2", "john", "First", kNow, true, kNow + 2 * kHour);
  f.place("A-3", "john", "Over", kNow, true, kNow - 3 * kHour);
  f.place("A-4", "john", "Gone");
  f.unplace("A-4", "john");
  const auto found = f.store->placementsOf("john", kNow, 10);
  REQUIRE(found.size() == 2);
  CHECK(found[0].entry.title == "First");
  CHECK(found[1].entry.title == "Second");
  CHECK(f.store->placementsOf("john", kNow, 1).size() == 1);
}

TEST_CASE("A custom entry is stored, changed and delivered like any other") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  PlacementRecord own;
  own.appointmentId = "own-1";
  own.personId = "john";
  own.revision = 1;
  own.entry.title = "Dentist";
  own.entry.time = {false, "2027-01-16T08:00:00", "2027-01-16T09:00:00", "UTC", kNow + kHour, kNow + 2 * kHour};
  auto stored = f.store->putCustomEntry(own, kNow);
  CHECK(stored.id > 0);
  CHECK(stored.kind == "custom");
  CHECK(f.claimOne().entry.title == "Dentist");
  CHECK(f.store->placement("custom", "own-1", "john")->entry.title == "Dentist");
  CHECK_FALSE(f.store->placement("appointment", "own-1", "john").has_value());
  stored.entry.title = "Doctor";
  ++stored.revision;
  CHECK(f.store->putCustomEntry(stored, kNow).id == stored.id);
  CHECK(f.store->placementsOf("john", kNow, 10).at(0).entry.title == "Doctor");
  own.personId = "nobody";
  CHECK_THROWS_AS(f.store->putCustomEntry(own, kNow), Error);
}

TEST_CASE("Open appointments are listed in pages") {
  EVERY_STORE;
  f.person("john");
  for (const char* id : {"A-3", "A-1", "A-2"})
    f.place(id, "john", "Clean");
  f.place("A-0", "john", "Over", kNow, true, kNow - 24 * kHour);
  CHECK(f.store->openAppointments(kNow, "", 2) == std::vector<std::string>{"A-1", "A-2"});
  CHECK(f.store->openAppointments(kNow, "A-2", 2) == std::vector<std::string>{"A-3"});
}

TEST_CASE("Meta values are kept") {
  EVERY_STORE;
  CHECK_FALSE(f.store->meta("key").has_value());
  f.store->setMeta("key", "one");
  f.store->setMeta("key", "two");
  f.reopen();
  CHECK(f.store->meta("key") == "two");
}

TEST_CASE("Pruning deletes what its retention has passed and nothing else") {
  EVERY_STORE;
  f.person("john");
  f.connect("john");
  const std::vector<NewEvent> old{newEvent("old routed"), newEvent("old unrouted")};
  const auto answers = f.store->acceptEvents(old, kNow - 100 * kHour);
  RoutingWrite write;
  write.events.push_back({answers[0].seq, R"({"done":true})"});
  f.store->applyRouting(write, kNow);
  const std::vector<NewEvent> fresh{newEvent("new")};
  f.store->acceptEvents(fresh, kNow);
  f.place("A-old", "john", "Over", kNow, true, kNow - 100 * kHour);
  f.place("A-new", "john", "Open");
  f.store->addSession({"expired", "john", kNow - kHour, kNow});
  f.store->addSession({"live", "john", kNow - kHour, kNow + 1});
  f.store->addOAuthState({"expired", "b", "john", "google", "v", kNow - kHour, kNow});
  CHECK(f.store->prune(kNow - 50 * kHour, kNow - 50 * kHour, kNow) == 5);
  CHECK_FALSE(f.store->event("app", "old routed").has_value());
  CHECK(f.store->event("app", "old unrouted").has_value());
  CHECK(f.store->event("app", "new").has_value());
  CHECK_FALSE(f.store->placement("appointment", "A-old", "john").has_value());
  CHECK(f.store->placement("appointment", "A-new", "john").has_value());
  const std::vector<std::string> ids{"A-old", "A-new"};
  CHECK(f.store->appointmentStates(ids)[0].appointment.rowVersion == 0);
  CHECK(f.store->appointmentStates(ids)[1].appointment.rowVersion > 0);
  CHECK_FALSE(f.store->session("expired").has_value());
  CHECK(f.store->session("live").has_value());
  CHECK_FALSE(f.store->takeOAuthState("expired").has_value());
  CHECK(f.store->prune(kNow - 50 * kHour, kNow - 50 * kHour, kNow) == 0);
}

TEST_CASE("A store that works answers a ping") {
  EVERY_STORE;
  CHECK_NOTHROW(f.store->ping());
  CHECK_NOTHROW(f.store->ping());
}

TEST_CASE("The audit log gives its lines back, newest first, by person, by time and by page") {
  EVERY_STORE;
  for (int i = 0; i < 10; ++i) {
    AuditRecord record;
    record.at = kNow + i * kMinute;
    record.action = i == 4 ? "person.erased" : "connection.created";
    record.actor = i == 4 ? "app:shop" : "person:john";
    record.personId = i % 2 == 0 ? "john" : "sarah";
    record.detail = {{"n", i}};
    f.store->addAudit(record);
  }
  const auto all = f.store->audit({});
  REQUIRE(all.size() == 10);
  CHECK(all.front().detail.at("n") == 9);
  CHECK(all[5].action == "person.erased");
  CHECK(all[5].actor == "app:shop");
  CHECK(all[5].personId == "john");
  CHECK(all[5].at == kNow + 4 * kMinute);
  const auto numbers = [&](const AuditQuery& query) {
    std::vector<int> found;
    for (const auto& record : f.store->audit(query))
      found.push_back(record.detail.at("n"));
    return found;
  };
  CHECK(numbers({"sarah", 0, 0, 100}) == std::vector<int>{9, 7, 5, 3, 1});
  CHECK(numbers({"john", 0, 0, 100}).size() == 10); // whom it is about, or who did it
  CHECK(numbers({"", kNow + 8 * kMinute, 0, 100}) == std::vector<int>{9, 8});
  CHECK(numbers({"", 0, 0, 3}) == std::vector<int>{9, 8, 7});
  CHECK(numbers({"", 0, all[2].seq, 3}) == std::vector<int>{6, 5, 4});
  CHECK(numbers({"nobody", 0, 0, 100}).empty());
}

TEST_CASE("Lines of the audit log outlive the person and go by age alone") {
  EVERY_STORE;
  f.person("john");
  f.store->addAudit({0, kNow, "connection.created", "person:john", "john", nlohmann::json::object()});
  f.store->addAudit({0, kNow + kMinute, "person.erased", "app:shop", "john", nlohmann::json::object()});
  CHECK(f.store->erasePerson("john"));
  CHECK(f.store->audit({"john", 0, 0, 100}).size() == 2);
  f.store->prune(kNow + 10 * kMinute, kNow + 10 * kMinute, kNow + 10 * kMinute);
  CHECK(f.store->audit({}).size() == 2);
  CHECK(f.store->pruneAudit(kNow) == 0);
  CHECK(f.store->pruneAudit(kNow + 1) == 1);
  REQUIRE(f.store->audit({}).size() == 1);
  CHECK(f.store->audit({}).front().action == "person.erased");
  CHECK(f.store->pruneAudit(kNow + 10 * kMinute) == 1);
  CHECK(f.store->audit({}).empty());
}

TEST_CASE("A line of the audit log that looks old stays behind an earlier one that is not: clocks may step back") {
  EVERY_STORE;
  for (const TimeMs at : {kNow, kNow + kHour, kNow + kMinute})
    f.store->addAudit({0, at, "login.failed", "", "john", nlohmann::json::object()});
  CHECK(f.store->pruneAudit(kNow + 2 * kMinute) == 1);
  CHECK(f.store->audit({}).size() == 2);
  CHECK(f.store->pruneAudit(kNow + 2 * kHour) == 2);
}

TEST_CASE("The database itself refuses to change the audit log") {
  EVERY_STORE;
  for (const auto* action : {"connection.created", "person.changed", "person.erased"})
    f.store->addAudit({0, kNow, action, "operator", "john", nlohmann::json::object()});
  const auto before = f.store->audit({});
  REQUIRE(before.size() == 3);
  const auto number = [&](std::size_t at) { return std::to_string(before[at].seq); };
  const std::string columns = "(seq, at, action, actor, person_id, detail)";
  for (const auto& statement :
       {std::string("UPDATE audit SET actor = 'host'"), "UPDATE audit SET at = 0 WHERE seq = " + number(1),
        "DELETE FROM audit WHERE seq = " + number(0), "DELETE FROM audit WHERE seq >= " + number(1),
        "INSERT INTO audit " + columns + " VALUES (" + number(1) + ", 0, 'a', 'b', 'c', '{}')",
        factory.name == "sqlite"
            ? "INSERT OR REPLACE INTO audit " + columns + " VALUES (" + number(1) + ", 0, 'a', 'b', 'c', '{}')"
            : "TRUNCATE audit"}) {
    INFO(statement);
    CHECK_THROWS(f.database->execute(statement));
  }
  const auto after = f.store->audit({});
  REQUIRE(after.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(after[i].action == before[i].action);
    CHECK(after[i].actor == before[i].actor);
  }
  f.store->addAudit({0, kNow, "audit.goes.on", "operator", "", nlohmann::json::object()});
  CHECK(f.store->audit({}).size() == 4);
}
