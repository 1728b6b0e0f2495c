#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::connections;

TEST_CASE("Disconnecting with keep revokes, destroys the tokens and is over at once") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.deliverEntry(f.john);
  std::string revoked;
  f.google.onRevoke = [&](const Credentials& c) {
    revoked = c.refreshToken;
    return std::optional<Failure>();
  };
  const auto result = f.node.disconnection().disconnect("john", "google", Entries::keep);
  CHECK(result.wasConnected);
  CHECK(result.removing == 0);
  CHECK(revoked == ScriptedProvider::kCanary + "-refresh-0");
  CHECK(f.google.revokeTimeout == std::chrono::milliseconds(5000));
  CHECK(f.record(id).state == "disconnected");
  CHECK(f.record(id).sealed.empty());
  CHECK(f.recordAll(store::DeliveryOutcome::Kind::removed) == 0);
}

TEST_CASE("Disconnecting with remove says not connected at once and keeps the token for the removals") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.deliverEntry(f.john);
  const auto result = f.node.disconnection().disconnect("john", "google", Entries::remove);
  CHECK(result.removing == 1);
  CHECK(f.record(id).state == "closing");
  const auto status = f.status(f.john, "google");
  CHECK_FALSE(status.connected);
  CHECK(status.health == "not_connected");
  CHECK_FALSE(status.account);
  CHECK(f.google.revokes == 0);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("first"));

  CHECK(f.node.disconnection().finishDue() == 0); // one entry is left to remove
  CHECK(f.recordAll(store::DeliveryOutcome::Kind::removed) == 1);
  CHECK(f.node.disconnection().finishDue() == 1);
  CHECK(f.google.revokes == 1);
  CHECK(f.record(id).state == "disconnected");
  CHECK(f.node.disconnection().finishDue() == 0);
}

TEST_CASE("Removal that does not end within a minute is given up, and the tokens go all the same") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.deliverEntry(f.john);
  f.node.disconnection().disconnect("john", "google", Entries::remove);
  CHECK(f.node.disconnection().nextDeadline() == f.clock.now() + Disconnection::kClosingTime);
  f.clock.advance(Disconnection::kClosingTime - 1);
  CHECK(f.node.disconnection().finishDue() == 0);
  f.clock.advance(1);
  CHECK(f.node.disconnection().finishDue() == 1);
  CHECK(f.record(id).sealed.empty());
  CHECK_FALSE(f.node.disconnection().nextDeadline());
}

TEST_CASE("With nothing to remove, a disconnect is over within the call") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  CHECK(f.node.disconnection().disconnect("john", "google", Entries::remove).removing == 0);
  CHECK(f.record(id).state == "disconnected");
}

TEST_CASE("A provider that is down cannot keep the tokens alive") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRevoke = [](const auto&) { return std::optional(Failure{Status::deadline, "down", "", {}}); };
  CHECK(f.node.disconnection().disconnect("john", "google", Entries::keep).wasConnected);
  CHECK(f.google.revokes == 1);
  CHECK(f.record(id).state == "disconnected");
  CHECK(f.record(id).sealed.empty());
}

TEST_CASE("A provider that is down is waited for once, not for every closing connection") {
  Fixture f;
  f.connect(f.google, f.john);
  f.google.account = {"account-2", "sarah@gmail.example"};
  f.connect(f.google, f.sarah);
  f.deliverEntry(f.john);
  f.deliverEntry(f.sarah);
  f.google.onRevoke = [](const auto&) { return std::optional(Failure{Status::transient, "down", "", {}}); };
  f.node.disconnection().disconnect("john", "google", Entries::remove);
  f.node.disconnection().disconnect("sarah", "google", Entries::remove);
  f.clock.advance(Disconnection::kClosingTime);
  CHECK(f.node.disconnection().finishDue() == 2);
  CHECK(f.google.revokes == 1);
}

TEST_CASE("Nothing is revoked while another person's connection uses the same account") {
  Fixture f;
  f.connect(f.google, f.john);
  const auto sarahs = f.connect(f.google, f.sarah); // the same account
  f.node.disconnection().disconnect("john", "google", Entries::keep);
  CHECK(f.google.revokes == 0);
  CHECK(tokenOf(f.node.tokens().accessToken(sarahs, {})) == ScriptedProvider::token("first"));
  f.node.disconnection().disconnect("sarah", "google", Entries::keep);
  CHECK(f.google.revokes == 1);
}

