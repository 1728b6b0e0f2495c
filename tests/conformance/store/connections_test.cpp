#include "database.hpp"

using namespace conformance;
using Kind = DeliveryOutcome::Kind;

TEST_CASE("A fresh connection is stored with bytes sealed for its own row") {
  EVERY_STORE;
  f.person("john");
  const auto stored = f.connect("john");
  CHECK(stored.id > 0);
  CHECK(stored.state == "connected");
  CHECK(stored.sealed == "sealed for " + std::to_string(stored.id));
  CHECK(stored.credentialsVersion == 1);
  CHECK(stored.account == "account@example.com");
  CHECK(stored.createdAt == kNow);
  CHECK(f.store->connection(stored.id)->sealed == stored.sealed);
  CHECK_FALSE(f.store->connection(stored.id + 1).has_value());
}

TEST_CASE("Sealed bytes come back byte for byte") {
  EVERY_STORE;
  f.person("john");
  std::string bytes;
  for (int i = 0; i < 512; ++i)
    bytes.push_back(static_cast<char>(i));
  ConnectionRecord fresh;
  fresh.personId = "john";
  fresh.provider = "google";
  fresh.accountId = "a";
  const auto stored = f.store->connect(
      fresh, [&](std::int64_t) { return bytes; }, kNow);
  CHECK(f.store->connection(stored.id)->sealed == bytes);
}

TEST_CASE("A sealing that fails stores nothing") {
  EVERY_STORE;
  f.person("john");
  ConnectionRecord fresh;
  fresh.personId = "john";
  fresh.provider = "google";
  fresh.accountId = "a";
  const auto fails = [](std::int64_t) -> std::string { throw Error("vault_closed", "no key"); };
  CHECK_THROWS_AS(f.store->connect(fresh, fails, kNow), Error);
  CHECK(f.store->connectionsOf("john").empty());
  CHECK(f.connect("john").state == "connected");
}

TEST_CASE("A connection for an unknown person is refused") {
  EVERY_STORE;
  CHECK_THROWS_AS(f.connect("nobody"), Error);
  CHECK(f.store->connectionsIn("connected").empty());
}

TEST_CASE("Who connects later gets every placement that is not over") {
  EVERY_STORE;
  f.person("john");
  f.place("A-1", "john", "Open");
  f.place("A-2", "john", "Over", kNow, true, kNow - 24 * kHour);
  f.place("A-3", "john", "Withdrawn");
  f.unplace("A-3", "john");
  f.connect("john");
  const auto claim = f.claim();
  REQUIRE(claim.tasks.size() == 1);
  CHECK(claim.tasks[0].entry.title == "Open");
}

TEST_CASE("The same account re-uses its row and writes nothing twice") {
  EVERY_STORE;
  f.person("john");
  const auto first = f.connect("john");
  f.place("A-1", "john", "Clean");
  f.deliverOne();
  const auto again = f.connect("john");
  CHECK(again.id == first.id);
  CHECK(again.credentialsVersion > first.credentialsVersion);
  CHECK(f.store->connectionsOf("john").size() == 1);
  CHECK(f.claim().tasks.empty());
}

TEST_CASE("A dead grant keeps the work, and a reconnection delivers it") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  const auto placed = f.place("A-1", "john", "Before");
  CHECK(f.store->needReconnection(connection.id, connection.credentialsVersion, "grant revoked", kNow + 1));
  CHECK(f.store->connection(connection.id)->state == "needs_reconnection");
  CHECK(f.store->connection(connection.id)->lastError == "grant revoked");
  CHECK(f.store->connection(connection.id)->lastErrorAt == kNow + 1);
  CHECK(f.delivery(placed).state == "blocked");
  const auto later = f.place("A-2", "john", "Meanwhile");
  CHECK(f.delivery(later).state == "blocked");
  CHECK(f.claim(kNow + 1000 * kHour).tasks.empty());
  CHECK(f.store->counts(connection.id).pending == 2);
  CHECK(f.store->connectionsIn("needs_reconnection").size() == 1);
  const auto again = f.connect("john", "google", "account", kNow + 2);
  CHECK(again.id == connection.id);
  CHECK(again.state == "connected");
  CHECK(again.lastError.empty());
  CHECK(f.claim(kNow + 2).tasks.size() == 2);
}

