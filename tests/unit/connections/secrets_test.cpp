#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::connections;

TEST_CASE("No secret is found in the database, its journal or the log, whatever happens to connections") {
  Fixture f;
  std::vector<std::string> secrets{ScriptedProvider::kCanary, "code-CANARY", f.browser, std::string(32, 'k')};
  const auto connectWatched = [&](ScriptedProvider& provider, const Person& person) {
    const auto state = f.begin(provider, person);
    secrets.push_back(state);
    const auto result = f.callback(provider.info().id, {{"state", state}, {"code", "code-CANARY"}});
    secrets.push_back(provider.lastExchange.codeVerifier);
    REQUIRE(result.connected());
    return result.connectionId;
  };

  // flows: left open, refused, finished
  secrets.push_back(f.begin(f.google, f.john));
  secrets.push_back(f.begin(f.google, f.john));
  f.callback("google", {{"state", secrets.back()}, {"error", "access_denied CANARYc0ffee"}});
  const auto google = connectWatched(f.google, f.john);
  const auto outlook = connectWatched(f.outlook, f.john);
  // refresh, refusal, outage, dead grant
  f.clock.advance(3'600'000);
  f.node.tokens().accessToken(google, {});
  f.node.tokens().refreshNow(google, tokenOf(f.node.tokens().accessToken(google, {})), {});
  f.outlook.onRefresh = [](const auto& token) {
    return Outcome<Grant>(Failure{Status::reauthRequired, "provider echoed " + token, "invalid_grant", {}});
  };
  f.node.tokens().accessToken(outlook, {});
  // damage
  const auto sarahs = connectWatched(f.google, f.sarah);
  auto sealed = f.record(sarahs).sealed;
  sealed.back() = static_cast<char>(sealed.back() ^ 1);
  f.store->storeCredentials(sarahs, f.record(sarahs).credentialsVersion, sealed);
  f.node.tokens().forget(sarahs);
  f.node.tokens().accessToken(sarahs, {});
  // feed, failing revocation, erasure
  const auto urls = f.node.feeds().connect(f.john, std::nullopt, "ics");
  secrets.push_back(urls.feedUrl.substr(urls.feedUrl.size() - 47, 43));
  f.google.onRevoke = [](const Credentials& c) {
    return std::optional(Failure{Status::permanent, "refused " + c.refreshToken, "", {}});
  };
  f.node.disconnection().disconnect("john", "google", Entries::keep);
  f.node.disconnection().erase("sarah");

  std::string everything = f.log.text();
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(f.folder.path))
    if (entry.is_regular_file()) {
      everything += readFile(entry.path());
      ++files;
    }
  CHECK(files >= 1);
  CHECK(everything.find("john@gmail.example") != std::string::npos); // the search itself works
  for (const auto& secret : secrets) {
    INFO("secret of " << secret.size() << " characters, beginning with " << secret.substr(0, 6));
    CHECK(secret.size() >= 11);
    CHECK(everything.find(secret) == std::string::npos);
  }
}

TEST_CASE("The person who has to reconnect reads our words, not the provider's") {
  Fixture f;
  const auto id = f.connect(f.outlook, f.john);
  f.outlook.onRefresh = [](const auto& token) {
    return Outcome<Grant>(Failure{Status::reauthRequired, "AADSTS70000 " + token, "invalid_grant", {}});
  };
  f.clock.advance(3'600'000);
  f.node.tokens().accessToken(id, {});
  const auto error = f.status(f.john, "outlook").lastSyncError;
  REQUIRE(error);
  CHECK(error->find("AADSTS") == std::string::npos);
  CHECK(error->find("please reconnect") != std::string::npos);
}
