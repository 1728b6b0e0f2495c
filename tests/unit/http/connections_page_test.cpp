#include "web_fixture.hpp"

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;
using Catch::Matchers::Contains;

TEST_CASE("The page of everybody's connections is for admins; for others there is no such page") {
  Site site;
  CHECK(headerOf(site.get("/admin/connections"), "Location") == "/login");
  const auto john = site.get("/admin/connections", site.logIn());
  CHECK(john.status == 404);
  CHECK(john.body == site.get("/no/such/page", site.logIn()).body);
  const auto ada = site.logInAdmin();
  CHECK(site.get("/admin/connections", ada).status == 200);
  CHECK(site.get("/admin/connections/", ada).status == 200);
  CHECK(site.send("POST", "/admin/connections", ada, "a=b", {{"Origin", "http://localhost:3000"}}).status == 405);
}

TEST_CASE("The link to everybody's connections is on the pages of admins alone") {
  Site site;
  CHECK_THAT(site.get("/settings/calendar", site.logIn()).body, !Contains("/admin/connections"));
  const auto ada = site.logInAdmin();
  CHECK_THAT(site.get("/settings/calendar", ada).body, Contains("href=\"/admin/connections\""));
  CHECK_THAT(site.get("/admin/connections", ada).body, Contains("href=\"/admin/connections\""));
}

TEST_CASE("A dead grant is shown to the admin with person, reason and what waits, until it is renewed") {
  Site site;
  const auto ada = site.logInAdmin();
  CHECK_THAT(site.get("/admin/connections", ada).body, Contains("Nobody has to reconnect anything."));
  CHECK_THAT(site.get("/settings/calendar", ada).body, !Contains("dead-grants"));
  site.addEntry("Clean", site.clock.now() + 3600000);
  site.addEntry("Cook", site.clock.now() + 3600000);
  site.killGrant(site.connect(site.google));
  site.clock.advance(5 * 60000);
  const auto page = site.get("/admin/connections", ada).body;
  CHECK_THAT(page, Contains("John Smith") && Contains("customer") && Contains("Google Calendar · john@gmail.example") &&
                       Contains("The permission was withdrawn.") && Contains("5 minutes ago") &&
                       Contains("2 entries waiting") && Contains("href=\"mailto:john@example.com\""));
  CHECK_THAT(page, Contains("1 to reconnect") && Contains("Nobody connected"));
  CHECK_THAT(site.get("/settings/calendar", ada).body, Contains("One calendar on this server waits for its owner"));
  CHECK_THAT(site.get("/settings/calendar", site.logIn()).body, !Contains("on this server wait"));
  site.killGrant(site.connect(site.outlook), "");
  CHECK_THAT(site.get("/settings/calendar", ada).body, Contains("2 calendars on this server wait"));
  CHECK_THAT(site.get("/admin/connections", ada).body, Contains("Outlook no longer lets us in."));

  site.connect(site.google);
  site.connect(site.outlook);
  const auto after = site.get("/admin/connections", ada).body;
  CHECK_THAT(after, Contains("Nobody has to reconnect anything.") && Contains("All well"));
  CHECK_THAT(site.get("/settings/calendar", ada).body, !Contains("on this server wait"));
}

TEST_CASE("A provider that is not set up any more is said to be paused where somebody is connected") {
  Site site;
  const auto ada = site.logInAdmin();
  site.connect(site.google);
  site.google.info_.configured = false;
  site.outlook.info_.configured = false;
  CHECK_THAT(site.get("/admin/connections", ada).body,
             Contains("Paused") && Contains("Nothing is delivered until it is.") && Contains("Not configured"));
}

TEST_CASE("A connection in trouble is counted, and nobody is asked to do anything") {
  Site site;
  const auto ada = site.logInAdmin();
  site.connect(site.google);
  site.addEntry("Clean", site.clock.now() + 3600000);
  const auto claim = site.store->claimDeliveries(site.clock.now(), 10, 60000, [](auto, const auto&) { return true; });
  REQUIRE(claim.tasks.size() == 1);
  store::DeliveryOutcome outcome;
  outcome.placementId = claim.tasks[0].placementId;
  outcome.connectionId = claim.tasks[0].connectionId;
  outcome.fence = claim.tasks[0].fence;
  outcome.kind = store::DeliveryOutcome::Kind::retry;
  outcome.revision = claim.tasks[0].revision;
  outcome.at = site.clock.now();
  outcome.retryAt = site.clock.now() + 1000;
  outcome.errorMessage = "HTTP 503";
  site.store->recordOutcomes({&outcome, 1});
  CHECK_THAT(site.get("/admin/connections", ada).body, Contains("1 having trouble") &&
                                                           Contains("repeated without anybody doing anything") &&
                                                           Contains("Nobody has to reconnect anything."));
}

TEST_CASE("More than fifty dead grants come in pages") {
  Site site;
  const auto ada = site.logInAdmin();
  for (int i = 0; i < 51; ++i) {
    site.john = {"p" + std::to_string(i), "Person " + std::to_string(i), "p@example.com", "customer", "UTC", {}};
    site.store->putPerson(site.john, std::nullopt);
    site.google.account = {"account-" + std::to_string(i), "somebody"};
    site.killGrant(site.connect(site.google));
    site.clock.advance(1);
  }
  const auto first = site.get("/admin/connections", ada).body;
  CHECK_THAT(first, Contains("Person 0 ") && Contains("Person 49 ") && !Contains("Person 50 ") &&
                        !Contains("To the first ones"));
  const auto at = first.find("/admin/connections?after=");
  REQUIRE(at != std::string::npos);
  const auto next = first.substr(at, first.find('"', at) - at);
  CHECK_THAT(site.get(next, ada).body, Contains("Person 50 ") && !Contains("Person 49 ") &&
                                           Contains("To the first ones") && !Contains("The next ones"));
  const auto madeUp = site.get("/admin/connections?after=nonsense", ada);
  CHECK(madeUp.status == 303);
  CHECK(headerOf(madeUp, "Location") == "/admin/connections");
}

TEST_CASE("What people and providers named is escaped on the admin's page too") {
  Site site;
  const auto ada = site.logInAdmin();
  const std::string evil = "<img src=x onerror=alert(1)>";
  site.john.name = evil;
  site.john.email = "\"<b>?cc=all\"@example.com";
  site.store->putPerson(site.john, std::nullopt);
  site.google.account.label = evil;
  site.killGrant(site.connect(site.google), evil);
  const auto page = site.get("/admin/connections", ada).body;
  CHECK_THAT(page, !Contains("<img src=x") && !Contains("<b>") && !Contains("?cc"));
  CHECK_THAT(page, Contains("mailto:%22%3Cb%3E%3Fcc%3Dall%22@example.com"));
}
