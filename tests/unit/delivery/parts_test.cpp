#include "fixture.hpp"

#include "delivery/bulk_sync.hpp"
#include "delivery/directory_cache.hpp"

#include <regex>
#include <set>

namespace calbridge::delivery {
namespace {

const double kRandoms[] = {0.0, 0.000001, 0.25, 0.5, 0.75, 0.999999};

struct Files {
  TemporaryFolder folder;
  TestClock clock;
  SystemRandom random;
  RecordingLogger log;
  std::unique_ptr<store::Store> store = open();
  std::unique_ptr<store::Store> open() const {
    return store::openStore("sqlite:" + (folder.path / "test.db").string());
  }
};

std::vector<DeliveryTask> tasks(std::size_t count) {
  std::vector<DeliveryTask> list(count);
  for (std::size_t i = 0; i < count; ++i)
    list[i].placementId = static_cast<std::int64_t>(i + 1);
  return list;
}

} // namespace

TEST_CASE("The pause doubles with every failure up to the longest one") {
  RetryPolicy policy;
  policy.jitter = 0;
  TimeMs expected = 1000;
  for (int failures = 1; failures <= 40; ++failures) {
    INFO("failure " << failures);
    CHECK(policy.pause(failures, 0.5, 0) == expected);
    expected = std::min<TimeMs>(expected * 2, 3'600'000);
  }
  CHECK(policy.pause(2'000'000'000, 0.5, 0) == 3'600'000);
}

TEST_CASE("Jitter keeps every pause within its share and spreads it over the whole of it") {
  const RetryPolicy policy;
  for (int failures = 1; failures <= 20; ++failures) {
    const TimeMs base = std::min<TimeMs>(TimeMs{1000} << std::min(failures - 1, 20), 3'600'000);
    for (const double random : kRandoms) {
      INFO("failure " << failures << ", random " << random);
      const TimeMs pause = policy.pause(failures, random, 0);
      CHECK(pause >= base * 3 / 4);
      CHECK(pause <= base * 5 / 4);
    }
    CHECK(policy.pause(failures, 0, 0) == base * 3 / 4);
    CHECK(policy.pause(failures, 0.999999, 0) > base * 12 / 10);
  }
}

TEST_CASE("Retry-After is never undercut, whatever the random value") {
  const RetryPolicy policy;
  for (const TimeMs wish : {TimeMs{1}, TimeMs{999}, 30 * kSecond, 10 * kMinute, 2 * kHour, 48 * kHour})
    for (const int failures : {1, 2, 7, 13, 40})
      for (const double random : kRandoms) {
        INFO("wish " << wish << ", failure " << failures << ", random " << random);
        CHECK(policy.pause(failures, random, wish) >= wish);
        CHECK(policy.pause(failures, random, wish) >= policy.pause(failures, random, 0));
      }
}

TEST_CASE("Tries go on for at least 27 hours after the first failure") {
  const RetryPolicy policy;
  const TimeMs first = 1'800'000'000'000;
  for (const double random : kRandoms) {
    TimeMs now = first;
    int failures = 1;
    while (!policy.exhausted(first, first - kHour, now)) {
      now += policy.pause(failures, random, 0);
      ++failures;
      REQUIRE(failures < 1000);
    }
    INFO("random " << random << ", " << failures << " tries");
    CHECK(now - first >= 27 * kHour);
    CHECK(failures > 30);
    CHECK(failures < 60);
  }
}

TEST_CASE("A delivery is given up only after the time to persist and the end of its appointment") {
  const RetryPolicy policy;
  const TimeMs first = 1'800'000'000'000;
  CHECK_FALSE(policy.exhausted(first, first - kHour, first + policy.persistMs));
  CHECK(policy.exhausted(first, first - kHour, first + policy.persistMs + 1));
  const TimeMs end = first + 30 * 24 * kHour;
  CHECK_FALSE(policy.exhausted(first, end, first + policy.persistMs + 1));
  CHECK_FALSE(policy.exhausted(first, end, end));
  CHECK(policy.exhausted(first, end, end + 1));
  CHECK_FALSE(policy.exhausted(0, 0, first)); // has not failed yet
}

TEST_CASE("A pool runs every task once and never more at a time than its limit") {
  Gate gate;
  Crowd crowd;
  Signal done;
  std::mutex mutex;
  std::multiset<std::int64_t> seen;
  WorkerPool pool("test", 4, [&](const DeliveryTask& task) {
    crowd.enter();
    gate.pass();
    crowd.leave();
    {
      const std::lock_guard lock(mutex);
      seen.insert(task.placementId);
    }
    done.raise();
  });
  const auto all = static_cast<int>(pool.room());
  REQUIRE(all > 4);
  pool.submit(tasks(static_cast<std::size_t>(all)));
  REQUIRE(gate.entered.reaches(4));
  CHECK(pool.inFlight() == static_cast<std::size_t>(all));
  CHECK(pool.room() == 0);
  CHECK(crowd.inside() == 4);
  gate.open();
  REQUIRE(done.reaches(all));
  CHECK(crowd.most() == 4);
  CHECK(seen.size() == static_cast<std::size_t>(all));
  for (std::int64_t id = 1; id <= all; ++id)
    CHECK(seen.count(id) == 1);
  CHECK(eventually([&] { return pool.room() == static_cast<std::size_t>(all); }));
}

TEST_CASE("Fast work gets by with few threads") {
  Signal done;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  WorkerPool pool("test", 1000, [&](const DeliveryTask&) {
    {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    }
    done.raise();
  });
  constexpr int kAlone = 100; // so that the pool knows how fast it is: a single one may have waited for the processor
  for (int i = 1; i <= kAlone; ++i) {
    pool.submit(tasks(1));
    REQUIRE(done.reaches(i));
  }
  {
    const std::lock_guard lock(mutex);
    threads.clear();
  }
  pool.submit(tasks(5000));
  REQUIRE(done.reaches(kAlone + 5000));
  CHECK(threads.size() <= 17);
}

TEST_CASE("Slow work gets more threads, up to the limit") {
  Signal done;
  Crowd crowd;
  std::size_t given = 0;
  WorkerPool pool("test", 48, [&](const DeliveryTask&) {
    crowd.enter();
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // what the provider takes
    crowd.leave();
    done.raise();
  });
  // When trials are worth it is PoolSize's (pool_size_test); on a machine that is busy otherwise one may have to be
  // repeated.
  CHECK(eventually([&] {
    if (done.count() + 300 > given) {
      pool.submit(tasks(300));
      given += 300;
    }
    return crowd.most() > 32;
  }));
  for (const auto& left : pool.close())
    CHECK(left.placementId > 0);
  pool.wait();
  CHECK(crowd.most() <= 48);
}

TEST_CASE("Closing a pool gives back what no thread has begun and waits for the rest") {
  Gate gate;
  Signal done;
  WorkerPool pool("test", 1, [&](const DeliveryTask&) {
    gate.pass();
    done.raise();
  });
  pool.submit(tasks(5));
  REQUIRE(gate.entered.reaches(1));
  const auto left = pool.close();
  REQUIRE(left.size() == 4);
  CHECK(left.front().placementId == 2);
  CHECK(left.back().placementId == 5);
  CHECK(pool.room() == 0);
  CHECK_FALSE(pool.waitUntil(std::chrono::steady_clock::now()));
  gate.open();
  CHECK(pool.waitUntil(std::chrono::steady_clock::now() + kPatience));
  pool.wait();
  CHECK(done.count() == 1);
  CHECK(pool.inFlight() == 0);
}

TEST_CASE("Outcomes that come while a batch is being stored are stored together") {
  Files files;
  ObservedStore observed(*files.store);
  Gate gate;
  observed.beforeRecord = [&](auto) { gate.pass(); };
  Signal told;
  OutcomeRecorder recorder(observed, files.log, [&](const auto& outcomes) { told.raise(outcomes.size()); });
  recorder.add({});
  REQUIRE(gate.entered.reaches(1));
  for (int i = 0; i < 99; ++i)
    recorder.add({});
  gate.open();
  REQUIRE(told.reaches(100));
  CHECK(observed.batches.count() == 2);
}

TEST_CASE("Outcomes that the store refuses are kept and offered again by themselves") {
  Files files;
  ObservedStore observed(*files.store);
  std::atomic<int> failures{1};
  observed.beforeRecord = [&](auto) {
    if (failures-- > 0)
      throw Error("store_unavailable", "the disk is full");
  };
  Signal told;
  OutcomeRecorder recorder(observed, files.log, [&](const auto& outcomes) { told.raise(outcomes.size()); });
  recorder.add({});
  CHECK(told.reaches(1)); // nothing else is added that could wake the recorder
  CHECK(observed.recorded.count() == 1);
  CHECK(files.log.text().find("the disk is full") != std::string::npos);
}

TEST_CASE("A recorder that stops stores what has been added") {
  Files files;
  ObservedStore observed(*files.store);
  OutcomeRecorder recorder(observed, files.log, [](const auto&) {});
  for (int i = 0; i < 50; ++i)
    recorder.add({});
  recorder.stop();
  CHECK(observed.recorded.count() == 50);
}

TEST_CASE("A recorder stops although the store stays broken") {
  Files files;
  ObservedStore observed(*files.store);
  observed.beforeRecord = [](auto) { throw Error("store_unavailable", "the disk is gone"); };
  OutcomeRecorder recorder(observed, files.log, [](const auto&) {});
  recorder.add({});
  recorder.stop();
  CHECK(observed.recorded.count() == 0);
}

TEST_CASE("A task that waited too long for a thread is not begun") {
  Signal begun, late;
  std::vector<std::int64_t> given;
  WorkerPool pool(
      "test", 1, [&](const DeliveryTask&) { begun.raise(); }, WorkerPool::Duration::zero(),
      [&](const DeliveryTask& task) {
        given.push_back(task.placementId);
        late.raise();
      });
  std::vector<DeliveryTask> tasks(3);
  for (std::size_t i = 0; i < tasks.size(); ++i)
    tasks[i].placementId = static_cast<std::int64_t>(i);
  pool.submit(tasks);
  REQUIRE(late.reaches(3));
  pool.close();
  pool.wait();
  CHECK(given == std::vector<std::int64_t>{0, 1, 2});
  CHECK(begun.count() == 0);
  CHECK(pool.inFlight() == 0);
}

TEST_CASE("Names of entries are stable over restarts and differ between installations") {
  Files one, other;
  const EntryIdentity first(*one.store, one.random);
  const std::string uid = first.uid("john", "A-7", "google"), key = first.idempotencyKey("john", "A-7", "google", 0);
  one.store.reset();
  one.store = one.open();
  const EntryIdentity again(*one.store, one.random);
  CHECK(again.uid("john", "A-7", "google") == uid);
  CHECK(again.idempotencyKey("john", "A-7", "google", 0) == key);
  const EntryIdentity elsewhere(*other.store, other.random);
  CHECK(elsewhere.uid("john", "A-7", "google") != uid);
  CHECK(elsewhere.idempotencyKey("john", "A-7", "google", 0) != key);

  const std::set<std::string> uids{uid,
                                   again.uid("john", "A-7", "outlook"),
                                   again.uid("john", "A-7", ""),
                                   again.uid("john", "A-8", "google"),
                                   again.uid("mary", "A-7", "google"),
                                   again.uid("joh", "nA-7", "google"),
                                   again.uid("john/3:A-7", "A-7", "google"),
                                   again.uid("john", "A-7/6:google", "google")};
  CHECK(uids.size() == 8);
  const std::set<std::string> keys{key, again.idempotencyKey("john", "A-7", "google", 1),
                                   again.idempotencyKey("john", "A-7", "outlook", 0),
                                   again.idempotencyKey("john", "A-8", "google", 0)};
  CHECK(keys.size() == 4);
}

TEST_CASE("Names of entries have the form that every provider accepts") {
  Files files;
  const EntryIdentity identity(*files.store, files.random);
  CHECK(std::regex_match(identity.uid("john", "A-7", "google"), std::regex("[a-f0-9]{40}")));
  CHECK(std::regex_match(identity.idempotencyKey("john", "A-7", "google", 3),
                         std::regex("[a-f0-9]{8}-[a-f0-9]{4}-8[a-f0-9]{3}-8[a-f0-9]{3}-[a-f0-9]{12}")));
}

TEST_CASE("On a restored database every entry is looked for before it is made") {
  Files files;
  CHECK(EntryIdentity(*files.store, files.random).firstAttempt() == 1);
  files.store->setMeta(EntryIdentity::kRestoredKey, "2026-11-23T00:00:00Z");
  CHECK(EntryIdentity(*files.store, files.random).firstAttempt() == 2);
}

TEST_CASE("The directory is read again only when somebody in it has changed") {
  Files files;
  files.store->putPerson({"john", "John", "john@example.com", "customer", "UTC", {}}, std::nullopt);
  DirectoryCache cache(*files.store);
  const auto before = cache.current();
  REQUIRE(before->person("john"));
  CHECK(cache.current() == before);
  const auto version = cache.version();
  files.store->putPerson({"john", "John", "john@example.com", "staff", "UTC", {}}, std::nullopt);
  const auto after = cache.current();
  CHECK(after != before);
  CHECK(after->person("john")->role == "staff");
  CHECK(before->person("john")->role == "customer"); // whoever works with it is not disturbed
  CHECK(cache.version() > version);
  files.store->erasePerson("john");
  CHECK(cache.current()->person("john") == nullptr);
}

TEST_CASE("A bulk sync reaches everybody and says how far it is") {
  Files files;
  ObservedStore observed(*files.store);
  Gate gate;
  observed.beforeResync = [&](const std::string& person) {
    if (person == "b")
      gate.pass();
  };
  for (const auto* id : {"a", "b", "c"})
    files.store->putPerson({id, id, std::string(id) + "@example.com", "customer", "UTC", {}}, std::nullopt);
  BulkSync bulk(observed, files.clock, files.random, files.log);
  const auto job = bulk.begin({"a", "b", "c"});
  CHECK(job.state == "queued");
  CHECK(job.people == 3);
  bulk.start();
  REQUIRE(gate.entered.reaches(1));
  CHECK(bulk.job(job.id)->state == "running");
  CHECK(bulk.job(job.id)->done == 1);
  CHECK(bulk.job(job.id)->startedAt == files.clock.now());
  gate.open();
  CHECK(eventually([&] { return bulk.job(job.id)->state == "done"; }));
  CHECK(bulk.job(job.id)->done == 3);
  CHECK(bulk.job(job.id)->finishedAt == files.clock.now());
  CHECK_FALSE(bulk.job("another"));
}

TEST_CASE("A bulk sync that the store refuses has failed, and the next one is carried out") {
  Files files;
  ObservedStore observed(*files.store);
  std::atomic<int> failures{1};
  observed.beforeResync = [&](const std::string&) {
    if (failures-- > 0)
      throw Error("store_unavailable", "the disk is full");
  };
  BulkSync bulk(observed, files.clock, files.random, files.log);
  const auto first = bulk.begin({"a"}), second = bulk.begin({"b"});
  bulk.start();
  CHECK(eventually([&] { return bulk.job(second.id)->state == "done"; }));
  CHECK(bulk.job(first.id)->state == "failed");
  CHECK(bulk.job(first.id)->done == 0);
}

} // namespace calbridge::delivery
