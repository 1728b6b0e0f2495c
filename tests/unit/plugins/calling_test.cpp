#include "plugin_fixture.hpp"
#include "plugins/redaction.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>

using namespace calbridge;
using calbridge::test::PluginFixture;
using calbridge::test::ScriptedHttp;
using Catch::Contains;

namespace {

Failure failureOf(const Outcome<PushReply>& outcome) {
  REQUIRE(std::holds_alternative<Failure>(outcome));
  return std::get<Failure>(outcome);
}
PushReply replyOf(const Outcome<PushReply>& outcome) {
  const Failure* failure = std::get_if<Failure>(&outcome);
  INFO((failure != nullptr ? failure->message : std::string()));
  REQUIRE(failure == nullptr);
  return std::get<PushReply>(outcome);
}

/// Everything holds for a plugin in the host's process and for one in a process of its own.
plugins::Isolation eitherWay() {
  return GENERATE(plugins::Isolation::inProcess, plugins::Isolation::isolated);
}

} // namespace

TEST_CASE("a plugin that breaks the rules ends that call, in words, and nothing else") {
  const auto [behaviour, status, words] = GENERATE(table<std::string, Status, std::string>({
      {"silent", Status::internal, "did not answer"},
      {"throws", Status::internal, "threw across"},
      {"throws after the answer", Status::internal, "threw across"},
      {"garbage", Status::internal, "not JSON"},
      {"null bytes", Status::internal, "not JSON"},
      {"not UTF-8", Status::internal, "not JSON"},
      {"array", Status::internal, "not a JSON object"},
      {"mistyped", Status::internal, "/provider_event_id"},
      {"missing", Status::internal, "/provider_event_id"},
      {"deep", Status::internal, "deeper than 32"},
      {"oversized", Status::internal, "larger than 1 MiB"},
      {"unknown status", Status::permanent, "from the future"},
      {"failure without reason", Status::transient, "not JSON"},
  }));
  PluginFixture f("erratic", {{"behaviour", behaviour}}, eitherWay());
  const Failure failure = failureOf(f.provider().push(PluginFixture::push("x"), f.context));
  INFO(behaviour);
  CHECK(failure.status == status);
  CHECK_THAT(failure.message, Contains(words));
}

TEST_CASE("of two answers the first counts, and the second is logged") {
  PluginFixture f("erratic", {{"behaviour", "twice"}}, eitherWay());
  CHECK(replyOf(f.provider().push(PluginFixture::push("x"), f.context)).providerEventId == "first");
  CHECK_THAT(f.logger.lines, Contains("answered twice") && Contains("req-1"));
}

TEST_CASE("however often a plugin answers, it is one line in the log") {
  PluginFixture f("erratic", {{"behaviour", "a thousand times"}}, eitherWay());
  CHECK(replyOf(f.provider().push(PluginFixture::push("x"), f.context)).providerEventId == "first");
  CHECK(std::count(f.logger.lines.begin(), f.logger.lines.end(), '\n') == 1);
}

TEST_CASE("what a plugin logs in one call is bounded") {
  PluginFixture f("erratic", {{"behaviour", "logs and logs"}}, eitherWay());
  CHECK(replyOf(f.provider().push(PluginFixture::push("x"), f.context)).providerEventId == "logged");
  CHECK_THAT(f.logger.lines, Contains("line 999.") && !Contains("line 1000.") && Contains("more than 1000 lines"));
  CHECK(std::count(f.logger.lines.begin(), f.logger.lines.end(), '\n') == 1001);
}

TEST_CASE("an absurd waiting time is capped") {
  PluginFixture f("erratic", {{"behaviour", "odd wait"}}, eitherWay());
  const Failure failure = failureOf(f.provider().push(PluginFixture::push("x"), f.context));
  CHECK(failure.status == Status::rateLimited);
  CHECK(failure.code == "tooMany");
  CHECK(failure.retryAfter == std::chrono::hours(24 * 30));
}

TEST_CASE("tokens are blotted out of a plugin's log lines and errors, and lines are cut") {
  PluginFixture f("erratic", {{"behaviour", "leaks"}}, eitherWay());
  const Failure failure = failureOf(f.provider().push(PluginFixture::push("x"), f.context));
  CHECK(failure.message == "no: [redacted]");
  CHECK(failure.code == "[redacted]");
  CHECK_THAT(f.logger.lines, Contains("used [redacted]") && !Contains("canary"));
  CHECK(f.logger.lines.size() < 4300);
}

TEST_CASE("percent-encoded secrets are blotted out too, short ones and UTF-8 are left whole") {
  const std::array<std::string_view, 3> secrets = {"4/0Abc-def", "", "abc"};
  CHECK(plugins::presentable("code=4%2F0Abc-def abc 4/0Abc-def", secrets, 100) == "code=[redacted] abc [redacted]");
  CHECK(plugins::presentable("aé", {}, 2) == "a");
  CHECK(plugins::presentable("a\r\nb\x01", {}, 10) == "a  b ");
}

