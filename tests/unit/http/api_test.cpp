#include "http/api/answer_form.hpp"
#include "http/api/api.hpp"
#include "http/api/body.hpp"
#include "http/api/error_response.hpp"
#include "http/api/event_reader.hpp"
#include "http/api/flow_cookie.hpp"
#include "http/api/metrics_text.hpp"
#include "http/api/openapi.hpp"
#include "http/api/receipt.hpp"
#include "web_fixture.hpp"

#include <set>

namespace calbridge::http::test {
namespace {

using nlohmann::json;
using HeaderList = std::vector<std::pair<std::string, std::string>>;

Request requestOf(const std::string& method, const std::string& target, const std::string& body = {},
                  const HeaderList& headers = {}) {
  Request request;
  request.method = method;
  request.target = target;
  request.path = target.substr(0, target.find('?'));
  if (const auto query = target.find('?'); query != std::string::npos)
    request.query = target.substr(query + 1);
  for (std::size_t begin = 1; begin < request.path.size();) {
    const auto end = std::min(request.path.find('/', begin), request.path.size());
    request.segments.push_back(request.path.substr(begin, end - begin));
    begin = end + 1;
  }
  request.headers.add("Host", "localhost:8000");
  for (const auto& [name, value] : headers)
    request.headers.add(name, value);
  request.host = request.headers.get("Host");
  request.body = body;
  request.peerAddress = request.clientAddress = "192.0.2.1";
  request.requestId = "request-1";
  return request;
}

/// The API over a real store.
struct ApiSite : Site {
  delivery::BulkSync bulk{*store, clock, random, logger};
  Api api{services, bulk, [] { return std::size_t{3}; }};
  const std::string key = generateAppKey(random);

  ApiSite() { store->addAppKey("tests", appKeyHash(key), clock.now()); }

  Response call(const std::string& method, const std::string& target, const std::string& body = {},
                HeaderList headers = {}) {
    auto request = requestOf(method, target, body, headers);
    return api.handle(request);
  }
  Response asApp(const std::string& method, const std::string& target, const std::string& body = {}) {
    return call(method, target, body, {{"Authorization", "Bearer " + key}, {"Content-Type", "application/json"}});
  }
};

/// "code pointer" of what `action` throws.
template <typename Action>
std::string refusal(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code() + " " + error.pointer();
  }
  return "accepted";
}

const json& document() {
  static const json kDocument = json::parse(openApiDocument());
  return kDocument;
}

void eachNode(const json& node, const std::string& at,
              const std::function<void(const json&, const std::string&)>& see) {
  see(node, at);
  if (node.is_object())
    for (const auto& [key, value] : node.items())
      eachNode(value, at + "/" + key, see);
  else if (node.is_array())
    for (std::size_t i = 0; i < node.size(); ++i)
      eachNode(node[i], at + "/" + std::to_string(i), see);
}

} // namespace

