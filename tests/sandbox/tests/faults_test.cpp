#include "fixture.hpp"

using namespace calbridge;
using namespace calbridge::sandbox;

namespace {
const std::string kInsert = "calendars/primary/events?sendUpdates=none";

json events(World& world, const std::string& provider = "google", const std::string& email = "john%40gmail.example") {
  return world.sandbox.control("GET", "/control/" + provider + "/accounts/" + email + "/events");
}
} // namespace

TEST_CASE("a status fault comes with its headers and body, so often as asked, for whom it was asked") {
  World world;
  std::string token = world.googleToken(), other = world.googleToken("c@gmail.example");
  world.sandbox.control("POST", "/control/faults",
                        {{"provider", "google"},
                         {"method", "POST"},
                         {"path", "*/events"},
                         {"account", "john@gmail.example"},
                         {"skip", 1},
                         {"count", 2},
                         {"status", 429},
                         {"headers", {{"Retry-After", "9"}}},
                         {"reason", "rateLimitExceeded"}});
  CHECK(world.google(token, "POST", kInsert, googleEvent()).status == 200);
  CHECK(world.google(other, "POST", kInsert, googleEvent()).status == 200);
  for (int i = 0; i < 2; ++i) {
    auto hit = world.google(token, "POST", kInsert, googleEvent());
    CHECK(hit.status == 429);
    CHECK(hit.header("Retry-After") == "9");
    CHECK(hit.reason() == "rateLimitExceeded");
  }
  CHECK(world.google(token, "POST", kInsert, googleEvent()).status == 200);
  CHECK(events(world).size() == 2);
  CHECK(world.sandbox.control("GET", "/control/faults")[0]["hits"] == 2);
}

TEST_CASE("a reset before the write leaves nothing, after the write it leaves the entry") {
  World world;
  std::string token = world.googleToken();
  auto reset = [&](const char* when) {
    world.sandbox.control("POST", "/control/faults", {{"effect", "reset"}, {"when", when}, {"path", "*/events"}});
    return world.google(token, "POST", kInsert, googleEvent());
  };
  CHECK(reset("before").raw.empty());
  CHECK(events(world).empty());
  CHECK(reset("after").raw.empty());
  CHECK(events(world).size() == 1);
}

TEST_CASE("truncated, garbage, dripped and hanging answers are what they say") {
  World world;
  std::string token = world.graphToken();
  auto hit = [&](json fault) {
    fault["path"] = "*/me/events";
    world.sandbox.control("POST", "/control/faults", fault);
    return world.graph(token, "POST", "me/events", graphEvent());
  };
  auto truncated = hit({{"effect", "truncate"}});
  CHECK(truncated.status == 201);
  CHECK(truncated.body.is_discarded());
  CHECK(events(world, "outlook", "sarah%40outlook.example").size() == 1);
  CHECK(hit({{"effect", "garbage"}}).raw.find("HTTP/1.1") == std::string::npos);
  auto dripped = hit({{"effect", "drip"}, {"interval_ms", 0}});
  CHECK(dripped.status == 201);
  CHECK(dripped.body["subject"] == "Deep clean");
  CHECK(hit({{"effect", "hang"}, {"hang_ms", 1}}).raw.empty());
  CHECK(hit({{"effect", "none"}, {"latency_ms", 1}}).status == 201);
}

TEST_CASE("faults hit the token endpoint by account, too") {
  World world;
  std::string one = world.connect(Kind::outlook, "a@outlook.example", World::kGraph)["refresh_token"];
  std::string two = world.connect(Kind::outlook, "b@outlook.example", World::kGraph)["refresh_token"];
  world.sandbox.control("POST", "/control/faults",
                        {{"provider", "outlook"},
                         {"path", "*/token"},
                         {"account", "a@outlook.example"},
                         {"count", 0},
                         {"status", 503},
                         {"body", {{"error", "temporarily_unavailable"}}}});
  CHECK(world.refresh(Kind::outlook, two).status == 200);
  CHECK(world.refresh(Kind::outlook, one).reason() == "temporarily_unavailable");
  world.sandbox.control("DELETE", "/control/faults");
  CHECK(world.refresh(Kind::outlook, one).status == 200);
}