TEST_CASE("Only the credentials that were refused can make a connection need reconnection") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  REQUIRE(f.store->storeCredentials(connection.id, connection.credentialsVersion, "refreshed"));
  CHECK_FALSE(f.store->needReconnection(connection.id, connection.credentialsVersion, "grant revoked", kNow));
  CHECK(f.store->connection(connection.id)->state == "connected");
  CHECK(f.store->needReconnection(connection.id, connection.credentialsVersion + 1, "grant revoked", kNow));
  INFO("saying it twice is the same as once");
  CHECK(f.store->needReconnection(connection.id, connection.credentialsVersion + 1, "grant revoked", kNow));
  CHECK_FALSE(f.store->needReconnection(connection.id + 99, 1, "grant revoked", kNow));
}

TEST_CASE("A blocked attempt waits for the reconnection, or is tried again with newer credentials") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  const auto placed = f.place("A-1", "john", "Clean");
  const auto task = f.claimOne();
  SECTION("the grant is dead") {
    f.store->needReconnection(connection.id, connection.credentialsVersion, "grant revoked", kNow);
    f.record(failure(task, Kind::blocked));
    CHECK(f.delivery(placed).state == "blocked");
    f.connect("john");
    CHECK(f.claim().tasks.size() == 1);
  }
  SECTION("newer credentials have come") {
    f.record(failure(task, Kind::blocked));
    CHECK(f.delivery(placed).state == "pending");
    CHECK(f.claim(kNow + kMinute).tasks.size() == 1);
  }
}

TEST_CASE("A retry of an attempt whose grant died meanwhile waits") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  const auto placed = f.place("A-1", "john", "Clean");
  const auto task = f.claimOne();
  f.store->needReconnection(connection.id, connection.credentialsVersion, "grant revoked", kNow);
  f.record(failure(task, Kind::retry, kNow + kMinute));
  CHECK(f.delivery(placed).state == "blocked");
  CHECK(f.claim(kNow + kHour).tasks.empty());
}

TEST_CASE("Credentials are replaced only if nobody replaced them before") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  CHECK(f.store->storeCredentials(connection.id, connection.credentialsVersion, "second"));
  CHECK_FALSE(f.store->storeCredentials(connection.id, connection.credentialsVersion, "third"));
  CHECK(f.store->connection(connection.id)->sealed == "second");
  CHECK(f.store->connection(connection.id)->credentialsVersion == connection.credentialsVersion + 1);
}

TEST_CASE("Another account of the same provider replaces the one before, whose entries are removed") {
  EVERY_STORE;
  f.person("john");
  const auto before = f.connect("john", "google", "private");
  f.place("A-1", "john", "Clean");
  f.deliverOne();
  const auto after = f.connect("john", "google", "work");
  CHECK(after.id != before.id);
  CHECK(f.store->connection(before.id)->state == "closing");
  CHECK(f.store->connection(before.id)->closingDeadline == kNow + 120'000);
  const auto tasks = f.claim().tasks;
  REQUIRE(tasks.size() == 2);
  for (const auto& task : tasks)
    CHECK(task.wanted == (task.connectionId == after.id));
  INFO("another provider is not touched");
  f.connect("john", "outlook", "work");
  CHECK(f.store->connection(after.id)->state == "connected");
}

TEST_CASE("Closing with removal takes future entries away, keeps past ones, and then ends") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  const auto future = f.place("A-1", "john", "Future");
  f.deliverOne();
  const auto past = f.place("A-2", "john", "Past", kNow, true, kNow - 24 * kHour);
  f.deliverOne();
  const auto waiting = f.place("A-3", "john", "Never delivered");
  f.store->beginClosing(connection.id, true, kNow, kNow + kMinute);
  CHECK(f.store->connection(connection.id)->state == "closing");
  CHECK(f.store->connection(connection.id)->closingDeadline == kNow + kMinute);
  CHECK(f.store->removalsLeft(connection.id) == 1);
  f.place("A-4", "john", "Too late");
  const auto removal = f.claimOne();
  CHECK_FALSE(removal.wanted);
  CHECK(removal.placementId == future.id);
  CHECK(removal.revision > future.revision);
  f.record(success(removal));
  CHECK(f.store->removalsLeft(connection.id) == 0);
  f.store->endConnection(connection.id);
  const auto ended = f.store->connection(connection.id).value();
  CHECK(ended.state == "disconnected");
  CHECK(ended.sealed.empty());
  CHECK(f.delivery(future).state == "removed");
  CHECK(f.delivery(past).state == "delivered");
  CHECK(f.store->deliveriesOfPlacement(waiting.id).empty());
  CHECK(f.claim(kNow + 1000 * kHour).tasks.empty());
}