TEST_CASE("routes are found by method and pattern, with or without a trailing slash") {
  RouteTable table;
  const auto answer = [](int status) { return [status](Exchange&) { return Response{.status = status}; }; };
  table.add("GET", "/api/people/{id}/", Access::app, answer(201));
  table.add("PUT", "/api/people/{id}/", Access::app, answer(202));
  table.add("GET", "/api/calendar/feed/{secret}.ics", Access::open, answer(203));
  table.add("POST", "/api/calendar/events/", Access::person, answer(204));
  table.add("POST", "/api/calendar/{provider}/connect/", Access::person, answer(205));

  const auto pattern = [&](const std::string& method, const std::string& target) {
    const auto match = table.find(requestOf(method, target));
    return match.route ? match.route->method + " " + match.route->pattern : "none, allowed: " + match.allowed;
  };
  CHECK(pattern("GET", "/api/people/john/") == "GET /api/people/{id}/");
  CHECK(pattern("GET", "/api/people/john") == "GET /api/people/{id}/");
  CHECK(pattern("PUT", "/api/people/john") == "PUT /api/people/{id}/");
  CHECK(pattern("HEAD", "/api/people/john/") == "GET /api/people/{id}/");
  CHECK(pattern("DELETE", "/api/people/john/") == "none, allowed: GET, PUT");
  CHECK(pattern("get", "/api/people/john/") == "none, allowed: GET, PUT");
  CHECK(pattern("GET", "/api/people/") == "none, allowed: ");
  CHECK(pattern("GET", "/api/people/john/more") == "none, allowed: ");
  CHECK(pattern("GET", "/") == "none, allowed: ");
  CHECK(pattern("GET", "/api/calendar/feed/abc.ics") == "GET /api/calendar/feed/{secret}.ics");
  CHECK(pattern("GET", "/api/calendar/feed/abc") == "none, allowed: ");
  CHECK(pattern("GET", "/api/calendar/feed/.ics") == "none, allowed: ");
  CHECK(pattern("POST", "/api/calendar/google/connect/") == "POST /api/calendar/{provider}/connect/");

  CHECK(table.find(requestOf("GET", "/api/people/john doe/")).parameters.at("id") == "john doe");
  CHECK(table.find(requestOf("GET", "/api/calendar/feed/a.b.ics")).parameters.at("secret") == "a.b");
}

TEST_CASE("a path that answers to other methods says which, and one that is nowhere is not found") {
  ApiSite site;
  const auto wrong = site.call("PATCH", "/api/session/");
  CHECK(wrong.status == 405);
  CHECK(headerOf(wrong, "Allow") == "POST, GET, DELETE");
  CHECK(json::parse(wrong.body).at("code") == "method_not_allowed");
  const auto nowhere = site.call("GET", "/api/nowhere/");
  CHECK(nowhere.status == 404);
  CHECK(headerOf(nowhere, "Content-Type") == "application/problem+json");
  CHECK(site.call("HEAD", "/healthz").status == 200);
  CHECK(headerOf(nowhere, "X-Content-Type-Options") == "nosniff");
  CHECK(headerOf(nowhere, "X-Request-Id") == "request-1");
}

TEST_CASE("a body has to call itself JSON and be an object") {
  const auto read = [](const std::string& type, const std::string& body, bool mayBeEmpty = false) {
    return refusal([&] { readJsonObject(requestOf("POST", "/", body, {{"Content-Type", type}}), mayBeEmpty); });
  };
  CHECK(read("application/json", "{}") == "accepted");
  CHECK(read("Application/JSON; charset=utf-8", "{}") == "accepted");
  CHECK(read("application/json ;charset=utf-8", "{}") == "accepted");
  CHECK(read("application/merge-patch+json", "{}") == "accepted");
  CHECK(read("text/plain", "{}") == "unsupported_media_type ");
  CHECK(read("application/x-www-form-urlencoded", "{}") == "unsupported_media_type ");
  CHECK(read("multipart/form-data; x=application/json", "{}") == "unsupported_media_type ");
  CHECK(read("application/json", "[]") == "invalid_field ");
  CHECK(read("application/json", "") == "invalid_json ");
  CHECK(read("application/json", "{") == "invalid_json ");
  CHECK(read("text/plain", "", true) == "accepted");
  CHECK(read("application/json", std::string(40, '[')) == "invalid_json ");
}

