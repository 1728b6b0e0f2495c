#include "delivery/circuit_breaker.hpp"
#include "delivery/rate_limit.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <vector>

namespace calbridge::delivery {
namespace {

constexpr TimeMs kMinute = 60'000;

/// How many requests pass when somebody tries at every `step` ms for so long, and the most in any minute of it.
struct Passed {
  int all = 0;
  std::size_t mostInAMinute = 0;
};

template <typename Try>
Passed tryFor(TimeMs duration, TimeMs step, Try&& attempt) {
  Passed passed;
  std::deque<TimeMs> window;
  for (TimeMs now = 0; now < duration; now += step)
    while (attempt(now)) {
      ++passed.all;
      window.push_back(now);
      while (window.front() <= now - kMinute)
        window.pop_front();
      passed.mostInAMinute = std::max(passed.mostInAMinute, window.size());
    }
  return passed;
}

void breakIt(CircuitBreaker& breaker, TimeMs now) {
  bool opened = false;
  for (int i = 0; i < 100 && !opened; ++i)
    opened = breaker.failed(i % 3, now);
  REQUIRE(opened);
}

} // namespace

TEST_CASE("No minute sees more requests than the quota, and nearly all of the quota can be used") {
  const int quota = GENERATE(1, 7, 60, 600, 10'000);
  INFO("quota " << quota);
  RateLimiter limiter({.perMinute = quota, .perAccountPerMinute = 0}, 0);
  const Passed passed = tryFor(10 * kMinute, 5, [&](TimeMs now) { return limiter.take(1, now); });
  CHECK(passed.mostInAMinute <= static_cast<std::size_t>(quota));
  CHECK(passed.all >= 9 * quota * 8 / 10);
}

TEST_CASE("One account's quota holds back that account and nobody else") {
  RateLimiter limiter({.perMinute = 0, .perAccountPerMinute = 600}, 0);
  int eager = 0;
  while (limiter.take(1, 0))
    ++eager;
  CHECK(eager == 60); // a tenth at once
  const auto again = limiter.nextTry(0);
  REQUIRE(again);
  CHECK(*again > 0);
  CHECK(limiter.take(2, 0));
  CHECK_FALSE(limiter.nextTry(0)); // nothing was refused since
  CHECK_FALSE(limiter.take(1, 0));
  CHECK(limiter.take(1, kMinute));
}

TEST_CASE("What is refused for the account takes nothing from the quota of all") {
  RateLimiter limiter({.perMinute = 20, .perAccountPerMinute = 10}, 0);
  REQUIRE(limiter.take(1, 0)); // one of two, and the account's only one
  for (int i = 0; i < 10; ++i)
    CHECK_FALSE(limiter.take(1, 0));
  CHECK(limiter.take(2, 0));
}

TEST_CASE("A push of several requests counts as so many") {
  constexpr int kQuota = 600, kRequests = 3;
  RateLimiter limiter({.perMinute = kQuota, .perAccountPerMinute = 300}, 0);
  const Passed passed = tryFor(10 * kMinute, 5, [&](TimeMs now) {
    const bool taken = limiter.take(1, now);
    if (taken)
      limiter.charge(1, kRequests - 1, now);
    return taken;
  });
  CHECK(passed.mostInAMinute * kRequests <= 300 + kRequests);
  CHECK(passed.all * kRequests >= 9 * 300 * 8 / 10);
  limiter.charge(2, 0, 10 * kMinute); // a push without a request
  CHECK(limiter.take(2, 11 * kMinute));
}

TEST_CASE("Several hosts together keep to the quota of the application, also while one comes or goes") {
  constexpr int kQuota = 600;
  std::vector<RateLimiter> hosts;
  for (int i = 0; i < 3; ++i)
    hosts.emplace_back(RateLimits{.perMinute = kQuota, .perAccountPerMinute = 0}, 0);
  const auto alive = [](TimeMs now) { return now < 5 * kMinute ? 3 : 2; };
  const Passed passed = tryFor(10 * kMinute, 5, [&](TimeMs now) {
    bool taken = false;
    for (int i = 0; i < alive(now) && !taken; ++i) {
      hosts[i].share(alive(now), now);
      taken = hosts[i].take(1, now);
    }
    return taken;
  });
  CHECK(passed.mostInAMinute <= kQuota);
  CHECK(passed.all >= 9 * kQuota * 8 / 10);
}

TEST_CASE("A clock that is set back neither gives nor takes requests") {
  TokenBucket bucket(600, kMinute);
  while (bucket.ready(kMinute))
    bucket.take(kMinute);
  CHECK_FALSE(bucket.ready(0));
  CHECK_FALSE(bucket.ready(50));
  CHECK(bucket.ready(kMinute));
}

TEST_CASE("A provider is taken to be down after failures in a row of several connections, and not for one mailbox") {
  CircuitBreaker breaker;
  for (int i = 0; i < 1000; ++i)
    REQUIRE_FALSE(breaker.failed(7, 0));
  CHECK(breaker.state() == CircuitBreaker::State::closed);
  CHECK_FALSE(breaker.failed(8, 0));
  CHECK(breaker.failed(9, 0));
  CHECK(breaker.state() == CircuitBreaker::State::open);
  CHECK_FALSE(breaker.admits(0));
}

TEST_CASE("An answer between failures starts the count anew") {
  CircuitBreaker breaker;
  for (int i = 0; i < 1000; ++i) {
    REQUIRE_FALSE(breaker.failed(i, 0));
    if (i % 9 == 8)
      CHECK_FALSE(breaker.answered());
  }
}

TEST_CASE("A provider that is down is asked one thing at a time, ever more seldom, until it answers") {
  CircuitBreaker breaker;
  breakIt(breaker, 0);
  TimeMs now = 0, last = 0;
  for (int probes = 0; probes < 10; ++probes) {
    const TimeMs pause = breaker.until() - now;
    CHECK(pause >= last);
    CHECK(pause <= 5'000);
    last = pause;
    CHECK_FALSE(breaker.admits(breaker.until() - 1));
    now = breaker.until();
    CHECK(breaker.admits(now));
    CHECK(breaker.state() == CircuitBreaker::State::halfOpen);
    CHECK_FALSE(breaker.admits(now)); // one probe
    CHECK_FALSE(breaker.failed(1, now));
  }
  CHECK(last == 5'000);
  CHECK(breaker.admits(breaker.until()));
  CHECK(breaker.answered());
  CHECK(breaker.state() == CircuitBreaker::State::closed);
  breakIt(breaker, now);
  CHECK(breaker.until() == now + 1'000); // the next outage begins with a short pause again
}

TEST_CASE("A probe that does not take place leaves room for another") {
  CircuitBreaker breaker;
  breakIt(breaker, 0);
  CHECK(breaker.admits(breaker.until()));
  breaker.unused();
  CHECK(breaker.admits(breaker.until()));
}

} // namespace calbridge::delivery
