#include "core/provider_condition.hpp"
#include "plugin_fixture.hpp"
#include "temporary_folder.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <set>
#include <thread>

using namespace calbridge;
using namespace std::chrono_literals;
using calbridge::plugins::Isolation;
using calbridge::test::PluginFixture;
using calbridge::test::ScriptedHttp;
using calbridge::test::testSearch;
using Catch::Contains;
using std::chrono::steady_clock;
namespace fs = std::filesystem;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// An isolated plugin that does what it is told from call to call.
struct Told : PluginFixture {
  explicit Told(const std::string& plugin = "erratic", const plugins::PluginSearch& search = testSearch())
      : PluginFixture(plugin, {{"behaviour", "as told"}}, Isolation::isolated, search) {
    context.timeout = 60s;
    tell("well");
  }
  void tell(const std::string& behaviour) {
    http.answer = [behaviour](const HttpRequest&) { return ScriptedHttp::ok(200, behaviour); };
  }
  Outcome<PushReply> push() { return provider().push(PluginFixture::push("x"), context); }
  /// The id that a push ends with; "" when it fails.
  std::string pushed() {
    const auto outcome = push();
    const auto* reply = std::get_if<PushReply>(&outcome);
    return reply != nullptr ? reply->providerEventId : "";
  }
  Failure failed() {
    const auto outcome = push();
    REQUIRE(std::holds_alternative<Failure>(outcome));
    return std::get<Failure>(outcome);
  }
  /// Pushes until it works again.
  bool recovers() {
    return eventually([&] { return pushed() == "well"; });
  }
  bool logs(const std::string& words) {
    return eventually([&] { return lines().find(words) != std::string::npos; });
  }
  std::string lines() {
    const std::lock_guard lock(logger.mutex);
    return logger.lines;
  }
  static bool eventually(const std::function<bool()>& check) {
    const auto end = steady_clock::now() + 60s;
    while (!check()) {
      if (steady_clock::now() > end) {
        return false;
      }
      std::this_thread::yield();
    }
    return true;
  }
};

plugins::PluginSearch impatient() {
  auto search = testSearch();
  search.runner.grace = 100ms;
  return search;
}

} // namespace

TEST_CASE("whatever ends a plugin's process ends one call as transient, says how, and the next calls work") {
  const auto [behaviour, words] = GENERATE(table<std::string, std::string>({
      {"crash", "it crashed (Segmentation fault)"},
      {"abort", "it crashed (Aborted)"},
      {"exit", "exit code 7"},
      {"write to the socket", "broke the rules"},
      {"announce 2 GiB", "broke the rules"},
      {"close the socket", "it was killed"},
      {"leak", "used up its 512 MiB of memory"},
  }));
  if (kSanitized && behaviour == "leak") {
    return; // a sanitizer's shadow of all addresses is memory, too: there is no limit then
  }
  Told f;
  CHECK(f.pushed() == "well");
  f.tell(behaviour);
  const Failure failure = f.failed();
  CHECK(failure.status == Status::transient);
  CHECK(failure.code == "plugin_ended");
  CHECK_THAT(failure.message, Contains(words));
  f.tell("well");
  CHECK(f.recovers());
  const auto condition = conditionOf(f.provider());
  CHECK(condition.isolated);
  CHECK(condition.restarts == 1);
  CHECK_FALSE(condition.quarantined);
  CHECK_THAT(condition.reason, Contains(words));
  CHECK(f.logs("starts again"));
}

TEST_CASE("a call that outlives its deadline, or its cancellation, is ended with its process") {
  const std::string behaviour =
      GENERATE("hang", "drip a frame", "write half a frame", "ask for ever", "flood the output");
  Told f("erratic", impatient());
  f.tell(behaviour);
  f.context.timeout = 100ms;
  std::atomic<bool> cancelled{false};
  SECTION("its deadline") {}
  SECTION("its cancellation") {
    f.context.timeout = 60s;
    f.context.cancelled = &cancelled;
    f.http.answer = [&](const HttpRequest&) {
      cancelled = true;
      return ScriptedHttp::ok(200, behaviour);
    };
  }
  const Failure failure = f.failed();
  CHECK(failure.status == Status::deadline);
  CHECK_THAT(failure.message, Contains("did not answer in time"));
  cancelled = false;
  f.context.timeout = 60s;
  f.tell("well");
  CHECK(f.recovers());
  CHECK_THAT(conditionOf(f.provider()).reason, Contains("did not answer push in time"));
}