TEST_CASE("Closing removes what an attempt under way may be making") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  f.place("A-1", "john", "Under way");
  const auto task = f.claimOne();
  f.store->beginClosing(connection.id, true, kNow, kNow + kMinute);
  f.record(success(task));
  CHECK(f.store->removalsLeft(connection.id) == 1);
  const auto removal = f.claimOne();
  CHECK_FALSE(removal.wanted);
  CHECK(removal.providerEventId.starts_with("event-"));
}

TEST_CASE("Closing and keeping leaves everything where it is, and a reconnection finds it again") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  const auto kept = f.place("A-1", "john", "Kept");
  f.deliverOne();
  const auto changed = f.place("A-2", "john", "Changed later");
  f.deliverOne();
  f.place("A-3", "john", "Cancelled later");
  f.deliverOne();
  f.store->beginClosing(connection.id, false, kNow, kNow);
  CHECK(f.store->removalsLeft(connection.id) == 0);
  f.store->endConnection(connection.id);
  CHECK(f.claim().tasks.empty());
  f.place("A-2", "john", "Changed");
  f.unplace("A-3", "john");
  CHECK(f.claim().tasks.empty());
  const auto again = f.connect("john");
  CHECK(again.id == connection.id);
  std::map<std::int64_t, DeliveryTask> tasks;
  for (const auto& task : f.claim().tasks)
    tasks[task.placementId] = task;
  REQUIRE(tasks.size() == 3);
  for (const auto& [id, task] : tasks)
    CHECK(task.providerEventId == "event-" + std::to_string(id));
  CHECK(tasks.at(kept.id).wanted);
  CHECK(tasks.at(changed.id).entry.title == "Changed");
  tasks.erase(kept.id);
  tasks.erase(changed.id);
  CHECK_FALSE(tasks.begin()->second.wanted);
}

TEST_CASE("A reconnection after removal writes the entries anew") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  const auto placed = f.place("A-1", "john", "Clean");
  f.deliverOne();
  f.store->beginClosing(connection.id, true, kNow, kNow + kMinute);
  f.deliverOne();
  f.store->endConnection(connection.id);
  f.connect("john");
  const auto task = f.claimOne();
  CHECK(task.wanted);
  CHECK(task.generation == 1);
  CHECK(task.revision > placed.revision);
  f.record(success(task));
  CHECK(f.delivery(placed).state == "delivered");
  INFO("a later edit is still noticed");
  f.place("A-1", "john", "Edited");
  CHECK(f.claimOne().entry.title == "Edited");
}

TEST_CASE("A reconnection in the middle of a removal ends with the entry there") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  const auto placed = f.place("A-1", "john", "Clean");
  f.deliverOne();
  f.store->beginClosing(connection.id, true, kNow, kNow + kMinute);
  const auto removal = f.claimOne();
  f.connect("john");
  f.record(success(removal));
  const auto task = f.claimOne();
  CHECK(task.wanted);
  CHECK(task.providerEventId.empty());
  f.record(success(task));
  CHECK(f.delivery(placed).state == "delivered");
}

