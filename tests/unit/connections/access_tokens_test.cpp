#include "fixture.hpp"

#include <condition_variable>
#include <csignal>
#include <sys/resource.h>
#include <thread>

using namespace calbridge;
using namespace calbridge::connections;

namespace {
constexpr TimeMs kHour = 3'600'000;
Failure invalidGrant() {
  return {Status::reauthRequired, "revoked", "invalid_grant", {}};
}

/// Runs `action` on `count` threads that start together; returns what each got.
std::vector<std::string> together(std::size_t count, const std::function<std::string(std::size_t)>& action) {
  std::vector<std::string> results(count);
  std::mutex mutex;
  std::condition_variable everybodyIsHere;
  std::size_t here = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      {
        std::unique_lock lock(mutex);
        if (++here == count)
          everybodyIsHere.notify_all();
        everybodyIsHere.wait(lock, [&] { return here == count; });
      }
      results[i] = action(i);
    });
  for (auto& thread : threads)
    thread.join();
  return results;
}
} // namespace

TEST_CASE("A valid token is handed out without asking the provider") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("first"));
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("first"));
  CHECK(f.google.refreshes == 0);
}

TEST_CASE("A token within a minute of its end is refreshed, and the new one is stored") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.clock.advance(kHour - AccessTokens::kExpiryMargin - 1);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("first"));
  f.clock.advance(1);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("renewed-1"));
  const auto stored = openCredentials(f.vault, f.record(id));
  CHECK(stored.accessToken == ScriptedProvider::token("renewed-1"));
  CHECK(stored.refreshToken == ScriptedProvider::kCanary + "-refresh-1");
}

TEST_CASE("The rotated token is the one used for the next refresh") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  for (int i = 0; i < 3; ++i) {
    f.clock.advance(kHour);
    f.node.tokens().accessToken(id, {});
  }
  CHECK(f.google.refreshedWith == std::vector<std::string>{ScriptedProvider::kCanary + "-refresh-0",
                                                           ScriptedProvider::kCanary + "-refresh-1",
                                                           ScriptedProvider::kCanary + "-refresh-2"});
}

TEST_CASE("A refresh that brings no refresh token and no scope keeps the old ones") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRefresh = [&](const auto&) {
    auto grant = f.google.grant("renewed", "");
    grant.credentials.scope.clear();
    return Outcome<Grant>(grant);
  };
  f.clock.advance(kHour);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("renewed"));
  const auto stored = openCredentials(f.vault, f.record(id));
  CHECK(stored.refreshToken == ScriptedProvider::kCanary + "-refresh-0");
  CHECK(stored.scope == "calendar");
}

TEST_CASE("Thirty-two threads that find the token expired cause one refresh") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  for (int round = 1; round <= 20; ++round) {
    f.clock.advance(kHour);
    const auto got = together(32, [&](auto) { return tokenOf(f.node.tokens().accessToken(id, {})); });
    CHECK(f.google.refreshes == round);
    for (const auto& token : got)
      CHECK(token == ScriptedProvider::token("renewed-" + std::to_string(round)));
  }
}

TEST_CASE("Thirty-two threads whose token was refused cause one refresh") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  const auto got =
      together(32, [&](auto) { return tokenOf(f.node.tokens().refreshNow(id, ScriptedProvider::token("first"), {})); });
  CHECK(f.google.refreshes == 1);
  for (const auto& token : got)
    CHECK(token == ScriptedProvider::token("renewed-1"));
}

TEST_CASE("Short-lived tokens are shared by those who waited for them") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  std::atomic<int> arrived{0};
  f.google.onRefresh = [&](const auto&) {
    while (arrived < 2) // the other thread is on its way, at the least
      std::this_thread::yield();
    return Outcome<Grant>(f.google.grant("short", "", 10'000));
  };
  f.clock.advance(kHour);
  const auto got = together(2, [&](auto) {
    ++arrived;
    return tokenOf(f.node.tokens().accessToken(id, {}));
  });
  for (const auto& token : got)
    CHECK(token == ScriptedProvider::token("short"));
}

TEST_CASE("A token that another node has stored is used instead of refreshing again") {
  Fixture f;
  Connections other(*f.store, f.providers, f.vault, f.clock, f.random, f.log, "http://localhost:8000");
  const auto id = f.connect(f.google, f.john);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("first"));
  f.clock.advance(kHour);
  CHECK(tokenOf(other.tokens().accessToken(id, {})) == ScriptedProvider::token("renewed-1"));
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("renewed-1"));
  CHECK(f.google.refreshes == 1);
}