TEST_CASE("a plugin that fails again and again is in quarantine, with its reason, until it behaves") {
  auto search = testSearch();
  search.runner.quarantine = 300ms;
  Told f("erratic", search);
  f.tell("exit");
  REQUIRE(Told::eventually([&] {
    f.pushed();
    return conditionOf(f.provider()).quarantined;
  }));
  const Failure away = f.failed();
  CHECK(away.status == Status::transient);
  CHECK(away.code == "plugin_quarantined");
  CHECK_THAT(away.message, Contains("quarantine") && Contains("exit code 7"));
  REQUIRE(away.retryAfter);
  CHECK(*away.retryAfter <= 300ms);
  CHECK_THAT(f.lines(), Contains("is in quarantine") && Contains("exit code 7"));
  CHECK(conditionOf(f.provider()).restarts >= 4);
  // The trial after it fails as well: back into quarantine, without further tries.
  const auto before = conditionOf(f.provider()).restarts;
  REQUIRE(Told::eventually([&] {
    f.pushed();
    return conditionOf(f.provider()).restarts > before + 1;
  }));
  CHECK(conditionOf(f.provider()).quarantined);
  f.tell("well");
  CHECK(f.recovers());
  CHECK_FALSE(conditionOf(f.provider()).quarantined);
  CHECK(f.logs("no longer in quarantine"));
  f.tell("exit");
  f.failed();
  CHECK_FALSE(conditionOf(f.provider()).quarantined); // an answer makes a clean slate
}

TEST_CASE("a plugin in a process of its own reaches no file, no network, no other process, and no more than it has") {
  Told f;
  f.tell("try what is forbidden");
  const auto described =
      plugins::describePlugin(fs::path(CALBRIDGE_TEST_PLUGINS) / "liberratic.so", testSearch().runner);
  CHECK(f.pushed() == (described.gaps.empty() ? "read-a-time-zone run-threads" : "run-threads"));
}

TEST_CASE("on a kernel without Landlock a plugin reads no file at all, and that something is missing is said") {
  auto search = testSearch();
  search.runner.program = fs::path(CALBRIDGE_TEST_PLUGINS) / "runner_without_landlock_create_ruleset";
  Told f("erratic", search);
  f.tell("try what is forbidden");
  CHECK(f.pushed() == "run-threads");
  REQUIRE(f.providers.gaps().size() == 1);
  CHECK(f.providers.gaps()[0].provider == "probe");
  CHECK_THAT(f.providers.gaps()[0].message, Contains("no Landlock"));
}

TEST_CASE("on a kernel without seccomp a plugin is not run in a process of its own, and what to do is said") {
  auto search = testSearch();
  search.runner.program = fs::path(CALBRIDGE_TEST_PLUGINS) / "runner_without_seccomp";
  const PluginFixture f("erratic", {{"behaviour", "well"}}, Isolation::isolated, search);
  CHECK_THAT(f.onlyProblem(), Contains("seccomp") && Contains("in-process") && Contains("plugins.isolation"));
}

TEST_CASE("a plugin's constructors are confined, too") {
  PluginFixture f("snoops_on_load", nlohmann::json::object(), Isolation::isolated);
  CHECK(std::holds_alternative<PushReply>(f.provider().push(PluginFixture::push("x"), f.context)));
}