TEST_CASE("An ended connection keeps neither credentials nor feed secret") {
  EVERY_STORE;
  f.person("ann");
  ConnectionRecord fresh;
  fresh.personId = "ann";
  fresh.provider = "ics";
  fresh.feedSecretHash = "secret-hash";
  const auto feed = f.store->connect(fresh, {}, kNow);
  REQUIRE(f.store->connectionByFeedSecret("secret-hash").has_value());
  CHECK(f.store->connectionByFeedSecret("secret-hash")->id == feed.id);
  f.store->beginClosing(feed.id, false, kNow, kNow);
  f.store->endConnection(feed.id);
  CHECK_FALSE(f.store->connectionByFeedSecret("secret-hash").has_value());
  CHECK_FALSE(f.store->connectionByFeedSecret("").has_value());
  CHECK_FALSE(f.store->storeCredentials(feed.id, f.store->connection(feed.id)->credentialsVersion, "late refresh"));
  INFO("connecting anew gives the feed another secret");
  fresh.feedSecretHash = "another-hash";
  CHECK(f.store->connect(fresh, {}, kNow).id == feed.id);
  CHECK(f.store->connectionByFeedSecret("another-hash").has_value());
}

TEST_CASE("Connections that share an account are counted") {
  EVERY_STORE;
  f.person("john");
  f.person("mary");
  const auto john = f.connect("john", "google", "family");
  const auto mary = f.connect("mary", "google", "family");
  CHECK(f.store->connectionsUsing("google", "family", john.id) == 1);
  f.store->beginClosing(mary.id, false, kNow, kNow);
  f.store->endConnection(mary.id);
  CHECK(f.store->connectionsUsing("google", "family", john.id) == 0);
}

TEST_CASE("Counts tell delivered, pending and failed apart") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  f.place("A-1", "john", "Delivered");
  f.deliverOne();
  f.place("A-2", "john", "Failed");
  f.record(failure(f.claimOne(), Kind::failed));
  f.place("A-3", "john", "Pending");
  const auto counts = f.store->counts(connection.id);
  CHECK(counts.delivered == 1);
  CHECK(counts.failed == 1);
  CHECK(counts.pending == 1);
}

TEST_CASE("A batch of outcomes updates the connection's last sync and last error") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  f.place("A-1", "john", "Clean");
  f.record(failure(f.claimOne(), Kind::retry, kNow + kMinute));
  CHECK(f.store->connection(connection.id)->lastError == "The provider failed");
  CHECK(f.store->connection(connection.id)->lastSyncAt == 0);
  f.deliverOne(kNow + kMinute);
  CHECK(f.store->connection(connection.id)->lastError.empty());
  CHECK(f.store->connection(connection.id)->lastSyncAt == kNow + kMinute);
}

TEST_CASE("Why and since when a grant is dead stays, whatever comes back from attempts under way") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  f.place("A-1", "john", "Clean");
  const auto task = f.claimOne();
  REQUIRE(f.store->needReconnection(connection.id, connection.credentialsVersion, "grant revoked", kNow + 1));
  SECTION("an attempt that was blocked") {
    auto outcome = failure(task, Kind::blocked);
    outcome.at = kNow + 2;
    f.record(outcome);
    CHECK(f.store->connection(connection.id)->lastSyncAt == 0);
  }
  SECTION("an attempt that still got through") {
    f.record(success(task, kNow + 2));
    CHECK(f.store->connection(connection.id)->lastSyncAt == kNow + 2);
  }
  CHECK(f.store->connection(connection.id)->lastError == "grant revoked");
  CHECK(f.store->connection(connection.id)->lastErrorAt == kNow + 1);
}

