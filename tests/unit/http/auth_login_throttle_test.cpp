#include "auth_fixture.hpp"
#include "http/auth/login_throttle.hpp"

#include <thread>

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;

TEST_CASE("The sixth try on one account within a minute waits, from whatever address it comes") {
  ManualClock clock;
  LoginThrottle throttle(clock);
  for (int i = 0; i < 5; ++i) {
    CHECK(throttle.begin("john@example.com", "192.0.2." + std::to_string(i)).count() == 0);
    clock.advance(1000);
  }
  CHECK(throttle.begin("john@example.com", "192.0.2.99").count() == 55);
  CHECK(throttle.begin(" John@Example.COM ", "192.0.2.98").count() == 55);
  CHECK(throttle.begin("sarah@example.com", "192.0.2.99").count() == 0);
}

TEST_CASE("The sixth try from one address within a minute waits, whatever account it names") {
  ManualClock clock;
  LoginThrottle throttle(clock);
  for (int i = 0; i < 5; ++i)
    CHECK(throttle.begin("person" + std::to_string(i), "192.0.2.1").count() == 0);
  CHECK(throttle.begin("somebody else", "192.0.2.1").count() == 60);
  CHECK(throttle.begin("somebody else", "192.0.2.2").count() == 0);
}

TEST_CASE("Tries leave the window one by one, and a refused try costs nothing") {
  ManualClock clock;
  LoginThrottle throttle(clock);
  for (int i = 0; i < 5; ++i) {
    CHECK(throttle.begin("john", "192.0.2.1").count() == 0);
    clock.advance(10'000);
  }
  for (int i = 0; i < 20; ++i)
    CHECK(throttle.begin("john", "192.0.2.1").count() == 10);
  clock.advance(9'999);
  CHECK(throttle.begin("john", "192.0.2.1").count() == 1); // rounded up: never told to come too early
  clock.advance(1);
  CHECK(throttle.begin("john", "192.0.2.1").count() == 0);
  CHECK(throttle.begin("john", "192.0.2.1").count() == 10);
}

TEST_CASE("A success clears the account and takes its own try off the address") {
  ManualClock clock;
  LoginThrottle throttle(clock);
  for (int i = 0; i < 4; ++i)
    CHECK(throttle.begin("john", "192.0.2.1").count() == 0);
  CHECK(throttle.begin("john", "192.0.2.1").count() == 0);
  throttle.succeeded("john", "192.0.2.1");
  CHECK(throttle.begin("john", "192.0.2.1").count() == 0); // the fifth of this address
  CHECK(throttle.begin("john", "192.0.2.1").count() == 60);
  for (int i = 0; i < 4; ++i)
    CHECK(throttle.begin("john", "192.0.2.2").count() == 0);
  CHECK(throttle.begin("john", "192.0.2.3").count() == 60);
}

TEST_CASE("Any number of successful log-ins from one address pass") {
  ManualClock clock;
  LoginThrottle throttle(clock);
  for (int i = 0; i < 50; ++i) {
    const std::string person = "person" + std::to_string(i);
    CHECK(throttle.begin(person, "192.0.2.1").count() == 0);
    throttle.succeeded(person, "192.0.2.1");
  }
}

TEST_CASE("An IPv6 network of 64 bits is one address") {
  ManualClock clock;
  LoginThrottle throttle(clock);
  for (int i = 0; i < 5; ++i)
    CHECK(throttle.begin("p" + std::to_string(i), "2001:db8:1:2::" + std::to_string(i + 1)).count() == 0);
  CHECK(throttle.begin("another", "2001:db8:1:2:ffff::9").count() == 60);
  CHECK(throttle.begin("another", "2001:db8:1:3::1").count() == 0);
}

TEST_CASE("What is remembered is bounded, the least recently tried goes first") {
  ManualClock clock;
  LoginThrottle throttle(clock, {.perAccount = 1, .perAddress = 1000, .capacity = 3});
  for (const char* account : {"a", "b", "c"})
    CHECK(throttle.begin(account, "192.0.2.1").count() == 0);
  CHECK(throttle.begin("a", "192.0.2.1").count() == 60); // used again: b is the oldest now
  CHECK(throttle.begin("d", "192.0.2.1").count() == 0);
  CHECK(throttle.begin("a", "192.0.2.1").count() == 60);
  CHECK(throttle.begin("c", "192.0.2.1").count() == 60);
  CHECK(throttle.begin("b", "192.0.2.1").count() == 0);
}

TEST_CASE("Tries at the same moment do not pass the limit together") {
  ManualClock clock;
  LoginThrottle throttle(clock);
  std::atomic<int> passed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int k = 0; k < 50; ++k)
        passed += throttle.begin("john", "192.0.2." + std::to_string(i * 50 + k)).count() == 0 ? 1 : 0;
    });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(passed == 5);
}