TEST_CASE("A refresh that loses against another node's uses what that one stored") {
  Fixture f;
  Connections other(*f.store, f.providers, f.vault, f.clock, f.random, f.log, "http://localhost:8000");
  const auto id = f.connect(f.google, f.john);
  std::string others;
  f.google.onRefresh = [&](const auto&) {
    if (f.google.refreshes == 1) { // while ours is under way
      others = tokenOf(other.tokens().accessToken(id, {}));
      return Outcome<Grant>(f.google.grant("ours", "refresh-ours"));
    }
    return Outcome<Grant>(f.google.grant("theirs", "refresh-theirs"));
  };
  f.clock.advance(kHour);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("theirs"));
  CHECK(others == ScriptedProvider::token("theirs"));
  CHECK(openCredentials(f.vault, f.record(id)).refreshToken == ScriptedProvider::kCanary + "-refresh-theirs");
}

TEST_CASE("invalid_grant because another node has rotated the token is not a dead grant") {
  Fixture f;
  Connections other(*f.store, f.providers, f.vault, f.clock, f.random, f.log, "http://localhost:8000");
  const auto id = f.connect(f.google, f.john);
  f.google.onRefresh = [&](const auto&) {
    if (f.google.refreshes == 1) {
      other.tokens().accessToken(id, {});
      return Outcome<Grant>(invalidGrant());
    }
    return Outcome<Grant>(f.google.grant("theirs", "refresh-theirs"));
  };
  f.clock.advance(kHour);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("theirs"));
  CHECK(f.record(id).state == "connected");
}

TEST_CASE("A dead grant asks the person to reconnect, once and for everybody") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRefresh = [](const auto&) { return Outcome<Grant>(invalidGrant()); };
  f.clock.advance(kHour);
  const auto got = together(32, [&](auto) { return tokenOf(f.node.tokens().accessToken(id, {})); });
  for (const auto& token : got)
    CHECK(token == "failure: reauth_required");
  CHECK(f.google.refreshes == 1);
  const auto status = f.status(f.john, "google");
  CHECK(status.health == "needs_reconnection");
  CHECK(status.needs == std::optional<std::string>("reconnect"));
  REQUIRE(status.lastSyncError);
  CHECK(status.lastSyncError->find("Google Calendar no longer accepts") != std::string::npos);
  CHECK(failureOf(f.node.tokens().accessToken(id, {})).status == Status::reauthRequired);
  CHECK(f.google.refreshes == 1);
}

TEST_CASE("Reconnecting revives a dead grant") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRefresh = [](const auto&) { return Outcome<Grant>(invalidGrant()); };
  f.clock.advance(kHour);
  f.node.tokens().accessToken(id, {});
  f.google.onExchange = [&](const auto&) { return Outcome<Grant>(f.google.grant("again", "refresh-again")); };
  CHECK(f.connect(f.google, f.john) == id);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("again"));
  CHECK(f.status(f.john, "google").health == "ok");
}

TEST_CASE("Without a refresh token the end of the access token is the end of the grant") {
  Fixture f;
  f.google.onExchange = [&](const auto&) { return Outcome<Grant>(f.google.grant("only", "")); };
  const auto id = f.connect(f.google, f.john);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("only"));
  f.clock.advance(kHour);
  CHECK(failureOf(f.node.tokens().accessToken(id, {})).status == Status::reauthRequired);
  CHECK(f.record(id).state == "needs_reconnection");
  CHECK(f.google.refreshes == 0);
}

TEST_CASE("When the third renewed token in a row is refused without ever having worked, the person has to reconnect") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  std::string token = ScriptedProvider::token("first");
  for (int renewal = 1; renewal <= AccessTokens::kUnprovenRenewals; ++renewal) {
    token = tokenOf(f.node.tokens().refreshNow(id, token, {}));
    CHECK(token == ScriptedProvider::token("renewed-" + std::to_string(renewal)));
    CHECK(f.record(id).state == "connected");
  }
  CHECK(failureOf(f.node.tokens().refreshNow(id, token, {})).status == Status::reauthRequired);
  CHECK(f.google.refreshes == AccessTokens::kUnprovenRenewals);
  CHECK(f.record(id).state == "needs_reconnection");
}