TEST_CASE("Dead grants of all people are listed in pages, the longest dead first") {
  EVERY_STORE;
  const std::vector<std::string> names{"ada", "bea", "cem", "dan"};
  std::vector<ConnectionRecord> connections;
  for (const auto& name : names) {
    f.person(name);
    connections.push_back(f.connect(name, "google", name + "@google.example"));
  }
  const auto die = [&](std::size_t i, TimeMs at) {
    REQUIRE(f.store->needReconnection(connections[i].id, connections[i].credentialsVersion, "withdrawn", at));
  };
  CHECK(f.store->deadGrants({}, 10).empty());
  f.place("A-1", "bea", "Clean");
  f.place("A-2", "bea", "Cook");
  die(3, kNow + 1);
  die(1, kNow + 2);
  die(0, kNow + 2);
  const auto peopleOf = [](const std::vector<DeadGrant>& page) {
    std::string people;
    for (const auto& grant : page)
      people += grant.personId + " ";
    return people;
  };
  const auto all = f.store->deadGrants({}, 10);
  CHECK(peopleOf(all) == "dan ada bea ");
  const auto& bea = all.back();
  CHECK(bea.connectionId == connections[1].id);
  CHECK(bea.personName == f.store->person("bea")->name);
  CHECK(bea.email == f.store->person("bea")->email);
  CHECK(bea.role == f.store->person("bea")->role);
  CHECK(bea.provider == "google");
  CHECK(bea.accountId == "bea@google.example");
  CHECK(bea.account == connections[1].account);
  CHECK(bea.reason == "withdrawn");
  CHECK(bea.since == kNow + 2);
  CHECK(bea.pending == 2);
  CHECK(all.front().pending == 0);

  const auto first = f.store->deadGrants({}, 2);
  CHECK(peopleOf(first) == "dan ada ");
  CHECK(peopleOf(f.store->deadGrants({first.back().since, first.back().connectionId}, 2)) == "bea ");
  CHECK(f.store->deadGrants({bea.since, bea.connectionId}, 2).empty());

  f.connect("dan", "google", "dan@google.example", kNow + 3);
  f.store->erasePerson("ada");
  CHECK(peopleOf(f.store->deadGrants({}, 10)) == "bea ");
}

TEST_CASE("Live connections are tallied by provider, with those that fail and those whose grant is dead") {
  EVERY_STORE;
  CHECK(f.store->connectionTallies().empty());
  for (const char* name : {"ada", "bea", "cem"})
    f.person(name);
  f.connect("bea", "outlook");
  const auto ended = f.connect("cem", "outlook");
  f.store->beginClosing(ended.id, false, kNow, kNow + kMinute);
  f.store->endConnection(ended.id);
  const auto dead = f.connect("ada");
  REQUIRE(f.store->needReconnection(dead.id, dead.credentialsVersion, "withdrawn", kNow + 1));
  f.connect("cem");
  f.place("A-1", "cem", "Clean");
  f.record(failure(f.claimOne(), Kind::retry, kNow + kMinute));
  auto tallies = f.store->connectionTallies();
  REQUIRE(tallies.size() == 2);
  CHECK(tallies[0].provider == "google");
  CHECK(tallies[0].live == 2);
  CHECK(tallies[0].failing == 1);
  CHECK(tallies[0].needsReconnection == 1);
  CHECK(tallies[1].provider == "outlook");
  CHECK(tallies[1].live == 1);
  CHECK(tallies[1].failing == 0);
  CHECK(tallies[1].needsReconnection == 0);
  f.deliverOne(kNow + kMinute);
  CHECK(f.store->connectionTallies()[0].failing == 0);
}

TEST_CASE("A connection's values can be set, read and erased") {
  EVERY_STORE;
  f.person("john");
  const auto connection = f.connect("john");
  CHECK_FALSE(f.store->connectionValue(connection.id, "calendar").has_value());
  f.store->setConnectionValue(connection.id, "calendar", "one");
  f.store->setConnectionValue(connection.id, "calendar", "two");
  CHECK(f.store->connectionValue(connection.id, "calendar") == "two");
  f.store->setConnectionValue(connection.id, "calendar", "");
  CHECK_FALSE(f.store->connectionValue(connection.id, "calendar").has_value());
}