TEST_CASE("what a plugin writes to its standard output and error is the host's log: redacted, and not too much") {
  Told f;
  f.tell("chatter");
  CHECK(f.pushed() == "chattered");
  CHECK(f.logs("printed to stdout provider=probe stream=stdout"));
  CHECK(f.logs("printed to stderr with [redacted] provider=probe stream=stderr"));
  CHECK(f.logs("line 50 "));
  f.tell("exit"); // ends the last line, and counts what was dropped
  f.failed();
  CHECK(f.logs("without an end"));
  CHECK(f.logs("lines that a plugin wrote were dropped"));
  CHECK_THAT(f.lines(), !Contains("line 999 ") && !Contains("canary"));
}

TEST_CASE("a service that is asked for more than a frame holds refuses") {
  Told f;
  f.tell("ask too much");
  CHECK_THAT(f.pushed(), Contains("16 MiB"));
  CHECK(f.http.requests.size() == 1); // the one that told it
}

TEST_CASE("the calls of a concurrent plugin go through one process at the same time") {
  constexpr int kCalls = 8;
  Told f("erratic_many");
  std::mutex mutex;
  std::condition_variable all;
  int inside = 0;
  f.http.answer = [&](const HttpRequest&) {
    std::unique_lock lock(mutex);
    const int mine = inside++;
    all.notify_all();
    all.wait_for(lock, 60s, [&] { return inside >= kCalls; });
    return ScriptedHttp::ok(200, "echo " + std::to_string(mine));
  };
  std::vector<std::string> ids(kCalls);
  std::vector<std::thread> threads;
  for (auto& id : ids) {
    threads.emplace_back([&f, &id] { id = f.pushed(); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  CHECK(std::set<std::string>(ids.begin(), ids.end()) == std::set<std::string>{"0", "1", "2", "3", "4", "5", "6", "7"});
  CHECK(conditionOf(f.provider()).restarts == 0);
}

TEST_CASE("the calls beside one that ends the process are transient, and none is stuck") {
  constexpr int kCalls = 8;
  Told f("erratic_many");
  std::atomic<int> asked{0};
  f.http.answer = [&](const HttpRequest&) { return ScriptedHttp::ok(200, asked++ % 50 == 20 ? "exit" : "well"); };
  std::atomic<int> well{0};
  std::atomic<int> other{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kCalls; ++t) {
    threads.emplace_back([&] {
      while (well < 500) {
        const auto outcome = f.push();
        const auto* failure = std::get_if<Failure>(&outcome);
        well += failure == nullptr ? 1 : 0;
        other += failure != nullptr && failure->status != Status::transient ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  CHECK(other == 0);
  CHECK(conditionOf(f.provider()).restarts > 0);
}

TEST_CASE("a file that was replaced by another plugin is not run under the name of the first") {
  const testing::TemporaryFolder folder;
  const fs::path path = folder.path / "libplugin.so";
  fs::copy_file(fs::path(CALBRIDGE_TEST_PLUGINS) / "liberratic.so", path);
  Told f(path.string());
  CHECK(f.pushed() == "well");
  fs::remove(path);
  fs::copy_file(fs::path(CALBRIDGE_TEST_PLUGINS) / "libplain_c.so", path);
  f.tell("exit");
  f.failed();
  REQUIRE(Told::eventually([&] { return conditionOf(f.provider()).quarantined; }));
  CHECK_THAT(f.failed().message, Contains("was replaced") && Contains("restart calbridge"));
}

TEST_CASE("a plugin that refuses its settings says so from its own process, too") {
  const PluginFixture f("refuses", nlohmann::json::object(), Isolation::isolated);
  CHECK_THAT(f.onlyProblem(), Contains("the moon is in the wrong phase"));
}

TEST_CASE("an answer that comes when the plugin's process is gone reaches nobody else's call") {
  Told f("erratic_many");
  std::mutex mutex;
  std::condition_variable changed;
  int asked = 0;
  bool nextLife = false;
  bool lateIsOver = false;
  f.http.answer = [&](const HttpRequest&) {
    std::unique_lock lock(mutex);
    const int mine = ++asked;
    changed.notify_all();
    if (mine == 1) { // its process is gone, and the next one is there, before it gets its answer
      changed.wait_for(lock, 60s, [&] { return nextLife; });
      return ScriptedHttp::ok(200, "echo somebody else's");
    }
    if (mine == 2) {
      return ScriptedHttp::ok(200, "exit");
    }
    nextLife = true;
    changed.notify_all();
    changed.wait_for(lock, 60s, [&] { return lateIsOver; });
    return ScriptedHttp::ok(200, "echo its own");
  };
  Failure late;
  std::thread first([&] {
    late = f.failed();
    const std::lock_guard lock(mutex);
    lateIsOver = true;
    changed.notify_all();
  });
  {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, 60s, [&] { return asked == 1; }));
  }
  CHECK(f.failed().code == "plugin_ended");
  std::string id;
  CHECK(Told::eventually([&] { return !(id = f.pushed()).empty(); })); // the same call number, in the next life
  first.join();
  CHECK(id == "its own");
  CHECK(late.status == Status::transient);
  CHECK(conditionOf(f.provider()).restarts == 1);
}

TEST_CASE("a plugin's calls cost another provider's no more than as much again, though its process ends all the time") {
  constexpr auto kProvider = 2ms; // what the other provider takes to answer
  constexpr int kThreads = 16;
  constexpr int kWindows = 6;
  constexpr std::size_t kSamples = 150; // of each thread in a window
  auto search = testSearch();
  search.runner.strikes = 1 << 20;
  search.runner.longestPause = search.runner.firstPause;
  PluginFixture good("erratic_many", {{"behaviour", "as told"}}, Isolation::inProcess);
  good.context.timeout = 60s;
  good.http.answer = [&](const HttpRequest&) {
    std::this_thread::sleep_for(kProvider);
    return ScriptedHttp::ok(200, "well");
  };
  using Times = std::vector<steady_clock::duration>;
  const auto measure = [&](Times& times) {
    std::vector<Times> ofThreads(kThreads);
    std::vector<std::thread> threads;
    for (Times& mine : ofThreads) {
      threads.emplace_back([&] {
        while (mine.size() < kSamples) {
          const auto start = steady_clock::now();
          good.provider().push(PluginFixture::push("x"), good.context);
          mine.push_back(steady_clock::now() - start);
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
    for (const Times& mine : ofThreads) {
      times.insert(times.end(), mine.begin(), mine.end());
    }
    good.http.requests.clear();
  };
  const auto p99 = [](Times& times) {
    const auto at = times.begin() + static_cast<std::ptrdiff_t>(times.size() * 99 / 100);
    std::nth_element(times.begin(), at, times.end());
    return *at;
  };
  Told bad("erratic", search);
  bad.tell("exit");
  std::mutex mutex;
  std::condition_variable changed;
  bool crashing = false;
  bool over = false;
  std::thread crasher([&] {
    std::unique_lock lock(mutex);
    while (changed.wait(lock, [&] { return crashing || over; }), !over) {
      lock.unlock();
      bad.pushed();
      std::this_thread::yield();
      lock.lock();
    }
  });
  const auto set = [&](bool& flag, bool value) {
    const std::lock_guard lock(mutex);
    flag = value;
    changed.notify_all();
  };
  bool atMostDoubles = false;
  for (int attempt = 0; attempt < 3 && !atMostDoubles; ++attempt) { // what else the machine does spoils some
    Times alone;
    Times beside;
    for (int window = 0; window < kWindows; ++window) { // in turns, so that it spoils both alike
      measure(alone);
      set(crashing, true);
      const auto before = conditionOf(bad.provider()).restarts;
      const auto end = steady_clock::now() + 60s;
      do {
        measure(beside);
      } while (conditionOf(bad.provider()).restarts == before && steady_clock::now() < end);
      set(crashing, false);
      CHECK(conditionOf(bad.provider()).restarts > before);
    }
    const auto a = p99(alone);
    const auto b = p99(beside);
    using Micros = std::chrono::duration<double, std::micro>;
    UNSCOPED_INFO("p99 alone " << Micros(a).count() << " us, beside it " << Micros(b).count() << " us, of "
                               << alone.size());
    atMostDoubles = b <= 2 * a;
  }
  set(over, true);
  crasher.join();
  CHECK(atMostDoubles);
}
