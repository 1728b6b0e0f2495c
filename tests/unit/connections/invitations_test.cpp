#include "connections/invitations.hpp"
#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::connections;

namespace {

const AllowedProviders kAll;

/// A provider that sends invitations beside the others.
struct Post {
  Fixture f;
  ScriptedProvider email{"email", {"invitations", "delete"}, f.clock};
  FixedProviders providers{{&f.google, &f.ics, &email}};
  Connections node{*f.store, providers, f.vault, f.clock, f.random, f.log, "http://localhost:8000/"};
  Invitations& invitations = node.invitations();

  std::optional<store::ConnectionRecord> live(const Person& person) {
    for (const auto& record : f.store->connectionsOf(person.id))
      if (record.provider == "email" && record.state == "connected")
        return record;
    return std::nullopt;
  }
  /// What is due now for that person's mailbox.
  std::vector<store::DeliveryTask> due() {
    return f.store->claimDeliveries(f.clock.now(), 100, 1, [](auto, const auto&) { return true; }).tasks;
  }
  Recipient recipientOf(const store::ConnectionRecord& record) {
    store::DeliveryTask task;
    task.connectionId = record.id;
    task.personId = record.personId;
    auto outcome = invitations.recipient(task);
    REQUIRE(std::holds_alternative<Recipient>(outcome));
    return std::get<Recipient>(outcome);
  }
  static std::string tokenIn(const Recipient& recipient) {
    const std::string before = "http://localhost:8000/api/calendar/unsubscribe/";
    REQUIRE(recipient.unsubscribeUrl.starts_with(before));
    return recipient.unsubscribeUrl.substr(before.size(), recipient.unsubscribeUrl.size() - before.size() - 1);
  }
  std::string stateOf(const Person& person) {
    for (const auto& status : node.status(person.id, kAll))
      if (status.provider == "email")
        return status.invitations;
    return "not listed";
  }
};

} // namespace

TEST_CASE("Somebody without a calendar gets a connection to the own mailbox, once") {
  Post post;
  post.invitations.reconcile(post.f.john, kAll);
  const auto first = post.live(post.f.john);
  REQUIRE(first);
  CHECK(first->accountId == "john@example.com");
  CHECK(post.stateOf(post.f.john) == "on");
  post.invitations.reconcile(post.f.john, kAll);
  CHECK(post.live(post.f.john)->id == first->id);
  CHECK(post.live(post.f.john)->sealed == first->sealed);
  CHECK_FALSE(post.live(post.f.sarah));
  const Recipient recipient = post.recipientOf(*first);
  CHECK(recipient.email == "john@example.com");
  CHECK(recipient.name == "John Smith");
  CHECK(recipient.settingsUrl == "http://localhost:8000/settings/calendar");
}

TEST_CASE("A role that does not allow it gets none, and loses it without a word") {
  Post post;
  post.invitations.reconcile(post.f.john, AllowedProviders({"google"}));
  CHECK_FALSE(post.live(post.f.john));
  post.invitations.reconcile(post.f.john, kAll);
  post.f.deliverEntry(post.f.john);
  post.invitations.reconcile(post.f.john, AllowedProviders({"google"}));
  CHECK_FALSE(post.live(post.f.john));
  CHECK(post.due().empty());
}

TEST_CASE("A calendar that is connected takes its place, and what the mailbox has is taken back") {
  Post post;
  post.invitations.reconcile(post.f.john, kAll);
  const auto id = post.live(post.f.john)->id;
  post.f.deliverEntry(post.f.john);
  post.f.connect(post.f.google, post.f.john);
  post.invitations.reconcile(post.f.john, kAll);
  CHECK_FALSE(post.live(post.f.john));
  CHECK(post.f.record(id).state == "closing");
  CHECK(post.stateOf(post.f.john) == "not_needed");
  std::vector<store::DeliveryTask> removals;
  for (const auto& task : post.due())
    if (task.connectionId == id)
      removals.push_back(task);
  REQUIRE(removals.size() == 1);
  CHECK_FALSE(removals[0].wanted);
  CHECK(post.invitations.stands(removals[0]));
  CHECK(std::holds_alternative<Recipient>(post.invitations.recipient(removals[0])));
  SECTION("a calendar that waits for its reconnection still is one") {
    const auto google = post.f.store->connectionsOf("john").front();
    REQUIRE(google.provider == "google");
    post.f.store->needReconnection(google.id, google.credentialsVersion, "withdrawn", post.f.clock.now());
    post.invitations.reconcile(post.f.john, kAll);
    CHECK_FALSE(post.live(post.f.john));
  }
  SECTION("without it the mail begins again, on the same row") {
    post.node.disconnection().disconnect("john", "google", Entries::keep);
    post.invitations.reconcile(post.f.john, kAll);
    CHECK(post.live(post.f.john)->id == id);
  }
}

