#include "fixture.hpp"
#include "store/postgresql/array.hpp"
#include "store/postgresql/schema.hpp"
#include "store/postgresql/sessions.hpp"

#include <set>

using namespace on_postgresql;
using postgresql::Failure;
using postgresql::Session;

namespace {

void endAllSessions() {
  Session(server().url())
      .value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'calbridge' "
             "AND pid <> pg_backend_pid()");
}

} // namespace

TEST_CASE("The commit of an aborted transaction is a failure") {
  Session session(freshUrl());
  session.script("CREATE TABLE t (n BIGINT PRIMARY KEY)");
  session.begin(true);
  session.script("INSERT INTO t VALUES (1)");
  CHECK_THROWS_AS(session.script("INSERT INTO t VALUES (1)"), Failure);
  CHECK_THROWS_AS(session.commit(), Failure);
  CHECK(session.value("SELECT count(*) FROM t") == "0");
}

TEST_CASE("A failure names its kind and quotes no value") {
  Session session(freshUrl());
  session.script("CREATE TABLE secrets (n BIGINT PRIMARY KEY, token TEXT UNIQUE)");
  session.script("INSERT INTO secrets VALUES (1, 'canary')");
  for (const char* statement : {"INSERT INTO secrets VALUES (2, 'canary')", "SELECT 'canary'::bigint"}) {
    try {
      session.script(statement);
      FAIL("it must be refused");
    } catch (const Failure& failure) {
      CHECK(std::string(failure.what()).find("canary") == std::string::npos);
      CHECK_FALSE(failure.lost());
      CHECK(failure.toError().code() == "store_refused");
    }
  }
}

TEST_CASE("A wrong password is a clear error without the password") {
  std::string url = server().url();
  const auto colon = url.find(':', url.find("//"));
  const auto at = url.find('@');
  url.replace(colon + 1, at - colon - 1, "canary%20password");
  try {
    openStore(url);
    FAIL("it must be refused");
  } catch (const Error& error) {
    CHECK(error.code() == "store_unavailable");
    CHECK(error.message().find("password authentication failed") != std::string::npos);
    CHECK((error.message() + error.detail()).find("canary") == std::string::npos);
  }
}

TEST_CASE("A place for messages has neither password nor options") {
  CHECK(postgresql::placeOf("postgresql://user:secret@host:5433/db?sslmode=require") == "user@host:5433/db");
  CHECK(postgresql::placeOf("postgresql://user@host/db") == "user@host/db");
  CHECK(postgresql::placeOf("postgres:///db") == "/db");
}

TEST_CASE("A database of another program and one of a newer version are refused") {
  const auto foreign = freshUrl();
  Session(foreign).script("CREATE TABLE orders (n BIGINT)");
  CHECK_THROWS_WITH(openStore(foreign), Catch::Contains("another program"));
  const auto newer = freshUrl();
  openStore(newer);
  Session(newer).script("UPDATE calbridge_schema SET version = version + 1");
  try {
    openStore(newer);
    FAIL("it must be refused");
  } catch (const Error& error) {
    CHECK(error.code() == "store_newer");
  }
}

TEST_CASE("Sessions that were ended are replaced without anybody noticing") {
  const auto url = freshUrl();
  const auto store = openNode(url, "one");
  for (int round = 0; round < 3; ++round) {
    store->setMeta("key", std::to_string(round));
    endAllSessions();
    CHECK(store->meta("key") == std::to_string(round));
    endAllSessions();
    store->setMeta("key", "after " + std::to_string(round));
    CHECK(store->meta("key") == "after " + std::to_string(round));
  }
  const std::vector<NewEvent> events{newEvent("evt-1")};
  endAllSessions();
  CHECK(store->acceptEvents(events, kNow).at(0).result == Acceptance::Result::accepted);
}

TEST_CASE("Work whose session is ended between its statements is done again as a whole") {
  const auto url = freshUrl();
  postgresql::openSchema(url);
  postgresql::Sessions sessions(url);
  int attempts = 0;
  sessions.write(postgresql::Durability::durable, [&](Session& session) {
    session.run("meta_put", "first", "1");
    if (++attempts == 1)
      endAllSessions();
    session.run("meta_put", "second", "2");
  });
  CHECK(attempts == 2);
  CHECK(Session(url).value("SELECT count(*) FROM meta") == "2");
}

