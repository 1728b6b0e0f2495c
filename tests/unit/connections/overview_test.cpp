#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::connections;

namespace {

void killGrant(Fixture& f, std::int64_t connectionId, const std::string& reason) {
  REQUIRE(f.store->needReconnection(connectionId, f.record(connectionId).credentialsVersion, reason, f.clock.now()));
}

const ProviderTally& tallyOf(const Overview& overview, const std::string& provider) {
  for (const auto& tally : overview.providers)
    if (tally.provider == provider)
      return tally;
  FAIL("no tally of " + provider);
  return overview.providers.front();
}

} // namespace

TEST_CASE("Without connections the overview has every provider of the configuration, and needs nobody") {
  Fixture f;
  f.outlook.info_.configured = false;
  const auto overview = f.node.overview("", 10);
  REQUIRE(overview.providers.size() == 3);
  CHECK(overview.providers[0].provider == "google");
  CHECK(overview.providers[0].configured);
  CHECK(overview.providers[0].connected == 0);
  CHECK(overview.providers[1].provider == "outlook");
  CHECK_FALSE(overview.providers[1].configured);
  CHECK(overview.needs.empty());
  CHECK_FALSE(overview.next);
}

TEST_CASE("A dead grant is in the overview until its person has reconnected") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.deliverEntry(f.john);
  f.connect(f.outlook, f.sarah);
  killGrant(f, id, "the permission was withdrawn");
  const TimeMs died = f.clock.now();
  f.clock.advance(5000);
  f.store->resyncPerson("john", f.clock.now());
  auto overview = f.node.overview("", 10);
  CHECK(tallyOf(overview, "google").connected == 1);
  CHECK(tallyOf(overview, "google").needsReconnection == 1);
  CHECK(tallyOf(overview, "outlook").connected == 1);
  CHECK(tallyOf(overview, "outlook").needsReconnection == 0);
  REQUIRE(overview.needs.size() == 1);
  const auto& need = overview.needs.front();
  CHECK(need.grant.personId == "john");
  CHECK(need.grant.personName == "John Smith");
  CHECK(need.grant.role == "customer");
  CHECK(need.label == "Google Calendar");
  CHECK(need.account == std::optional<std::string>("john@gmail.example"));
  CHECK(need.grant.reason == "the permission was withdrawn");
  CHECK(need.grant.since == died);
  f.connect(f.google, f.john);
  overview = f.node.overview("", 10);
  CHECK(overview.needs.empty());
  CHECK(tallyOf(overview, "google").needsReconnection == 0);
}

TEST_CASE("Needs come in pages, each named by the one before") {
  Fixture f;
  std::vector<std::string> expected;
  for (int i = 0; i < 5; ++i) {
    const Person person{"p" + std::to_string(i), "P", "p@example.com", "customer", "UTC", {}};
    f.store->putPerson(person, std::nullopt);
    f.google.account = {"account-" + std::to_string(i), ""};
    killGrant(f, f.connect(f.google, person), "withdrawn");
    f.clock.advance(i % 2); // some died in the same millisecond
    expected.push_back(person.id);
  }
  std::vector<std::string> seen;
  std::string after;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const auto page = f.node.overview(after, 2);
    CHECK(page.needs.size() <= 2);
    for (const auto& need : page.needs) {
      seen.push_back(need.grant.personId);
      CHECK(need.account == need.grant.accountId); // where the provider gave no label
    }
    more = page.next.has_value();
    after = page.next.value_or("");
  }
  CHECK(seen == expected);
  CHECK(pages == 3);
  CHECK_FALSE(f.node.overview("", 5).next);
}

TEST_CASE("A place that no overview named is refused") {
  Fixture f;
  for (const char* after : {"x", "1", "1-", "-1", "1-x", "1-2-3", "-1-2", "99999999999999999999-1", " 1-2"}) {
    INFO(after);
    CHECK(errorCode([&] { f.node.overview(after, 2); }) == "invalid_field");
  }
}

TEST_CASE("Connections of a provider that the configuration does not name any more are counted and listed") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  killGrant(f, id, "");
  const FixedProviders others({&f.ics});
  const auto overview = connections::overview(*f.store, others, "", 10);
  REQUIRE(overview.providers.size() == 2);
  CHECK(overview.providers[1].provider == "google");
  CHECK(overview.providers[1].label == "google");
  CHECK_FALSE(overview.providers[1].configured);
  CHECK(overview.providers[1].connected == 1);
  REQUIRE(overview.needs.size() == 1);
  CHECK(overview.needs.front().label == "google");
  CHECK(toJson(overview).at("connections")[0].at("reason").is_null());
}

TEST_CASE("The overview as JSON has exactly the documented members and nothing secret") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.node.feeds().connect(f.sarah, std::nullopt, "ics");
  killGrant(f, id, "the permission was withdrawn");
  const auto json = toJson(f.node.overview("", 10));
  const nlohmann::json needed{{"person", "john"},
                              {"name", "John Smith"},
                              {"email", "john@example.com"},
                              {"role", "customer"},
                              {"provider", "google"},
                              {"label", "Google Calendar"},
                              {"account", "john@gmail.example"},
                              {"needs", "reconnect"},
                              {"since", formatRfc3339(f.clock.now())},
                              {"reason", "the permission was withdrawn"},
                              {"pending", 0}};
  CHECK(json.at("connections") == nlohmann::json::array({needed}));
  CHECK(json.at("providers")[0] == nlohmann::json{{"provider", "google"},
                                                  {"label", "Google Calendar"},
                                                  {"configured", true},
                                                  {"connected", 1},
                                                  {"failing", 0},
                                                  {"needs_reconnection", 1},
                                                  {"quarantine", nullptr}});
  CHECK(json.at("providers")[2].at("connected") == 1);
  CHECK(json.at("next").is_null());
  CHECK(json.dump().find(ScriptedProvider::kCanary) == std::string::npos);
}