TEST_CASE("A renewed token that ends before its first use says nothing against the grant, however often") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRefresh = [&](const auto&) {
    return Outcome<Grant>(f.google.grant("brief-" + std::to_string(f.google.refreshes), "", 2'000));
  };
  std::string token = ScriptedProvider::token("first");
  for (int renewal = 1; renewal <= 10; ++renewal) {
    token = tokenOf(f.node.tokens().refreshNow(id, token, {}));
    CHECK(token == ScriptedProvider::token("brief-" + std::to_string(renewal)));
    f.clock.advance(2'000); // in the queue
  }
  CHECK(f.record(id).state == "connected");
}

TEST_CASE("A token that worked for a while may be renewed after a refusal again") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  const auto renewed = tokenOf(f.node.tokens().refreshNow(id, ScriptedProvider::token("first"), {}));
  f.clock.advance(AccessTokens::kProbation);
  CHECK(tokenOf(f.node.tokens().refreshNow(id, renewed, {})) == ScriptedProvider::token("renewed-2"));
  CHECK(f.record(id).state == "connected");
}

TEST_CASE("A renewed token that was accepted may be refused a moment later: it has ended, and is renewed") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  std::string token = ScriptedProvider::token("first");
  for (int round = 1; round <= 300; ++round) {
    token = tokenOf(f.node.tokens().refreshNow(id, token, {}));
    CHECK(token == ScriptedProvider::token("renewed-" + std::to_string(round)));
    f.node.tokens().accepted(id, token);
  }
  CHECK(f.record(id).state == "connected");
  for (int renewal = 0; renewal < AccessTokens::kUnprovenRenewals; ++renewal) {
    token = tokenOf(f.node.tokens().refreshNow(id, token, {}));
    f.node.tokens().accepted(id, "another token");
    f.node.tokens().accepted(id + 1, token);
  }
  CHECK(failureOf(f.node.tokens().refreshNow(id, token, {})).status == Status::reauthRequired);
  CHECK(f.record(id).state == "needs_reconnection");
}

TEST_CASE("A late refusal of an older token does not count against the newer one, even when that has ended") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRefresh = [&](const auto&) {
    return Outcome<Grant>(f.google.grant("short-" + std::to_string(f.google.refreshes), "", 70'000));
  };
  CHECK(tokenOf(f.node.tokens().refreshNow(id, ScriptedProvider::token("first"), {})) ==
        ScriptedProvider::token("short-1"));
  f.clock.advance(30'000); // within the margin of short-1
  CHECK(tokenOf(f.node.tokens().refreshNow(id, ScriptedProvider::token("first"), {})) ==
        ScriptedProvider::token("short-2"));
  CHECK(f.record(id).state == "connected");
}

TEST_CASE("A refusal of an older token hands out the newer one") {
  Fixture f;
  Connections other(*f.store, f.providers, f.vault, f.clock, f.random, f.log, "http://localhost:8000");
  const auto id = f.connect(f.google, f.john);
  other.tokens().accessToken(id, {}); // caches the first
  f.node.tokens().refreshNow(id, ScriptedProvider::token("first"), {});
  CHECK(tokenOf(f.node.tokens().refreshNow(id, ScriptedProvider::token("first"), {})) ==
        ScriptedProvider::token("renewed-1"));
  CHECK(tokenOf(other.tokens().refreshNow(id, ScriptedProvider::token("first"), {})) ==
        ScriptedProvider::token("renewed-1"));
  CHECK(f.google.refreshes == 1);
}

TEST_CASE("A provider that renews the very token which it refuses ends in a reconnection") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRefresh = [&](const auto&) { return Outcome<Grant>(f.google.grant("first", "refresh-1")); };
  CHECK(failureOf(f.node.tokens().refreshNow(id, ScriptedProvider::token("first"), {})).status ==
        Status::reauthRequired);
  CHECK(f.record(id).state == "needs_reconnection");
}

TEST_CASE("Retry-After of the token endpoint is kept, whoever asks") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  const auto works = f.google.onRefresh;
  f.google.onRefresh = [](const auto&) {
    return Outcome<Grant>(Failure{Status::rateLimited, "slow down", "", std::chrono::milliseconds(30000)});
  };
  f.clock.advance(kHour);
  CHECK(failureOf(f.node.tokens().accessToken(id, {})).retryAfter == std::chrono::milliseconds(30000));
  f.google.onRefresh = works;
  f.clock.advance(29999);
  const auto early = f.node.tokens().accessToken(id, {});
  CHECK(failureOf(early).status == Status::rateLimited);
  CHECK(failureOf(early).retryAfter == std::chrono::milliseconds(1));
  CHECK(f.google.refreshes == 1);
  f.clock.advance(1);
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("renewed-2"));
}