TEST_CASE("An OAuth state works once") {
  EVERY_STORE;
  const OAuthState state{"hash", "browser", "john", "google", std::string("a\0b", 3), kNow, kNow + kMinute};
  f.store->addOAuthState(state);
  const auto taken = f.store->takeOAuthState("hash");
  REQUIRE(taken.has_value());
  CHECK(taken->browserHash == "browser");
  CHECK(taken->personId == "john");
  CHECK(taken->provider == "google");
  CHECK(taken->sealedVerifier == std::string("a\0b", 3));
  CHECK(taken->expiresAt == kNow + kMinute);
  CHECK_FALSE(f.store->takeOAuthState("hash").has_value());
}

TEST_CASE("At most a thousand OAuth states are kept, the newest") {
  EVERY_STORE;
  for (int i = 0; i < 1010; ++i) {
    f.store->addOAuthState({"hash-" + std::to_string(i), "b", "john", "google", "v", kNow, kNow + kMinute});
  }
  CHECK_FALSE(f.store->takeOAuthState("hash-9").has_value());
  CHECK(f.store->takeOAuthState("hash-10").has_value());
  CHECK(f.store->takeOAuthState("hash-1009").has_value());
}

TEST_CASE("Sealed rows come in pages, and are resealed only if their credentials are still the same") {
  EVERY_STORE;
  std::vector<ConnectionRecord> rows;
  for (const auto* id : {"john", "mia", "omar", "sarah"}) {
    f.person(id);
    rows.push_back(f.connect(id));
  }
  f.store->beginClosing(rows[1].id, false, kNow, kNow);
  f.store->endConnection(rows[1].id); // has nothing sealed any more
  const auto first = f.store->sealedConnections(0, 2);
  REQUIRE(first.size() == 2);
  CHECK(first[0].id == rows[0].id);
  CHECK(first[1].id == rows[2].id);
  auto page = f.store->sealedConnections(first[1].id, 2);
  REQUIRE(page.size() == 1);
  CHECK(page[0].id == rows[3].id);
  CHECK(f.store->sealedConnections(page[0].id, 2).empty());

  f.store->addOAuthState({"hash", "browser", "john", "google", "verifier", kNow, kNow + kMinute});
  auto states = f.store->oauthStates();
  REQUIRE(states.size() == 1);
  states[0].sealedVerifier = std::string("b\0c", 3);
  states.push_back({"gone", "browser", "john", "google", "x", kNow, kNow + kMinute});
  REQUIRE(f.store->storeCredentials(rows[2].id, rows[2].credentialsVersion, "refreshed"));
  auto fresh = first;
  fresh[0].sealed = std::string("a\0b", 3);
  fresh[1].sealed = "too late";
  fresh.push_back(rows[1]);
  CHECK(f.store->reseal(fresh, states) == 2);
  CHECK(f.store->connection(rows[0].id)->sealed == fresh[0].sealed);
  CHECK(f.store->connection(rows[0].id)->credentialsVersion == rows[0].credentialsVersion);
  CHECK(f.store->connection(rows[2].id)->sealed == "refreshed");
  CHECK(f.store->connection(rows[1].id)->sealed.empty());
  CHECK(f.store->takeOAuthState("hash")->sealedVerifier == states[0].sealedVerifier);
  f.store->forgetReplaced();
  CHECK(f.store->connection(rows[0].id)->sealed == fresh[0].sealed);
}

TEST_CASE("Rows are resealed again without harm, and what they have then outlives a restart") {
  EVERY_STORE;
  std::vector<ConnectionRecord> rows;
  for (const auto* id : {"john", "mia"}) {
    f.person(id);
    rows.push_back(f.connect(id));
    rows.back().sealed = std::string("new of ") + id;
  }
  CHECK(f.store->reseal(rows, {}) == 2);
  CHECK(f.store->reseal(rows, {}) == 2); // a repetition, as after an answer that was lost
  CHECK(f.store->reseal({}, {}) == 0);
  f.reopen();
  for (const auto& row : rows)
    CHECK(f.store->connection(row.id)->sealed == row.sealed);
}
