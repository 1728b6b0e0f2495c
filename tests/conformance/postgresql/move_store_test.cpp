#include "fixture.hpp"
#include "store/move_store.hpp"
#include "temporary_folder.hpp"

using namespace on_postgresql;

namespace {

void ignoreProgress(const std::string&, std::int64_t, std::int64_t) {}

/// An installation with something in every table.
void fill(Store& store) {
  const auto john = connectPerson(store, "john");
  connectPerson(store, "mary");
  store.setPassword("john", "password hash");
  store.setConnectionValue(john.id, "calendar", "tab\there\nand\\there");
  store.addAppKey("booking", "key hash", kNow);
  store.addSession({"token", "john", kNow, kNow + kHour});
  store.addOAuthState({"state", "browser", "john", "google", std::string("\0\x01\xff\\", 4), kNow, kNow + kHour});
  store.setMeta("installation_id", "the same");
  store.addAudit({0, kNow, "connection.created", "person:john", "john", {{"provider", "google"}}});
  const std::vector<NewEvent> events{newEvent("evt-1"), newEvent("evt-2")};
  const auto seqs = store.acceptEvents(events, kNow);
  RoutingWrite write;
  write.events.push_back({seqs[0].seq, nlohmann::json{{"text", "caf\xc3\xa9 \"q\""}}.dump()});
  store.applyRouting(write, kNow);
  place(store, "A-1", "john");
  place(store, "A-2", "mary");
  const auto tasks = claim(store);
  REQUIRE(tasks.size() == 2);
  auto outcome = delivered(tasks[0]);
  outcome.rendering = "BEGIN:VEVENT\r\nSUMMARY:x\\,y\r\nEND:VEVENT\r\n";
  store.recordOutcomes({&outcome, 1});
}

} // namespace

TEST_CASE("An installation moves with everything that it has") {
  testing::TemporaryFolder folder;
  const std::string from = "sqlite:" + (folder.path / "old.db").string();
  fill(*openStore(from));
  const auto to = freshUrl();
  std::vector<std::string> told;
  const auto moved = moveStore(from, to, [&](const std::string& table, std::int64_t done, std::int64_t all) {
    if (done == all)
      told.push_back(table);
  });
  std::map<std::string, std::int64_t> rows;
  for (const auto& table : moved)
    rows[table.name] = table.rows;
  for (const auto& [name, count] : rows) {
    INFO(name);
    CHECK(count > 0);
    CHECK(std::count(told.begin(), told.end(), name) > 0);
  }
  CHECK(rows.size() == 13);

  const auto old = openStore(from);
  const auto fresh = openNode(to, "one");
  CHECK(fresh->people() == old->people());
  CHECK(fresh->loginsByEmail("john@example.com").at(0).passwordHash == "password hash");
  CHECK(fresh->appKeys().at(0).hash == "key hash");
  CHECK(fresh->session("token")->personId == "john");
  CHECK(fresh->audit({}).at(0).detail == old->audit({}).at(0).detail);
  CHECK(fresh->meta("installation_id") == "the same");
  CHECK(fresh->event("app", "evt-1")->result == old->event("app", "evt-1")->result);
  CHECK(fresh->unroutedEvents(0, 10).size() == 1);
  for (const auto& before : old->connectionsOf("john")) {
    const auto after = fresh->connection(before.id).value();
    CHECK(after.sealed == before.sealed);
    CHECK(after.credentialsVersion == before.credentialsVersion);
    CHECK(fresh->connectionValue(before.id, "calendar") == "tab\there\nand\\there");
    CHECK(fresh->feedPieces(before.id, 0, 0).size() == old->feedPieces(before.id, 0, 0).size());
  }
  CHECK(fresh->takeOAuthState("state")->sealedVerifier == std::string("\0\x01\xff\\", 4));
  const auto before = old->placement("appointment", "A-1", "john").value();
  const auto after = fresh->placement("appointment", "A-1", "john").value();
  CHECK(after.id == before.id);
  CHECK(after.entry == before.entry);
  CHECK(fresh->deliveriesOfPlacement(before.id).at(0).state == old->deliveriesOfPlacement(before.id).at(0).state);
  INFO("the work that was open goes on, and new rows get new numbers");
  CHECK(claim(*fresh).size() == 1);
  const auto highest = old->connectionsOf("mary").at(0).id;
  CHECK(connectPerson(*fresh, "eve").id > highest);
  CHECK(place(*fresh, "A-3", "eve").id > before.id);
}

TEST_CASE("A move is refused while a host has the old database, and into one that is not empty") {
  testing::TemporaryFolder folder;
  const std::string from = "sqlite:" + (folder.path / "old.db").string();
  const auto to = freshUrl();
  const auto codeOf = [&](const std::string& source, const std::string& target) -> std::string {
    try {
      moveStore(source, target, ignoreProgress);
      return "moved";
    } catch (const Error& error) {
      return error.code();
    }
  };
  CHECK(codeOf(from, to) == "store_unavailable"); // there is none
  {
    const auto running = openStore(from);
    CHECK(codeOf(from, to) == "store_locked");
  }
  CHECK(codeOf(to, from) == "store_move");
  {
    const auto running = openNode(to, "one");
    CHECK(codeOf(from, to) == "store_not_empty");
  }
  openStore(to)->setMeta("key", "value");
  CHECK(codeOf(from, to) == "store_not_empty");
}