TEST_CASE("fields of a body are checked one by one, with a pointer to the wrong one") {
  const json body = {{"text", "abc"}, {"lines", "a\nb"}, {"bad", "a\x01"},     {"empty", ""},
                     {"number", 5},   {"null", nullptr}, {"list", {"a", "b"}}, {"mixed", {"a", 1}}};
  const Fields fields(body);
  CHECK(fields.text("text", 3) == "abc");
  CHECK(refusal([&] { fields.text("text", 2); }) == "invalid_field /text");
  CHECK(refusal([&] { fields.text("missing", 9); }) == "invalid_field /missing");
  CHECK(refusal([&] { fields.text("null", 9); }) == "invalid_field /null");
  CHECK(refusal([&] { fields.text("empty", 9); }) == "invalid_field /empty");
  CHECK(refusal([&] { fields.text("number", 9); }) == "invalid_field /number");
  CHECK(refusal([&] { fields.text("lines", 9); }) == "invalid_field /lines");
  CHECK(fields.text("lines", 9, true) == "a\nb");
  CHECK(refusal([&] { fields.text("bad", 9, true); }) == "invalid_field /bad");
  CHECK_FALSE(fields.optionalText("missing", 9));
  CHECK_FALSE(fields.optionalText("null", 9));
  CHECK(fields.optionalText("empty", 9) == "");
  CHECK(fields.has("text"));
  CHECK_FALSE(fields.has("null"));
  CHECK(fields.texts("list", 2, 9) == std::vector<std::string>{"a", "b"});
  CHECK(fields.texts("missing", 2, 9).empty());
  CHECK(refusal([&] { fields.texts("list", 1, 9); }) == "invalid_field /list");
  CHECK(refusal([&] { fields.texts("mixed", 9, 9); }) == "invalid_field /mixed/1");
  CHECK(refusal([&] { fields.texts("text", 9, 9); }) == "invalid_field /text");
  CHECK(refusal([&] { Fields(json{{"a", 1}, {"b", 2}}).allowOnly({"a"}); }) == "invalid_field /b");
}

TEST_CASE("events are read in structured, binary and batched mode") {
  const auto read = [](const HeaderList& headers, const std::string& body) {
    return readEvents(requestOf("POST", "/api/events/", body, headers));
  };
  const auto structured = read({{"Content-Type", "application/cloudevents+json; charset=utf-8"}}, R"({"id":"1"})");
  CHECK_FALSE(structured.batch);
  CHECK(structured.events == std::vector<json>{{{"id", "1"}}});
  CHECK(read({{"Content-Type", "application/json"}}, R"({"id":"1"})").events == structured.events);

  const auto batch = read({{"Content-Type", "application/cloudevents-batch+json"}}, R"([{"id":"1"},{"id":"2"}])");
  CHECK(batch.batch);
  CHECK(batch.events.size() == 2);
  CHECK(read({{"Content-Type", "application/cloudevents-batch+json"}}, "[]").events.empty());

  const auto binary = read({{"Content-Type", "application/json"},
                            {"CE-SpecVersion", "1.0"},
                            {"ce-id", "caf%C3%A9 1"},
                            {"ce-source", "app"},
                            {"ce-type", "order.confirmed"}},
                           R"({"appointment":{}})");
  CHECK(binary.events == std::vector<json>{{{"specversion", "1.0"},
                                            {"id", "café 1"},
                                            {"source", "app"},
                                            {"type", "order.confirmed"},
                                            {"data", {{"appointment", json::object()}}}}});
  // The content type decides: structured wins over stray headers.
  CHECK(read({{"Content-Type", "application/cloudevents+json"}, {"ce-specversion", "1.0"}}, R"({"id":"1"})").events ==
        structured.events);
}

TEST_CASE("events that are not properly sent are refused") {
  const auto read = [](const HeaderList& headers, const std::string& body) {
    return refusal([&] { readEvents(requestOf("POST", "/api/events/", body, headers)); });
  };
  CHECK(read({}, "{}") == "unsupported_media_type ");
  CHECK(read({{"Content-Type", "text/plain"}}, "{}") == "unsupported_media_type ");
  CHECK(read({{"Content-Type", "text/plain"}, {"ce-specversion", "1.0"}}, "{}") == "unsupported_media_type ");
  CHECK(read({{"Content-Type", "application/cloudevents+json"}}, "{") == "invalid_json ");
  CHECK(read({{"Content-Type", "application/cloudevents-batch+json"}}, "{}") == "invalid_event ");
  CHECK(read({{"Content-Type", "application/json"}, {"ce-specversion", "1.0"}, {"ce-id", "%ZZ"}}, "{}") ==
        "invalid_event /id");
  CHECK(read({{"Content-Type", "application/json"}, {"ce-specversion", "1.0"}, {"ce-id", "%ff"}}, "{}") ==
        "invalid_event /id");
  CHECK(read({{"Content-Type", "application/json"}, {"ce-specversion", "1.0"}, {"ce-id", "1"}, {"CE-ID", "2"}}, "{}") ==
        "invalid_event /id");
  CHECK(read({{"Content-Type", "application/json"}, {"ce-specversion", "1.0"}}, "") == "invalid_json ");
}