TEST_CASE("a plugin in plain C uses every service") {
  PluginFixture f("plain_c", nlohmann::json::object(), eitherWay());
  f.http.answer = [](const HttpRequest&) { return ScriptedHttp::ok(200, "c-77"); };
  int requests = 0;
  f.context.requests = &requests;
  const PushReply reply = replyOf(f.provider().push(PluginFixture::push("x"), f.context));
  CHECK(reply.providerEventId == "c-77");
  CHECK(reply.etag == "9-9-1800000000000-2500");
  CHECK(f.keyValues.values["calendar"] == "main");
  CHECK_THAT(f.logger.lines, Contains("pushed provider=probe request_id=req-1"));
  REQUIRE(f.http.requests.size() == 1);
  CHECK(requests == 1);
  CHECK(f.http.requests[0].method == "POST");
  CHECK(f.http.requests[0].url == "https://api.example.com/entries");
  CHECK(f.http.allowed == std::vector<std::string>{"api.example.com"});
  CHECK(f.http.timeout == std::chrono::milliseconds(2500));
  const auto sent = nlohmann::json::parse(f.http.requests[0].body);
  CHECK(sent == nlohmann::json::parse(R"({"operation":"upsert","access_token":"canary-access/token","uid":"uid-1",
    "idempotency_key":"0b6e6cde-0000-4000-8000-000000000001","sequence":0,"stamp":"1970-01-01T00:00:00Z","attempt":1,
    "entry":{"title":"x","description":"","location":"","all_day":false,"start":"2026-12-01T09:00:00",
    "end":"2026-12-01T11:00:00","timezone":"Europe/London","start_utc":"2026-12-01T09:00:00Z","end_utc":"2026-12-01T11:00:00Z",
    "reminders":[10,60],"show_as":"busy","visibility":"default","status":"confirmed","url":""}})"));
  CHECK(f.provider().revoke({}, f.context)->status == Status::unsupported);
}

TEST_CASE("every way in which an SDK plugin can end arrives as such") {
  PluginFixture f("careful", nlohmann::json::object(), eitherWay());
  const auto push = [&](const char* title) { return f.provider().push(PluginFixture::push(title), f.context); };
  SECTION("a returned problem") {
    const Failure failure = failureOf(push("return a problem"));
    CHECK(failure.status == Status::rateLimited);
    CHECK(failure.code == "quota");
    CHECK(failure.retryAfter == std::chrono::seconds(7));
  }
  SECTION("a thrown problem") {
    CHECK(failureOf(push("throw a problem")).status == Status::notFound);
  }
  SECTION("a stranger's exception shows its type only") {
    const Failure failure = failureOf(push("throw a stranger"));
    CHECK(failure.status == Status::internal);
    CHECK_THAT(failure.message, Contains("out_of_range") && !Contains("secret"));
  }
  SECTION("anything thrown") {
    CHECK(failureOf(push("throw a number")).status == Status::internal);
  }
  SECTION("an optional service that is not there") {
    CHECK(replyOf(push("use a missing service")).providerEventId == "none");
  }
  SECTION("a value kept for the connection") {
    CHECK(replyOf(push("remember")).providerEventId == "cal-9");
    f.context.keyValues = nullptr;
    CHECK(failureOf(push("remember")).status == Status::unsupported);
  }
  SECTION("a success") {
    f.http.answer = [](const HttpRequest&) { return ScriptedHttp::ok(200, "piece", {{"ETag", "\"e-1\""}}); };
    const PushReply reply = replyOf(push("tïtle \"quoted\"\n"));
    CHECK(reply.etag == "\"e-1\"");
    CHECK(reply.link == "https://example.com/uid-1");
    CHECK(reply.rendering == "piece");
    CHECK(f.http.requests.at(0).body == "tïtle \"quoted\"\n");
  }
  SECTION("a provider that asks for patience") {
    f.http.answer = [](const HttpRequest&) { return ScriptedHttp::ok(503, "", {{"Retry-After", "120"}}); };
    const Failure failure = failureOf(push("x"));
    CHECK(failure.status == Status::transient);
    CHECK(failure.retryAfter == std::chrono::seconds(120));
  }
  SECTION("a call that was cancelled before") {
    const std::atomic<bool> cancelled{true};
    f.context.cancelled = &cancelled;
    CHECK(failureOf(push("x")).status == Status::cancelled);
  }
  SECTION("a call whose time is over") {
    f.context.timeout = std::chrono::milliseconds(0);
    CHECK(failureOf(push("x")).status == Status::deadline);
  }
}

