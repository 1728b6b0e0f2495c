#include "delivery/pool_size.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace calbridge::delivery;
using namespace std::chrono_literals;

namespace {

/// A pool whose threads all push at a provider, with time that only this moves: pushes end evenly, as many a second as
/// `rate` says for that many threads.
struct Pool {
  explicit Pool(std::size_t limit) : size(limit), threads(size.target()) { size.begin(now); }

  template <typename Rate>
  void work(int pushes, bool waiting, Rate&& rate) {
    for (int i = 0; i < pushes; ++i) {
      const std::chrono::duration<double> apart(1 / rate(threads));
      now += std::chrono::duration_cast<PoolSize::Duration>(apart);
      const auto took = std::chrono::duration_cast<PoolSize::Duration>(apart * static_cast<double>(threads));
      size.ended(took, now, waiting, threads);
      threads = size.target();
      most = std::max(most, threads);
    }
  }

  PoolSize size;
  PoolSize::Time now{1h};
  std::size_t threads;
  std::size_t most = 0;
};

/// A provider that takes so long for each.
auto slow(std::chrono::duration<double> each) {
  return [each](std::size_t threads) { return static_cast<double>(threads) / each.count(); };
}
/// Something that all of them wait for, and that lets so many through a second: processors, or the database.
auto bottleneck(double rate) {
  return [rate](std::size_t) { return rate; };
}

} // namespace

TEST_CASE("A pool for a slow provider grows to its limit, and no further") {
  Pool pool(48);
  CHECK(pool.threads == 16);
  pool.work(600, true, slow(20ms));
  CHECK(pool.most == 48);
  CHECK(pool.threads == 48);
}

TEST_CASE("A pool for a very slow provider gets a thousand threads within its first three thousand pushes") {
  Pool pool(1024);
  pool.work(3000, true, slow(100ms));
  CHECK(pool.threads == 1024);
}

TEST_CASE("Threads that would only wait for each other are tried for a moment, and do not stay") {
  Pool pool(1000);
  pool.size.ended(1ms, pool.now, true, pool.threads); // the first has nobody before it
  pool.work(800, true, bottleneck(1000));
  CHECK(pool.most == 32);
  CHECK(pool.threads == 16);
}

TEST_CASE("A trial that brought nothing is made again a second later, when more may be gained") {
  Pool pool(64);
  pool.work(200, true, bottleneck(1000));
  REQUIRE(pool.threads == 16);
  pool.work(1000, true, bottleneck(1000)); // a second of it
  pool.work(3000, true, slow(20ms));
  CHECK(pool.threads == 64);
}

TEST_CASE("A provider that answers at once gets few threads, however much waits") {
  Pool pool(1000);
  pool.work(20000, true, slow(200us));
  CHECK(pool.most == 16);
}

TEST_CASE("Where nothing waits for a thread no more of them are tried") {
  Pool pool(1000);
  pool.work(2000, false, slow(100ms));
  CHECK(pool.most == 16);
}

TEST_CASE("One push that stalls starts no threads") {
  Pool pool(1000);
  pool.work(500, true, slow(500us));
  const auto before = pool.threads;
  pool.size.ended(5s, pool.now, true, pool.threads);
  CHECK(pool.size.target() == before);
}

TEST_CASE("What many threads have proven is over when they have ended for want of work") {
  Pool pool(1000);
  pool.work(3000, true, slow(100ms));
  REQUIRE(pool.threads > 500);
  pool.size.shrunk(3);
  CHECK(pool.size.target() == 16);
}