TEST_CASE("An outage of the token endpoint is transient and does not touch the connection") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  const auto works = f.google.onRefresh;
  f.google.onRefresh = [](const auto&) { return Outcome<Grant>(Failure{Status::transient, "down", "", {}}); };
  f.clock.advance(kHour);
  const auto outcome = f.node.tokens().accessToken(id, {});
  CHECK(failureOf(outcome).status == Status::transient);
  CHECK(failureOf(outcome).retryAfter);
  CHECK(f.record(id).state == "connected");
  f.google.onRefresh = works;
  f.clock.advance(failureOf(outcome).retryAfter->count());
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("renewed-2"));
}

TEST_CASE("A fault of the operator makes entries wait instead of failing them") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.google.onRefresh = [](const auto&) {
    return Outcome<Grant>(Failure{Status::permanent, "wrong secret", "invalid_client", {}});
  };
  f.clock.advance(kHour);
  const auto refused = f.node.tokens().accessToken(id, {});
  CHECK(failureOf(refused).status == Status::transient);
  CHECK(failureOf(refused).code == "invalid_client");
  f.google.info_.configured = false;
  f.clock.advance(kHour);
  const auto unset = f.node.tokens().accessToken(id, {});
  CHECK(failureOf(unset).status == Status::transient);
  CHECK(failureOf(unset).code == "provider_not_configured");
  CHECK(f.record(id).state == "connected");
}

TEST_CASE("A cancelled leader does not fail those who wait with it") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  std::atomic<bool> cancelled{false};
  std::atomic<bool> inside{false};
  std::atomic<bool> followed{false};
  f.google.onRefresh = [&](const auto&) {
    if (f.google.refreshes > 1)
      return Outcome<Grant>(f.google.grant("second", "refresh-2"));
    inside = true;
    while (!followed)
      std::this_thread::yield();
    cancelled = true;
    return Outcome<Grant>(Failure{Status::cancelled, "stopping", "", {}});
  };
  f.clock.advance(kHour);
  std::string first, second;
  CallContext stopping;
  stopping.cancelled = &cancelled;
  std::thread leader([&] { first = tokenOf(f.node.tokens().accessToken(id, stopping)); });
  std::thread follower([&] {
    while (!inside)
      std::this_thread::yield();
    followed = true;
    second = tokenOf(f.node.tokens().accessToken(id, {}));
  });
  leader.join();
  follower.join();
  CHECK(first == "failure: cancelled");
  CHECK(second == ScriptedProvider::token("second"));
}

TEST_CASE("Killed between the provider's reply and the store: reconnect, never an endless retry") {
  Fixture f;
  const auto id = f.connect(f.outlook, f.john);
  std::string valid = ScriptedProvider::kCanary + "-refresh-0";
  f.outlook.onRefresh = [&](const std::string& used) {
    if (used != valid)
      return Outcome<Grant>(invalidGrant());
    valid = "rotated"; // at the provider; the reply never arrives
    return Outcome<Grant>(Failure{Status::cancelled, "killed", "", {}});
  };
  f.clock.advance(kHour);
  f.node.tokens().accessToken(id, {});
  Connections restarted(*f.store, f.providers, f.vault, f.clock, f.random, f.log, "http://localhost:8000");
  for (int i = 0; i < 10; ++i)
    CHECK(failureOf(restarted.tokens().accessToken(id, {})).status == Status::reauthRequired);
  CHECK(f.outlook.refreshes == 2);
  CHECK(f.record(id).state == "needs_reconnection");
}

TEST_CASE("A rotated token that could not be stored is not used, not lost, and stored first thing later") {
  Fixture f;
  const auto id = f.connect(f.google, f.john);
  f.clock.advance(kHour);
  rlimit former{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &former) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit full = former;
  full.rlim_cur = 0; // no file can grow or change: the disk is full
  f.google.onRefresh = [&](const auto&) {
    ::setrlimit(RLIMIT_FSIZE, &full);
    return Outcome<Grant>(f.google.grant("renewed", "refresh-1"));
  };
  const auto code = errorCode([&] { f.node.tokens().accessToken(id, {}); });
  const auto again = errorCode([&] { f.node.tokens().accessToken(id, {}); });
  ::setrlimit(RLIMIT_FSIZE, &former);
  std::signal(SIGXFSZ, handler);
  CHECK(code == "store_unavailable");
  CHECK(again == "store_unavailable");
  CHECK(openCredentials(f.vault, f.record(id)).accessToken == ScriptedProvider::token("first"));
  CHECK(tokenOf(f.node.tokens().accessToken(id, {})) == ScriptedProvider::token("renewed"));
  CHECK(f.google.refreshes == 1);
  CHECK(openCredentials(f.vault, f.record(id)).refreshToken == ScriptedProvider::kCanary + "-refresh-1");
}