TEST_CASE("a failed HTTP exchange reaches the plugin as status and kind") {
  using Kind = HttpFailure::Kind;
  const auto [kind, sent, status, code] = GENERATE(table<Kind, bool, Status, std::string>({
      {Kind::refusedByEgress, false, Status::permanent, "http_refused_by_egress"},
      {Kind::connect, false, Status::transient, "http_connect"},
      {Kind::tls, false, Status::transient, "http_tls"},
      {Kind::timeout, true, Status::deadline, "http_timeout"},
      {Kind::cancelled, true, Status::cancelled, "http_cancelled"},
      {Kind::truncated, true, Status::transient, "http_truncated"},
      {Kind::malformed, true, Status::transient, "http_malformed"},
      {Kind::malformed, false, Status::invalidRequest, "http_invalid_request"},
      {Kind::tooLarge, true, Status::transient, "http_too_large"},
  }));
  PluginFixture f("careful", nlohmann::json::object(), eitherWay());
  f.http.answer = [k = kind, s = sent](const HttpRequest&) { return ScriptedHttp::failure(k, s); };
  const Failure failure = failureOf(f.provider().push(PluginFixture::push("x"), f.context));
  CHECK(failure.status == status);
  CHECK(failure.code == code);
}

TEST_CASE("connect, exchange, refresh, revoke and feed cross the boundary whole") {
  PluginFixture f("careful", {{"api_url", "http://127.0.0.1:9009/base"}}, eitherWay());
  const auto url = f.provider().connect({"http://localhost/cb", "st&te", "chal", ""}, f.context);
  REQUIRE(std::holds_alternative<std::string>(url));
  CHECK(
      std::get<std::string>(url) ==
      "http://127.0.0.1:9009/base/authorize?client_id=client-1&redirect_uri=http%3A%2F%2Flocalhost%2Fcb&state=st%26te&"
      "code_challenge=chal&code_challenge_method=S256");
  f.http.answer = [](const HttpRequest&) {
    return ScriptedHttp::ok(200, R"({"access_token":"at","refresh_token":"rt","expires_in":3600,"scope":"a b"})");
  };
  const auto exchanged = f.provider().exchange({"http://localhost/cb", "code-1", "verifier"}, f.context);
  REQUIRE(std::holds_alternative<Grant>(exchanged));
  const Grant grant = std::get<Grant>(exchanged);
  CHECK(grant.credentials.accessToken == "at");
  CHECK(grant.credentials.refreshToken == "rt");
  CHECK(grant.credentials.expiresAt == 1800000000000 + 3600000);
  CHECK(grant.credentials.scope == "a b");
  CHECK(grant.account.id == "acc-1");
  CHECK(grant.account.label == "acc-1");
  CHECK(f.http.requests.at(0).body == "code=code-1&code_verifier=verifier&redirect_uri=http%3A%2F%2Flocalhost%2Fcb");
  CHECK(f.http.allowed == std::vector<std::string>{"api.example.com", "127.0.0.1:9009"});
  CHECK(std::holds_alternative<Grant>(f.provider().refresh("rt", f.context)));
  CHECK_FALSE(f.provider().revoke(grant.credentials, f.context));
  const auto frame = f.provider().feed({"My calendar", {"Europe/London"}}, f.context);
  REQUIRE(std::holds_alternative<FeedFrame>(frame));
  CHECK(std::get<FeedFrame>(frame).head == "BEGIN My calendar");
  f.http.answer = [](const HttpRequest&) { return ScriptedHttp::ok(400, R"({"error":"invalid_grant"})"); };
  const auto dead = f.provider().refresh("canary-refresh", f.context);
  REQUIRE(std::holds_alternative<Failure>(dead));
  CHECK(std::get<Failure>(dead).status == Status::reauthRequired);
  CHECK(std::get<Failure>(dead).code == "invalid_grant");
}

TEST_CASE("a plugin that is not concurrent gets one call at a time") {
  PluginFixture f("careful", nlohmann::json::object(), eitherWay());
  f.context.timeout = std::chrono::seconds(30);
  f.http.answer = [](const HttpRequest&) {
    std::this_thread::yield(); // gives the other threads every chance to get in
    return ScriptedHttp::ok(200, "");
  };
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::map<std::string, int> seen;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const auto outcome = f.provider().push(PluginFixture::push("overlap"), f.context);
        const auto* reply = std::get_if<PushReply>(&outcome);
        const std::lock_guard lock(mutex);
        ++seen[reply != nullptr ? reply->providerEventId : "failed"];
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  CHECK(seen == std::map<std::string, int>{{"1", 400}});
}

TEST_CASE("two providers may use one plugin with different settings") {
  PluginFixture f("careful", nlohmann::json::object(), eitherWay());
  auto first = PluginFixture::spec("careful", {{"api_url", "https://one.example.com"}});
  auto second = PluginFixture::spec("careful", {{"api_url", "https://two.example.com"}});
  second.id = "second";
  const plugins::PluginProviders both({first, second}, test::testSearch(), f.host);
  REQUIRE(both.all().size() == 2);
  CHECK(both.all()[1] == both.find("second"));
  replyOf(both.find("second")->push(PluginFixture::push("x"), f.context));
  CHECK(f.http.allowed == std::vector<std::string>{"api.example.com", "two.example.com"});
  CHECK(f.http.requests.at(0).url == "https://two.example.com/e/uid-1");
}
