#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::connections;

TEST_CASE("Before connecting, every provider of the configuration is listed in its order") {
  Fixture f;
  f.outlook.info_.configured = false;
  const auto statuses = f.node.status("john", std::nullopt);
  REQUIRE(statuses.size() == 3);
  CHECK(statuses[0].provider == "google");
  CHECK(statuses[0].health == "not_connected");
  CHECK_FALSE(statuses[0].needs);
  CHECK(statuses[1].provider == "outlook");
  CHECK(statuses[1].health == "not_configured");
  CHECK(statuses[1].needs == std::optional<std::string>("credentials"));
  CHECK(statuses[2].feed);
}

TEST_CASE("A role sees the providers that it may use, and the one that it has") {
  Fixture f;
  const AllowedProviders allowed = std::vector<std::string>{"ics"};
  CHECK(f.node.status("john", allowed).size() == 1);
  f.connect(f.google, f.john);
  const auto statuses = f.node.status("john", allowed);
  REQUIRE(statuses.size() == 2);
  CHECK(statuses[0].provider == "google");
}

TEST_CASE("A connection shows its account and what is pending and delivered") {
  Fixture f;
  f.connect(f.google, f.john);
  auto status = f.status(f.john, "google");
  CHECK(status.connected);
  CHECK(status.health == "ok");
  CHECK(status.account == std::optional<std::string>("john@gmail.example"));
  CHECK_FALSE(status.lastSyncAt);
  f.deliverEntry(f.john);
  status = f.status(f.john, "google");
  CHECK(status.delivered == 1);
  CHECK(status.pending == 0);
  CHECK(status.lastSyncAt == f.clock.now());
  CHECK_FALSE(status.lastSyncError);
}

TEST_CASE("A failed attempt shows as failing, in words, until the next success") {
  Fixture f;
  f.connect(f.google, f.john);
  f.deliverEntry(f.john);
  f.clock.advance(1000);
  f.store->resyncPerson("john", f.clock.now());
  auto claim = f.store->claimDeliveries(f.clock.now(), 10, 60000, [](auto, const auto&) { return true; });
  REQUIRE(claim.tasks.size() == 1);
  store::DeliveryOutcome outcome;
  outcome.placementId = claim.tasks[0].placementId;
  outcome.connectionId = claim.tasks[0].connectionId;
  outcome.fence = claim.tasks[0].fence;
  outcome.kind = store::DeliveryOutcome::Kind::retry;
  outcome.revision = claim.tasks[0].revision;
  outcome.at = f.clock.now();
  outcome.retryAt = f.clock.now() + 1000;
  outcome.errorCode = "backendError";
  outcome.errorMessage = "Google Calendar had a fault of its own";
  f.store->recordOutcomes(std::vector{outcome});
  auto status = f.status(f.john, "google");
  CHECK(status.health == "failing");
  CHECK(status.pending == 1);
  CHECK(status.lastSyncError == std::optional<std::string>("Google Calendar had a fault of its own"));
  f.clock.advance(1000);
  CHECK(f.recordAll(store::DeliveryOutcome::Kind::delivered) == 1);
  status = f.status(f.john, "google");
  CHECK(status.health == "ok");
  CHECK_FALSE(status.lastSyncError);
}

TEST_CASE("The status as JSON has exactly the documented members") {
  Fixture f;
  f.connect(f.google, f.john);
  const auto json = toJson(f.status(f.john, "google"));
  const nlohmann::json expected{{"provider", "google"},
                                {"label", "Google Calendar"},
                                {"configured", true},
                                {"connected", true},
                                {"account", "john@gmail.example"},
                                {"health", "ok"},
                                {"needs", nullptr},
                                {"last_sync_at", nullptr},
                                {"last_sync_error", nullptr},
                                {"pending", 0},
                                {"delivered", 0},
                                {"connect", "oauth2"},
                                {"form", nullptr},
                                {"form_order", nlohmann::json::array()},
                                {"calendar", nullptr},
                                {"chooses_calendar", false}};
  CHECK(json == expected);
}

TEST_CASE("A provider whose plugin is in quarantine has a fault that is the operator's, in words without its reason") {
  Fixture f;
  f.connect(f.google, f.john);
  f.google.condition_ = {.isolated = true, .restarts = 4, .quarantined = true, .reason = "it crashed"};
  f.outlook.condition_ = f.google.condition_;
  auto status = f.status(f.john, "google");
  CHECK(status.health == "failing");
  CHECK(status.needs == std::optional<std::string>("operator"));
  REQUIRE(status.lastSyncError);
  CHECK(status.lastSyncError->find("nothing is lost") != std::string::npos);
  CHECK(status.lastSyncError->find("crashed") == std::string::npos);
  CHECK(f.status(f.john, "outlook").health == "not_connected");
  const auto overview = f.node.overview("", 10);
  CHECK(overview.providers[0].quarantine == std::optional<std::string>("it crashed"));
  CHECK_FALSE(overview.providers[2].quarantine);
  f.google.condition_.quarantined = false;
  status = f.status(f.john, "google");
  CHECK(status.health == "ok");
  CHECK_FALSE(status.needs);
  CHECK_FALSE(status.lastSyncError);
}