TEST_CASE("errors become problem details with their status, and inner ones say nothing of themselves") {
  const auto answer = errorResponse(Error("invalid_event", "`id` is missing", "private", "/id"));
  CHECK(answer.status == 400);
  CHECK(headerOf(answer, "Content-Type") == "application/problem+json");
  const auto body = json::parse(answer.body);
  CHECK(body.at("code") == "invalid_event");
  CHECK(body.at("pointer") == "/id");
  CHECK(body.at("status") == 400);
  CHECK(answer.body.find("private") == std::string::npos);

  const auto inner = errorResponse(Error("vault_failed", "secret detail", "private"));
  CHECK(inner.status == 500);
  CHECK(inner.body.find("secret") == std::string::npos);
  CHECK(json::parse(inner.body).at("code") == "internal_error");

  const auto store = errorResponse(Error("store_unavailable", "SQL: secret"));
  CHECK(store.status == 503);
  CHECK(headerOf(store, "Retry-After") == "1");
  CHECK(store.body.find("SQL") == std::string::npos);

  CHECK_FALSE(headerOf(errorResponse(Error("authentication_required", "who?")), "WWW-Authenticate").empty());
  const std::pair<const char*, int> statuses[] = {{"not_found", 404},         {"forbidden", 403},
                                                  {"event_conflict", 409},    {"unsupported_media_type", 415},
                                                  {"too_many_attempts", 429}, {"provider_not_configured", 503},
                                                  {"provider_error", 502},    {"of_another_world", 500}};
  for (const auto& [code, status] : statuses) {
    INFO(code);
    CHECK(statusOf(code) == status);
  }
}

TEST_CASE("metrics are written in the text format, labels escaped") {
  MetricsText text;
  text.gauge("a_gauge", "A gauge.", 1.5);
  text.counter("a_total", "A counter.", 12345678901234.0);
  text.family("b", "gauge", "Labels.");
  text.sample("b", {{"x", "say \"hi\"\\\n"}, {"y", "2"}}, 0);
  std::vector<std::string> lines;
  std::istringstream in(text.take());
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  CHECK(lines == std::vector<std::string>{"# HELP a_gauge A gauge.", "# TYPE a_gauge gauge", "a_gauge 1.5",
                                          "# HELP a_total A counter.", "# TYPE a_total counter",
                                          "a_total 12345678901234", "# HELP b Labels.", "# TYPE b gauge",
                                          "b{x=\"say \\\"hi\\\"\\\\\\n\",y=\"2\"} 0"});
}

TEST_CASE("every line of the metrics is well-formed, and every sample has its family") {
  ApiSite site;
  site.call("GET", "/healthz");
  const auto answer = site.call("GET", "/metrics");
  CHECK(answer.status == 200);
  std::set<std::string> families;
  std::size_t samples = 0;
  std::istringstream lines(answer.content());
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    if (line.starts_with("# TYPE ")) {
      const auto name = line.substr(7, line.find(' ', 7) - 7);
      CHECK(families.insert(name).second); // each is told once
    } else if (!line.starts_with("# HELP ")) {
      auto name = line.substr(0, line.find_first_of("{ "));
      for (const auto* ending : {"_sum", "_count"})
        if (name.ends_with(ending) && !families.contains(name))
          name.resize(name.size() - std::string_view(ending).size());
      CHECK(families.contains(name));
      CHECK_NOTHROW(std::stod(line.substr(line.rfind(' '))));
      ++samples;
    }
  }
  CHECK(samples > 15);
  CHECK(answer.content().find("calbridge_http_connections 3\n") != std::string::npos);
}