TEST_CASE("The link of every message that was sent works, with or without a live connection, and no other does") {
  Post post;
  post.invitations.reconcile(post.f.john, kAll);
  const auto record = *post.live(post.f.john);
  const std::string first = Post::tokenIn(post.recipientOf(record));
  const auto found = post.invitations.find(first);
  REQUIRE(found);
  CHECK(found->personId == "john");
  CHECK_FALSE(found->off);
  CHECK(post.f.log.text().find(first.substr(first.find('.') + 1)) == std::string::npos);
  for (std::string wrong :
       {std::string(), std::string("1"), "x" + first, first + "x", first.substr(0, first.size() - 1),
        std::to_string(record.id + 1) + first.substr(first.find('.')), "-" + first,
        std::to_string(record.id) + "." + std::string(43, 'A')})
    CHECK_FALSE(post.invitations.find(wrong));
  post.f.connect(post.f.google, post.f.john);
  post.invitations.reconcile(post.f.john, kAll);
  CHECK(post.invitations.find(first));
  post.node.disconnection().disconnect("john", "google", Entries::keep);
  post.invitations.reconcile(post.f.john, kAll);
  const std::string second = Post::tokenIn(post.recipientOf(*post.live(post.f.john)));
  CHECK(second != first);
  CHECK(post.invitations.find(first));
  CHECK(post.invitations.find(second));
}

TEST_CASE("Whoever wants none gets none until asked for again, also when nothing was ever sent") {
  Post post;
  const bool before = GENERATE(true, false);
  if (before)
    post.invitations.reconcile(post.f.john, kAll);
  CHECK(post.invitations.turnOff(post.f.john, "email", Entries::keep).wasConnected == before);
  CHECK_FALSE(post.live(post.f.john));
  post.invitations.reconcile(post.f.john, kAll);
  CHECK_FALSE(post.live(post.f.john));
  CHECK(post.stateOf(post.f.john) == "off");
  post.f.deliverEntry(post.f.john);
  CHECK(post.due().empty());
  post.invitations.turnOn(post.f.john, kAll, "email");
  CHECK(post.live(post.f.john));
  CHECK(post.due().size() == 1);
  CHECK(errorCode([&] { post.invitations.turnOn(post.f.john, AllowedProviders({"google"}), "email"); }) ==
        "provider_not_allowed");
  CHECK(errorCode([&] { post.invitations.turnOff(post.f.john, "google", Entries::keep); }) == "not_found");
}

TEST_CASE("What was claimed before somebody turned it off is not sent any more") {
  Post post;
  post.invitations.reconcile(post.f.john, kAll);
  post.f.deliverEntry(post.f.john);
  post.f.store->resyncPerson("john", post.f.clock.now());
  const auto claimed = post.due();
  REQUIRE(claimed.size() == 1);
  post.invitations.turnOff(post.f.john, "email", Entries::keep);
  const auto outcome = post.invitations.recipient(claimed[0]);
  REQUIRE(std::holds_alternative<Failure>(outcome));
  CHECK(std::get<Failure>(outcome).code == "not_connected");
}

TEST_CASE("Another address is another mailbox; the old one is told, and one that is none fails in words") {
  Post post;
  post.invitations.reconcile(post.f.john, kAll);
  const auto old = *post.live(post.f.john);
  post.f.deliverEntry(post.f.john);
  Person moved = post.f.john;
  moved.email = "John@Example.com";
  post.f.store->putPerson(moved, std::nullopt);
  post.invitations.reconcile(moved, kAll);
  CHECK(post.live(moved)->id == old.id);
  moved.email = "j.smith@example.org";
  post.f.store->putPerson(moved, std::nullopt);
  post.invitations.reconcile(post.f.john, kAll); // with what was seen before: the store's own word counts
  REQUIRE(post.live(moved));
  CHECK(post.live(moved)->account == "j.smith@example.org");
  CHECK(post.f.record(old.id).state == "closing");
  moved.email = "j\xC3\xB6hn@example.org";
  post.f.store->putPerson(moved, std::nullopt);
  post.invitations.reconcile(moved, kAll);
  store::DeliveryTask task;
  task.connectionId = post.live(moved)->id;
  const auto outcome = post.invitations.recipient(task);
  REQUIRE(std::holds_alternative<Failure>(outcome));
  CHECK(std::get<Failure>(outcome).status == Status::permanent);
  CHECK(std::get<Failure>(outcome).code == "no_address");
}

TEST_CASE("Somebody who has been erased gets nothing") {
  Post post;
  post.invitations.reconcile(post.f.john, kAll);
  const std::string token = Post::tokenIn(post.recipientOf(*post.live(post.f.john)));
  post.node.disconnection().erase("john");
  post.invitations.reconcile(post.f.john, kAll);
  CHECK(post.f.store->connectionsOf("john").empty());
  CHECK_FALSE(post.invitations.find(token));
}