TEST_CASE("A provider without revocation names the page where consent is withdrawn") {
  Fixture f;
  f.outlook.info_.disconnectUrl = "https://account.example/consent";
  f.connect(f.outlook, f.john);
  const auto result = f.node.disconnection().disconnect("john", "outlook", Entries::remove);
  CHECK(result.disconnectUrl == "https://account.example/consent");
  CHECK(f.outlook.revokes == 0);
  CHECK_FALSE(f.status(f.john, "outlook").connected);
}

TEST_CASE("A dead grant is disconnected at once, and the person hears that entries remain") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.deliverEntry(f.john);
  f.store->needReconnection(id, f.record(id).credentialsVersion, "dead", f.clock.now());
  const auto result = f.node.disconnection().disconnect("john", "google", Entries::remove);
  CHECK(result.entriesRemain);
  CHECK(result.removing == 0);
  CHECK(f.record(id).state == "disconnected");
}

TEST_CASE("A grant that dies while entries are removed ends the connection") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.deliverEntry(f.john);
  f.node.disconnection().disconnect("john", "google", Entries::remove);
  f.google.onRefresh = [](const auto&) {
    return Outcome<Grant>(Failure{Status::reauthRequired, "revoked", "invalid_grant", {}});
  };
  f.clock.advance(3'600'000);
  CHECK(failureOf(f.node.tokens().accessToken(id, {})).status == Status::reauthRequired);
  CHECK(f.record(id).state == "disconnected");
  CHECK(f.record(id).sealed.empty());
}

TEST_CASE("Disconnecting what is not connected changes nothing, an unknown provider is not found") {
  Fixture f;
  CHECK_FALSE(f.node.disconnection().disconnect("john", "google", Entries::remove).wasConnected);
  CHECK(errorCode([&] { f.node.disconnection().disconnect("john", "yahoo", Entries::remove); }) == "not_found");
  const auto id = f.connect(f.google, f.sarah);
  CHECK_FALSE(f.node.disconnection().disconnect("john", "google", Entries::remove).wasConnected);
  CHECK(f.record(id).state == "connected");
}

TEST_CASE("Reconnecting the same account while the old connection ends keeps the new tokens") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRevoke = [&](const auto&) {
    f.google.onExchange = [&](const auto&) { return Outcome<Grant>(f.google.grant("again", "refresh-again")); };
    CHECK(f.connect(f.google, f.john) == id); // while revoking is under way
    return std::optional<Failure>();
  };
  f.node.disconnection().disconnect("john", "google", Entries::keep);
  CHECK(f.record(id).state == "connected");
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("again"));
}

TEST_CASE("Only a closing connection can be finished") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  CHECK_FALSE(f.node.disconnection().finishClosing(id));
  CHECK_FALSE(f.node.disconnection().finishClosing(4711));
  CHECK(f.record(id).state == "connected");
}

TEST_CASE("Changing the account closes the former connection") {
  Fixture f;
  const auto former = f.connect(f.google, f.john);
  f.google.account = {"account-2", "other@gmail.example"};
  const auto now = f.connect(f.google, f.john);
  CHECK(now != former);
  CHECK(f.record(former).state == "closing");
  CHECK(f.status(f.john, "google").account == std::optional<std::string>("other@gmail.example"));
  f.clock.advance(3'600'000);
  f.node.disconnection().finishDue();
  CHECK(f.record(former).state == "disconnected");
  CHECK(f.record(now).state == "connected");
}

TEST_CASE("Erasing a person destroys everything first and then tries to revoke") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRevoke = [&](const auto&) {
    CHECK_FALSE(f.store->person("john"));
    return std::optional(Failure{Status::transient, "down", "", {}});
  };
  CHECK(f.node.disconnection().erase("john"));
  CHECK(f.google.revokes == 1);
  CHECK_FALSE(f.store->connection(id));
  CHECK(f.node.tokens().cached() == 0);
  CHECK_FALSE(f.node.disconnection().erase("john"));
}

TEST_CASE("Damaged credentials do not keep a person from disconnecting") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.store->storeCredentials(id, f.record(id).credentialsVersion, "damaged");
  CHECK(f.node.disconnection().disconnect("john", "google", Entries::keep).wasConnected);
  CHECK(f.record(id).state == "disconnected");
  CHECK(f.google.revokes == 0);
}
