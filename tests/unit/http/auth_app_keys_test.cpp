#include "auth_store.hpp"
#include "core/digest.hpp"
#include "http/auth/app_keys.hpp"

#include <thread>

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;

namespace {

struct Fixture {
  TemporaryStore store;
  ManualClock clock;
  SystemRandom random;
  AppKeys keys{*store, clock};

  std::string create(const std::string& name) {
    const std::string key = generateAppKey(random);
    store->addAppKey(name, appKeyHash(key), clock.now());
    return key;
  }
};

} // namespace

TEST_CASE("A generated app key is recognisable, 256 bits long and never the same twice") {
  SystemRandom random;
  const std::string key = generateAppKey(random);
  CHECK(key.size() == 47);
  CHECK_THAT(key, Catch::StartsWith("cbk_"));
  CHECK(generateAppKey(random) != key);
  CHECK(appKeyHash(key) == sha256Hex(key));
}

TEST_CASE("An app key is known by its name, and no part of it is stored") {
  Fixture f;
  const std::string key = f.create("shop");
  f.create("other");
  CHECK(f.keys.verify(key) == "shop");
  for (const store::AppKeyRecord& record : f.store->appKeys())
    CHECK_THAT(record.hash + record.name, !Catch::Contains(key.substr(4, 8)));
}

TEST_CASE("What is not exactly a live key is unknown") {
  Fixture f;
  const std::string key = f.create("shop");
  std::string changed = key;
  changed.back() = changed.back() == 'A' ? 'E' : 'A';
  for (const std::string& wrong :
       {std::string(), std::string("cbk_"), changed, key.substr(0, 46), key + "A", key + " ", "CBK_" + key.substr(4),
        key.substr(4), appKeyHash(key), "cbk_" + std::string(43, '\''), generateAppKey(f.random)}) {
    INFO(wrong);
    CHECK_FALSE(f.keys.verify(wrong));
  }
}

TEST_CASE("A key that is created while others are known works at once") {
  Fixture f;
  const std::string first = f.create("first");
  CHECK(f.keys.verify(first) == "first");
  const std::string second = f.create("second");
  CHECK(f.keys.verify(second) == "second");
}

TEST_CASE("A revoked key stops within a second") {
  Fixture f;
  const std::string key = f.create("shop");
  CHECK(f.keys.verify(key) == "shop");
  REQUIRE(f.store->revokeAppKey("shop", f.clock.now()));
  f.clock.advance(1000);
  CHECK_FALSE(f.keys.verify(key));
  f.clock.advance(100'000);
  CHECK_FALSE(f.keys.verify(key));
}

TEST_CASE("A revoked key stops within a second under steady use, too") {
  Fixture f;
  const std::string key = f.create("shop");
  REQUIRE(f.store->revokeAppKey("shop", f.clock.now()) == true);
  const std::string other = f.create("other");
  CHECK(f.keys.verify(other) == "other");
  const std::string doomed = f.create("doomed");
  CHECK(f.keys.verify(doomed) == "doomed");
  REQUIRE(f.store->revokeAppKey("doomed", f.clock.now()));
  bool known = true;
  for (int ms = 0; ms <= 1000; ms += 50, f.clock.advance(50)) {
    CHECK(f.keys.verify(other) == "other");
    known = f.keys.verify(doomed).has_value();
  }
  CHECK_FALSE(known);
  CHECK_FALSE(f.keys.verify(key));
}

TEST_CASE("Two live keys of one name both work, and one revocation ends both") {
  Fixture f;
  const std::string one = f.create("shop");
  const std::string two = f.create("shop");
  CHECK(f.keys.verify(one) == "shop");
  CHECK(f.keys.verify(two) == "shop");
  f.store->revokeAppKey("shop", f.clock.now());
  f.clock.advance(1000);
  CHECK_FALSE(f.keys.verify(one));
  CHECK_FALSE(f.keys.verify(two));
}

TEST_CASE("Threads that verify while keys come and go all see the truth") {
  Fixture f;
  const std::string steady = f.create("steady");
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      while (!stop)
        wrong += f.keys.verify(steady) == "steady" ? 0 : 1;
    });
  int late = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "key" + std::to_string(i);
    const std::string key = f.create(name);
    late += f.keys.verify(key) == name ? 0 : 1;
    f.store->revokeAppKey(name, f.clock.now());
    f.clock.advance(1000);
    late += f.keys.verify(key) ? 1 : 0;
  }
  stop = true;
  for (std::thread& thread : threads)
    thread.join();
  CHECK(wrong == 0);
  CHECK(late == 0);
}