TEST_CASE("the flow cookie is kept when it is well-formed and made anew when not") {
  SystemRandom random;
  const std::string good(43, 'a');
  const auto with = [](const std::string& cookie) { return requestOf("POST", "/", {}, {{"Cookie", cookie}}); };
  CHECK(readFlowCookie(with("calbridge_flow=" + good)) == good);
  CHECK(flowSecret(with("x=1; calbridge_flow=" + good), random) == good);
  for (const auto& bad : {std::string(42, 'a'), std::string(44, 'a'), std::string(42, 'a') + "%", std::string()}) {
    INFO(bad);
    CHECK_FALSE(readFlowCookie(with("calbridge_flow=" + bad)));
    CHECK(flowSecret(with("calbridge_flow=" + bad), random).size() == 43);
  }
  CHECK(flowSecret(requestOf("POST", "/"), random) != flowSecret(requestOf("POST", "/"), random));
  const auto plain = flowCookie(good, "http://localhost:8000"), secure = flowCookie(good, "https://cal.example");
  for (const auto* part : {"calbridge_flow=", "HttpOnly", "SameSite=Lax", "Path=/api/calendar/", "Max-Age=600"}) {
    INFO(part);
    CHECK(plain.find(part) != std::string::npos);
  }
  CHECK(plain.find("Secure") == std::string::npos);
  CHECK(secure.find("Secure") != std::string::npos);
}

TEST_CASE("a receipt tells of routes, placements, deliveries and people whom nobody knows") {
  Site site;
  site.connect(site.google);
  store::RoutingWrite write;
  store::AppointmentRecord appointment;
  appointment.id = "A-1";
  appointment.endUtc = site.clock.now() + 86'400'000;
  appointment.snapshot = R"({"id":"A-1"})";
  write.appointments.push_back(appointment);
  store::PlacementRecord placement;
  placement.appointmentId = "A-1";
  placement.personId = "john";
  placement.revision = 1;
  placement.decidedAt = site.clock.now();
  placement.entry.title = "Deep clean";
  placement.entry.time = {false, "2026-12-01T09:00:00",         "2026-12-01T10:00:00",
                          "UTC", site.clock.now() + 80'000'000, site.clock.now() + 86'400'000};
  placement.contentHash = contentHash(placement.entry);
  write.placements.push_back(placement);
  REQUIRE(site.store->applyRouting(write, site.clock.now()));

  store::EventRecord event;
  event.id = "e1";
  event.source = "app";
  event.type = "order.confirmed";
  event.time = event.receivedAt = site.clock.now();
  const auto waiting = receipt(*site.store, event);
  CHECK(waiting.at("state") == "accepted");
  CHECK(waiting.at("deliveries").empty());

  event.routed = true;
  event.result =
      json::array({{{"appointment", "A-1"},
                    {"stale", false},
                    {"routes", {{{"name", "r"}, {"action", "add"}, {"audience", "customer"}, {"people", {"john"}}}}},
                    {"unknown", {{{"person", "ghost"}, {"path", "/staff/0/id"}}}},
                    {"decisions",
                     {{{"person", "john"},
                       {"role", "customer"},
                       {"action", "add"},
                       {"route", "r"},
                       {"reason", "because"},
                       {"revision", 1}}}}}});
  const auto routed = receipt(*site.store, event);
  CHECK(routed.at("state") == "routed");
  CHECK(routed.at("error").is_null());
  CHECK(routed.at("routes")[0].at("appointment") == "A-1");
  CHECK(routed.at("placements")[0].at("entry").at("title") == "Deep clean");
  CHECK(routed.at("placements")[0].at("present") == true);
  REQUIRE(routed.at("deliveries").size() == 1);
  CHECK(routed.at("deliveries")[0].at("state") == "pending");
  CHECK(routed.at("deliveries")[0].at("provider") == "google");
  CHECK(routed.at("deliveries")[0].at("role") == "customer");
  CHECK(routed.at("unknown_people")[0].at("person") == "ghost");

  event.result = json::array({{{"error", "cannot be routed"}}});
  CHECK(receipt(*site.store, event).at("error") == "cannot be routed");
  event.result = json::array({{{"appointment", "A-1"},
                               {"stale", true},
                               {"routes", json::array()},
                               {"unknown", json::array()},
                               {"decisions", json::array()}}});
  CHECK(receipt(*site.store, event).at("state") == "stale");
}

