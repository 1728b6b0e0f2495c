#include "core/digest.hpp"
#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::connections;

namespace {
const std::string kPrefix = "http://localhost:8000/api/calendar/feed/";
std::string secretOf(const FeedUrls& urls) {
  return urls.feedUrl.substr(kPrefix.size(), 43);
}
} // namespace

TEST_CASE("A feed's URL carries a secret of 256 bits that finds its connection") {
  Fixture f;
  const auto urls = f.node.feeds().connect(f.john, std::nullopt, "ics");
  CHECK(urls.feedUrl.starts_with(kPrefix));
  CHECK(urls.feedUrl.ends_with(".ics"));
  CHECK(urls.feedUrl.size() == kPrefix.size() + 43 + 4);
  CHECK(urls.webcalUrl == "webcal" + urls.feedUrl.substr(4));
  const auto found = f.node.feeds().find(secretOf(urls));
  REQUIRE(found);
  CHECK(found->personId == "john");
  CHECK(found->feedSecretHash == sha256Hex(secretOf(urls)));
  CHECK(f.status(f.john, "ics").connected);
  CHECK_FALSE(f.status(f.john, "ics").account);
}

TEST_CASE("Connecting a feed again renews the secret, and the old one is dead at once") {
  Fixture f;
  const auto first = f.node.feeds().connect(f.john, std::nullopt, "ics");
  const auto id = f.node.feeds().find(secretOf(first))->id;
  const auto second = f.node.feeds().connect(f.john, std::nullopt, "ics");
  CHECK(second.feedUrl != first.feedUrl);
  CHECK_FALSE(f.node.feeds().find(secretOf(first)));
  CHECK(f.node.feeds().find(secretOf(second))->id == id);
}

TEST_CASE("A disconnected feed is gone at once and comes back with another secret") {
  Fixture f;
  const auto first = f.node.feeds().connect(f.john, std::nullopt, "ics");
  for (const auto entries : {Entries::keep, Entries::remove}) {
    const auto urls = f.node.feeds().connect(f.john, std::nullopt, "ics");
    CHECK(f.node.disconnection().disconnect("john", "ics", entries).wasConnected);
    CHECK_FALSE(f.node.feeds().find(secretOf(urls)));
    CHECK_FALSE(f.status(f.john, "ics").connected);
  }
  const auto last = f.node.feeds().connect(f.john, std::nullopt, "ics");
  CHECK(f.node.feeds().find(secretOf(last)));
  CHECK_FALSE(f.node.feeds().find(secretOf(first)));
}

TEST_CASE("Every person's feed has its own secret") {
  Fixture f;
  const auto johns = f.node.feeds().connect(f.john, std::nullopt, "ics");
  const auto sarahs = f.node.feeds().connect(f.sarah, std::nullopt, "ics");
  CHECK(f.node.feeds().find(secretOf(johns))->personId == "john");
  CHECK(f.node.feeds().find(secretOf(sarahs))->personId == "sarah");
}

TEST_CASE("A wrong secret finds nothing") {
  Fixture f;
  f.node.feeds().connect(f.john, std::nullopt, "ics");
  for (const std::string& secret : {std::string(), std::string("x"), std::string(43, 'A'), std::string(4000, 'A')})
    CHECK_FALSE(f.node.feeds().find(secret));
  // in particular not the connections that have no secret at all
  f.connect(f.google, f.john);
  CHECK_FALSE(f.node.feeds().find(""));
}

TEST_CASE("A feed is refused where the role or the provider does not allow it") {
  Fixture f;
  const auto connect = [&](const std::string& provider, const AllowedProviders& allowed = std::nullopt) {
    return errorCode([&] { f.node.feeds().connect(f.john, allowed, provider); });
  };
  CHECK(connect("google") == "not_found");
  CHECK(connect("yahoo") == "not_found");
  CHECK(connect("ics", std::vector<std::string>{"google"}) == "provider_not_allowed");
  f.ics.info_.configured = false;
  CHECK(connect("ics") == "provider_not_configured");
}

TEST_CASE("The feed's URL follows the public URL") {
  Fixture f;
  PersonLocks locks;
  FeedLinks feeds(*f.store, f.providers, locks, f.clock, f.random, f.log, "https://booking.example/");
  const auto urls = feeds.connect(f.john, std::nullopt, "ics");
  CHECK(urls.feedUrl.starts_with("https://booking.example/api/calendar/feed/"));
  CHECK(urls.webcalUrl.starts_with("webcal://booking.example/api/calendar/feed/"));
}