TEST_CASE("A commit that was carried out but not heard of is found again and not repeated") {
  const auto url = freshUrl();
  const auto store = openNode(url, "one");
  // The commit is there, the answer is not: the second try of the same work meets what the first one stored.
  const auto connection = connectPerson(*store, "john");
  CHECK(store->storeCredentials(connection.id, connection.credentialsVersion, "fresh token"));
  CHECK(store->storeCredentials(connection.id, connection.credentialsVersion, "fresh token"));
  CHECK(store->connection(connection.id)->credentialsVersion == connection.credentialsVersion + 1);
  CHECK_FALSE(store->storeCredentials(connection.id, connection.credentialsVersion, "another token"));
  const auto key = store->addAppKey("booking", "hash", kNow);
  CHECK(store->addAppKey("booking", "hash", kNow) == key);
  store->addSession({"token", "john", kNow, kNow + kHour});
  CHECK_NOTHROW(store->addSession({"token", "john", kNow, kNow + kHour}));
  place(*store, "A-1", "john");
  const auto tasks = claim(*store);
  REQUIRE(tasks.size() == 1);
  const auto outcome = delivered(tasks[0]);
  store->recordOutcomes({&outcome, 1});
  store->recordOutcomes({&outcome, 1});
  CHECK(store->deliveriesOfPlacement(tasks[0].placementId).at(0).appliedRevision == 1);
}

TEST_CASE("What was acknowledged before the server crashed is there afterwards, and the host goes on within seconds") {
  const auto url = freshUrl();
  const auto store = openNode(url, "one");
  std::atomic<bool> stop{false};
  std::atomic<int> stored{0};
  std::vector<std::set<std::string>> acknowledged(4);
  std::vector<std::set<std::string>> refusals(acknowledged.size()); // Catch2's assertions are for one thread alone
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < acknowledged.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) {
        const std::vector<NewEvent> one{newEvent(std::to_string(t) + "-" + std::to_string(i))};
        try {
          store->acceptEvents(one, kNow);
          acknowledged[t].insert(one[0].id);
          ++stored;
        } catch (const Error& error) {
          refusals[t].insert(error.code());
        }
      }
    });
  for (int round = 0; round < 2; ++round) {
    const int before = stored;
    CHECK(eventually([&] { return stored > before + 100; }));
    server().tell("crash");
  }
  const int before = stored;
  CHECK(eventually([&] { return stored > before + 100; }));
  stop = true;
  for (auto& thread : threads)
    thread.join();
  for (const auto& codes : refusals)
    for (const auto& code : codes)
      CHECK(code == "store_unavailable");
  std::size_t all = 0, missing = 0;
  for (const auto& ids : acknowledged)
    for (const auto& id : ids) {
      ++all;
      missing += store->event("app", id) ? 0U : 1U;
    }
  INFO(all << " acknowledged");
  CHECK(missing == 0);
}

TEST_CASE("A server that is down is store_unavailable, and back when it is") {
  const auto url = freshUrl();
  const auto store = openNode(url, "one");
  store->ping();
  server().tell("stop");
  try {
    store->ping();
    FAIL("nothing can be stored now");
  } catch (const Error& error) {
    CHECK(error.code() == "store_unavailable");
  }
  server().tell("start");
  CHECK(eventually([&] {
    try {
      store->ping();
      return true;
    } catch (const Error&) {
      return false;
    }
  }));
}

TEST_CASE("Text that PostgreSQL cannot keep is replaced character by character") {
  using postgresql::isStorable;
  using postgresql::storable;
  const std::string mark = "\xef\xbf\xbd";
  for (const char* fine :
       {"", "plain", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    CHECK(isStorable(fine));
    CHECK(storable(fine) == fine);
  }
  CHECK(storable(std::string("a\0b", 3)) == "a" + mark + "b");
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf5\x80\x80\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80"}) {
    CHECK_FALSE(isStorable(bad));
    CHECK(isStorable(storable(bad)));
  }
}