TEST_CASE("an admin sees whose grant is dead, and nobody else does") {
  ApiSite site;
  site.addEntry("Clean", site.clock.now() + 3600000);
  site.killGrant(site.connect(site.google));
  const auto ask = [&](const std::string& session, const std::string& query = "") {
    return site.call("GET", "/api/calendar/connections/" + query, "", {{"Cookie", "calbridge_session=" + session}});
  };
  const auto ada = site.logInAdmin();
  const auto answer = ask(ada);
  CHECK(answer.status == 200);
  CHECK(headerOf(answer, "Cache-Control") == "no-store");
  auto body = json::parse(answer.body);
  REQUIRE(body.at("connections").size() == 1);
  CHECK(body["connections"][0].at("person") == "john");
  CHECK(body["connections"][0].at("reason") == "the permission was withdrawn");
  CHECK(body["connections"][0].at("pending") == 1);
  CHECK(body.at("providers")[0].at("needs_reconnection") == 1);
  CHECK(ask(ada, "?needs=reconnect&limit=1").status == 200);

  const auto problemOf = [&](const std::string& query) {
    const auto refused = ask(ada, query);
    CHECK(refused.status == 400);
    return json::parse(refused.body).at("pointer").get<std::string>();
  };
  CHECK(problemOf("?needs=everything") == "/needs");
  CHECK(problemOf("?limit=0") == "/limit");
  CHECK(problemOf("?limit=201") == "/limit");
  CHECK(problemOf("?limit=5x") == "/limit");
  CHECK(problemOf("?after=somewhere") == "/after");

  CHECK(ask(site.logIn()).status == 403);
  CHECK(site.asApp("GET", "/api/calendar/connections/").status == 403);
  CHECK(ask("").status == 401);

  site.connect(site.google);
  body = json::parse(ask(ada).body);
  CHECK(body.at("connections").empty());
  CHECK(body.at("providers")[0].at("connected") == 1);
}