TEST_CASE("Two persons' rows that were swapped in the database open for neither") {
  Fixture f;
  const auto johns = f.connect(f.google, f.john);
  f.google.account = {"account-2", "sarah@gmail.example"};
  const auto sarahs = f.connect(f.google, f.sarah);
  const auto one = f.record(johns);
  const auto two = f.record(sarahs);
  f.store->storeCredentials(johns, one.credentialsVersion, two.sealed);
  f.store->storeCredentials(sarahs, two.credentialsVersion, one.sealed);
  CHECK(failureOf(f.node.tokens().accessToken(johns, {})).code == "vault_damaged");
  CHECK(failureOf(f.node.tokens().accessToken(sarahs, {})).code == "vault_damaged");
  CHECK(f.status(f.john, "google").health == "needs_reconnection");
}

TEST_CASE("A host that missed a change of the master key spoils nobody's connection") {
  Fixture f;
  const auto cached = f.connect(f.google, f.john);
  const auto cold = f.connect(f.google, f.sarah);
  CHECK(tokenOf(f.node.tokens().accessToken(cached, {})) == ScriptedProvider::token("first"));
  f.node.tokens().forget(cold);
  const KeyRing others{{MasterKey(std::string(32, 'o'))}};
  const Vault othersVault(others, f.random);
  std::vector<store::ConnectionRecord> rows{f.record(cached), f.record(cold)};
  for (auto& row : rows) {
    auto credentials = openCredentials(f.vault, row);
    row.sealed = sealCredentials(othersVault, credentials, row.id, row.personId, row.provider);
  }
  REQUIRE(f.store->reseal(rows, {}) == 2);
  f.store->setMeta(kMetaKeyId, others.newest()->id());

  const auto refused = f.node.tokens().accessToken(cold, {});
  CHECK(failureOf(refused).status == Status::transient);
  CHECK(failureOf(refused).code == "wrong_master_key");
  f.clock.advance(kHour); // the other one's token has ended
  CHECK(errorCode([&] { f.node.tokens().accessToken(cached, {}); }) == "wrong_master_key");
  for (const auto& row : rows) {
    CHECK(f.record(row.id).state == "connected");
    CHECK(f.record(row.id).sealed == row.sealed);
  }
}

TEST_CASE("The cache stays within its bounds and gives the right tokens") {
  Fixture f;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 12; ++i) {
    const Person person{"p" + std::to_string(i), "P", "p@example.com", "staff", "UTC", {}};
    f.store->putPerson(person, std::nullopt);
    f.google.account = {"account-" + std::to_string(i), "label"};
    f.google.onExchange = [&, i](const auto&) {
      return Outcome<Grant>(f.google.grant("of-" + std::to_string(i), "refresh-x"));
    };
    ids.push_back(f.connect(f.google, person));
  }
  PersonLocks locks;
  AccessTokens small(*f.store, f.providers, f.vault, locks, f.clock, f.log, 5);
  for (int round = 0; round < 2; ++round)
    for (std::size_t i = 0; i < ids.size(); ++i) {
      CHECK(tokenOf(small.accessToken(ids[i], {})) == ScriptedProvider::token("of-" + std::to_string(i)));
      CHECK(small.cached() <= 5);
    }
}

TEST_CASE("An unknown or ended connection has no token, and a feed needs none") {
  Fixture f;
  CHECK(failureOf(f.node.tokens().accessToken(4711, {})).code == "not_connected");
  const auto id = f.connect(f.google, f.john);
  f.node.tokens().accessToken(id, {});
  f.node.disconnection().disconnect("john", "google", Entries::keep);
  CHECK(failureOf(f.node.tokens().accessToken(id, {})).code == "not_connected");
  f.node.feeds().connect(f.john, std::nullopt, "ics");
  for (const auto& record : f.store->connectionsOf("john"))
    if (record.provider == "ics")
      CHECK(tokenOf(f.node.tokens().accessToken(record.id, {})) == "");
}