TEST_CASE("a wrong fault or setting is refused with the member's name") {
  World world;
  auto fault = world.ask("POST", "/control/faults", R"({"efect": "reset"})");
  CHECK(fault.status == 400);
  CHECK(fault.body["pointer"] == "/efect");
  auto setting = world.ask("PATCH", "/control/settings", R"({"latency_ms": 3, "validate": "no"})");
  CHECK(setting.status == 400);
  CHECK(setting.body["pointer"] == "/validate");
  CHECK(world.sandbox.settings().latencyMs == 0);
  CHECK(world.ask("GET", "/control/nothing").status == 404);
}

TEST_CASE("the log tells what was asked and no secret, and reset forgets everything") {
  World world;
  json tokens = world.connect(Kind::google, "john@gmail.example", World::kEvents);
  world.google(tokens["access_token"], "POST", kInsert, googleEvent("abcde"));
  std::string log = world.ask("GET", "/control/requests").raw;
  CHECK(log.find("\"Deep clean\"") != std::string::npos);
  CHECK(log.find("john@gmail.example") != std::string::npos);
  for (std::string secret : {tokens["access_token"].get<std::string>(), tokens["refresh_token"].get<std::string>(),
                             World::verifier, std::string("sandbox-google-secret")})
    CHECK(log.find(secret) == std::string::npos);
  CHECK(world.sandbox.control("GET", "/control/counters")["google POST 200"] == 2);
  world.sandbox.control("POST", "/control/reset");
  CHECK(events(world).empty());
  CHECK(world.google(tokens["access_token"], "GET", "calendars/primary/events").status == 401);
  CHECK(world.sandbox.control("GET", "/control/requests").size() == 1);
}

TEST_CASE("the pages show accounts and entries, escaped") {
  World world;
  json event = googleEvent();
  event["summary"] = "<script>alert(1)</script>";
  event["description"] = "line one<br>a &lt; b";
  world.google(world.googleToken(), "POST", kInsert, event);
  world.graph(world.graphToken(), "POST", "me/events", graphEvent());
  CHECK(world.ask("GET", "/").raw.find("/google/accounts/john%40gmail.example") != std::string::npos);
  std::string page = world.ask("GET", "/google/accounts/john%40gmail.example").raw;
  CHECK(page.find("&lt;script&gt;") != std::string::npos);
  CHECK(page.find("<script>") == std::string::npos);
  CHECK(page.find("line one\na &lt; b") != std::string::npos);
  CHECK(world.ask("GET", "/outlook/accounts/sarah%40outlook.example").raw.find("Deep clean") != std::string::npos);
  CHECK(world.ask("GET", "/outlook/accounts/nobody%40x").status == 404);
}

TEST_CASE("a person adds, edits and deletes entries by hand, and the clock can be moved") {
  World world;
  std::string token = world.googleToken();
  auto mine = world.sandbox.control("POST", "/control/google/accounts/john%40gmail.example/events", googleEvent());
  CHECK(mine["client"] == "");
  std::string id = mine["id"];
  CHECK(world.google(token, "GET", "calendars/primary/events/" + id).body["summary"] == "Deep clean");
  world.sandbox.control("DELETE", "/control/google/accounts/john%40gmail.example/events/" + id);
  CHECK(world.google(token, "GET", "calendars/primary/events/" + id).body["status"] == "cancelled");
  std::string graph = world.graphToken();
  std::string outlookId = world.graph(graph, "POST", "me/events", graphEvent()).body["id"];
  std::string target = "/control/outlook/accounts/sarah%40outlook.example/events/" + World::encoded(outlookId);
  world.sandbox.control("PATCH", target, {{"subject", "by hand"}});
  CHECK(world.graph(graph, "GET", "me/events/" + World::encoded(outlookId)).body["subject"] == "by hand");
  world.sandbox.control("DELETE", target);
  CHECK(world.graph(graph, "GET", "me/events/" + World::encoded(outlookId)).status == 404);
  world.sandbox.control("POST", "/control/clock", {{"advance_ms", 3'600'000}});
  CHECK(world.google(token, "GET", "calendars/primary/events").status == 401);
}