TEST_CASE("the metrics count events that are stored and not routed, and tell how long the oldest has waited") {
  ApiSite site; // whose routing does not run
  CHECK_THAT(site.call("GET", "/metrics").body, Catch::Contains("calbridge_events_unrouted 0\n"));
  CHECK_THAT(site.call("GET", "/metrics").body, Catch::Contains("calbridge_oldest_unrouted_seconds 0\n"));
  for (const auto* id : {"evt-1", "evt-2"}) {
    const store::NewEvent event{"shop", id, "order.confirmed", site.clock.now(), id, "{}"};
    site.store->acceptEvents({&event, 1}, site.clock.now() - 90'000);
  }
  CHECK_THAT(site.call("GET", "/metrics").body, Catch::Contains("calbridge_events_unrouted 2\n"));
  CHECK_THAT(site.call("GET", "/metrics").body, Catch::Contains("calbridge_oldest_unrouted_seconds 90\n"));
}

TEST_CASE("over TLS a site whose public URL is https tells browsers to come back that way, and no other does") {
  ApiSite site;
  const auto told = [&](const std::string& publicUrl, bool secure) {
    site.services.site.publicUrl = publicUrl;
    auto request = requestOf("GET", "/healthz");
    request.secure = secure;
    return headerOf(site.api.handle(request), "Strict-Transport-Security");
  };
  CHECK(told("https://calendar.example", true) == "max-age=31536000");
  CHECK(told("https://calendar.example", false) == "");
  CHECK(told("http://localhost:8000", true) == "");
}

TEST_CASE("the metrics count connections whose grant is dead") {
  ApiSite site;
  CHECK_THAT(site.call("GET", "/metrics").body, Catch::Contains("calbridge_connections_needing_reconnection 0"));
  site.killGrant(site.connect(site.google));
  site.killGrant(site.connect(site.outlook));
  CHECK_THAT(site.call("GET", "/metrics").body, Catch::Contains("calbridge_connections_needing_reconnection 2"));
}

TEST_CASE("nothing but a good credential opens a route that is not open") {
  ApiSite site;
  for (const auto& route : site.api.routes().routes()) {
    std::string target;
    for (const char c : route.pattern)
      target += c == '{' || c == '}' ? 'x' : c;
    INFO(route.method << " " << target);
    const auto nobody = site.call(route.method, target, "{}", {{"Content-Type", "application/json"}});
    const auto wrong = site.call(route.method, target, "{}",
                                 {{"Content-Type", "application/json"}, {"Authorization", "Bearer cbk_wrong"}});
    if (route.access == Access::open) {
      CHECK(nobody.status != 403);
    } else if (route.access == Access::link) { // whoever knows the secret, from wherever
      CHECK(nobody.status == 404);
      const auto elsewhere = site.call(route.method, target, "", {{"Origin", "https://webmail.example"}});
      CHECK(elsewhere.status == 404);
      CHECK(headerOf(elsewhere, "Content-Type") == "application/problem+json");
    } else {
      CHECK(nobody.status == 401);
      CHECK(wrong.status == 401);
      CHECK_FALSE(headerOf(nobody, "WWW-Authenticate").empty());
    }
    if (route.access == Access::person || route.access == Access::admin)
      CHECK(site.asApp(route.method, target, "{}").status == 403);
  }
}

TEST_CASE("the API document names every route of the table, and the table every route of the document") {
  ApiSite site;
  std::set<std::string> served, described;
  for (const auto& route : site.api.routes().routes())
    served.insert(route.method + " " + route.pattern);
  for (const auto& [path, operations] : document().at("paths").items())
    for (const auto& [method, operation] : operations.items()) {
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      described.insert(upper + " " + path);
    }
  CHECK(served == described);
}

TEST_CASE("the API document names for every route the credential that the table asks for") {
  ApiSite site;
  for (const auto& route : site.api.routes().routes()) {
    std::string method = route.method;
    std::transform(method.begin(), method.end(), method.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    INFO(route.method << " " << route.pattern);
    const auto& security = document().at("paths").at(route.pattern).at(method).at("security");
    std::set<std::string> schemes;
    for (const auto& alternative : security)
      for (const auto& [scheme, scopes] : alternative.items())
        schemes.insert(scheme);
    if (route.access == Access::app)
      CHECK(schemes == std::set<std::string>{"appKey"});
    else if (route.access == Access::open || route.access == Access::link)
      CHECK(schemes.empty());
    else
      CHECK(schemes == std::set<std::string>{"jwt", "session"});
  }
}

TEST_CASE("the API document is OpenAPI 3.1 as far as its parts can be held against it") {
  const auto& all = document();
  CHECK(all.at("openapi") == "3.1.0");
  CHECK(all.at("info").at("title").is_string());
  CHECK(all.at("info").at("version").is_string());

  std::set<std::string> used;
  eachNode(all, "", [&](const json& node, const std::string& at) {
    if (!node.is_object() || !node.contains("$ref") || !node["$ref"].is_string())
      return;
    const std::string ref = node["$ref"];
    INFO(at << " → " << ref);
    REQUIRE(ref.starts_with("#/"));
    CHECK(all.contains(json::json_pointer(ref.substr(1))));
    used.insert(ref);
  });
  for (const auto& [name, schema] : all.at("components").at("schemas").items()) {
    INFO("schema " << name);
    CHECK(used.contains("#/components/schemas/" + name)); // nothing is described that nothing uses
  }

  for (const auto& [path, operations] : all.at("paths").items()) {
    std::set<std::string> inPath;
    for (std::size_t begin = path.find('{'); begin != std::string::npos; begin = path.find('{', begin + 1))
      inPath.insert(path.substr(begin + 1, path.find('}', begin) - begin - 1));
    for (const auto& [method, operation] : operations.items()) {
      INFO(method << " " << path);
      CHECK(std::set<std::string>{"get", "put", "post", "delete", "patch"}.contains(method));
      CHECK(operation.at("summary").get<std::string>().size() > 3);
      CHECK(operation.at("tags").is_array());
      REQUIRE(operation.at("responses").size() > 0);
      bool success = false;
      const nlohmann::json& responses = operation.at("responses");
      const bool page = responses.contains("200") && responses["200"].contains("content") &&
                        responses["200"]["content"].contains("text/html");
      for (const auto& [status, response] : responses.items()) {
        INFO("status " << status);
        CHECK(status.size() == 3);
        success |= status[0] == '2' || status[0] == '3';
        CHECK(response.at("description").is_string());
        if (response.contains("content"))
          CHECK((status[0] != '4' || response.at("content").contains("application/problem+json")));
        if (response.contains("content"))
          for (const auto& [type, media] : response.at("content").items()) {
            CHECK(type.find('/') != std::string::npos);
            CHECK(media.contains("schema"));
            // A page may stand beside the problem, for people, and never instead of it.
            CHECK((status[0] != '4' || type == "application/problem+json" || (page && type == "text/html")));
          }
      }
      CHECK(success);
      std::set<std::string> declared;
      if (operation.contains("parameters"))
        for (const auto& parameter : operation.at("parameters")) {
          CHECK(std::set<std::string>{"path", "query", "header", "cookie"}.contains(parameter.at("in")));
          CHECK(parameter.contains("schema"));
          if (parameter.at("in") == "path") {
            CHECK(parameter.at("required") == true);
            declared.insert(parameter.at("name"));
          }
        }
      CHECK(declared == inPath);
      if (operation.contains("requestBody"))
        for (const auto& [type, media] : operation.at("requestBody").at("content").items())
          CHECK(media.contains("schema"));
      for (const auto& alternative : operation.at("security"))
        for (const auto& [scheme, scopes] : alternative.items()) {
          CHECK(all.at("components").at("securitySchemes").contains(scheme));
          CHECK(scopes.is_array());
        }
    }
  }
  for (const auto& [name, scheme] : all.at("components").at("securitySchemes").items()) {
    INFO(name);
    CHECK((scheme.at("type") == "http" ? scheme.contains("scheme") : scheme.contains("in") && scheme.contains("name")));
  }
}

TEST_CASE("a page is for those who ask for one before they ask for JSON") {
  const auto prefers = [](const std::string& accept) {
    return prefersPage(requestOf("GET", "/x", "", {{"Accept", accept}}));
  };
  CHECK(prefers("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
  CHECK(prefers("TEXT/HTML"));
  CHECK(prefers("application/json;q=0.5, text/html; level=1; q=0.6"));
  CHECK_FALSE(prefersPage(requestOf("GET", "/x", "")));
  CHECK_FALSE(prefers("*/*"));
  CHECK_FALSE(prefers("text/*"));
  CHECK_FALSE(prefers("application/json"));
  CHECK_FALSE(prefers("application/problem+json, text/html;q=0.9"));
  CHECK_FALSE(prefers("application/json, text/html"));
  CHECK_FALSE(prefers("text/html;q=0"));
  for (const char* odd : {"text/html;q=x", "text/html;q=-1", "text/html;q=2", "text/html;q=nan", ",;,=", "text/htmlx"})
    CHECK_FALSE(prefers(odd));
}

} // namespace calbridge::http::test
