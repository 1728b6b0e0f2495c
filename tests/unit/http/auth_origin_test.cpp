#include "auth_fixture.hpp"
#include "http/auth/origin_check.hpp"

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;

namespace {

OriginPolicy policy() {
  return OriginPolicy({.publicUrl = "https://calendar.example.com/base",
                       .frontendUrl = "http://localhost:3000",
                       .allowedOrigins = {"https://app.example.com", "https://other.example.com:8443/"},
                       .listenOrigins = {"http://127.0.0.1:8000", "http://localhost:8000"}});
}

Identity browser() {
  Identity identity;
  identity.kind = Identity::Kind::person;
  identity.person =
      Person{.id = "john", .name = "John", .email = "", .role = "customer", .timezone = "UTC", .teams = {}};
  identity.viaCookie = true;
  identity.sessionToken = "token";
  return identity;
}

bool refused(const Request& request, const Identity& identity = browser()) {
  const std::string error = errorOf([&] { policy().check(request, identity); });
  CHECK((error.empty() || error.starts_with("cross_site_request: ")));
  return !error.empty();
}

std::string headerOf(const Response& response, std::string_view name) {
  for (const auto& [header, value] : response.headers)
    if (equalIgnoringCase(header, name))
      return value;
  return {};
}

} // namespace

TEST_CASE("An unsafe request passes from our own and the allowed origins and from no other") {
  for (const char* ours : {"https://calendar.example.com", "http://localhost:3000", "https://app.example.com",
                           "https://other.example.com:8443", "http://127.0.0.1:8000", "http://localhost:8000"}) {
    INFO(ours);
    for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "QUERY"})
      CHECK_FALSE(refused(request(method, {{"Origin", ours}})));
  }
  for (const char* foreign : {"https://evil.example", "null", "", "http://calendar.example.com",
                              "https://calendar.example.com:444", "https://calendar.example.com.evil.example",
                              "https://evil.example/https://calendar.example.com", "https://sub.calendar.example.com",
                              "https://CALENDAR.example.com ", "http://localhost:3001", "http://localhost"}) {
    INFO(foreign);
    for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "QUERY", "get"})
      CHECK(refused(request(method, {{"Origin", foreign}})));
    for (const char* method : {"GET", "HEAD", "OPTIONS"})
      CHECK_FALSE(refused(request(method, {{"Origin", foreign}})));
  }
}

TEST_CASE("Two Origin headers are refused even when the first is ours") {
  CHECK(refused(request("POST", {{"Origin", "http://localhost:3000"}, {"Origin", "https://evil.example"}})));
}

TEST_CASE("A page that hides its origin is ours only when the browser itself says so") {
  CHECK_FALSE(refused(request("POST", {{"Origin", "null"}, {"Sec-Fetch-Site", "same-origin"}})));
  CHECK(refused(request("POST", {{"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}})));
  CHECK(refused(request("POST", {{"Origin", "null"}, {"Sec-Fetch-Site", "none"}})));
  CHECK(refused(request("POST", {{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "same-origin"}})));
  CHECK(refused(request("POST", {{"Origin", "null"}, {"Origin", "null"}, {"Sec-Fetch-Site", "same-origin"}})));
}

TEST_CASE("Without Origin, Sec-Fetch-Site decides, and without that the Referer") {
  CHECK(refused(request("POST", {{"Sec-Fetch-Site", "cross-site"}})));
  CHECK(refused(request("POST", {{"Sec-Fetch-Site", "same-site"}})));
  CHECK_FALSE(refused(request("POST", {{"Sec-Fetch-Site", "same-origin"}})));
  CHECK_FALSE(refused(request("POST", {{"Sec-Fetch-Site", "none"}})));
  CHECK(refused(request("POST", {{"Referer", "https://evil.example/page"}})));
  CHECK(refused(request("POST", {{"Referer", "not a URL"}})));
  CHECK_FALSE(refused(request("POST", {{"Referer", "http://localhost:3000/settings/calendar?x=1"}})));
  CHECK_FALSE(refused(request("POST", {}))); // a program
}

TEST_CASE("The Host header changes nothing") {
  CHECK(refused(request("POST", {{"Host", "evil.example"}, {"Origin", "https://evil.example"}})));
  CHECK(refused(request("POST", {{"Host", "evil.example"}, {"Origin", "http://evil.example"}})));
  CHECK_FALSE(refused(request("POST", {{"Host", "evil.example"}, {"Origin", "http://localhost:3000"}})));
}

TEST_CASE("A forged log-in is refused too, a request with its own credential is not") {
  CHECK(refused(request("POST", {{"Origin", "https://evil.example"}}), Identity{}));
  Identity app;
  app.kind = Identity::Kind::app;
  CHECK_FALSE(refused(request("POST", {{"Origin", "https://evil.example"}}), app));
  Identity jwt = browser();
  jwt.viaCookie = false;
  CHECK_FALSE(refused(request("POST", {{"Origin", "https://evil.example"}}), jwt));
}

TEST_CASE("Allowed origins get CORS headers with credentials, and every answer varies by origin") {
  Response allowed;
  policy().addHeaders(request("GET", {{"Origin", "https://app.example.com"}}), allowed);
  CHECK(headerOf(allowed, "Access-Control-Allow-Origin") == "https://app.example.com");
  CHECK(headerOf(allowed, "Access-Control-Allow-Credentials") == "true");
  CHECK_THAT(headerOf(allowed, "Access-Control-Expose-Headers"), Catch::Contains("Retry-After"));
  CHECK(headerOf(allowed, "Vary") == "Origin");
  for (const char* other : {"https://evil.example", "null", "*"}) {
    Response response;
    policy().addHeaders(request("GET", {{"Origin", other}}), response);
    CHECK(headerOf(response, "Access-Control-Allow-Origin").empty());
    CHECK(headerOf(response, "Access-Control-Allow-Credentials").empty());
    CHECK(headerOf(response, "Vary") == "Origin");
  }
  Response plain;
  policy().addHeaders(request("GET", {}), plain);
  CHECK(headerOf(plain, "Access-Control-Allow-Origin").empty());
  CHECK(headerOf(plain, "Vary") == "Origin");
}

TEST_CASE("A Vary header that is there already is added to once") {
  Response response;
  response.header("vary", "Accept-Encoding");
  policy().addHeaders(request("GET", {}), response);
  policy().addHeaders(request("GET", {}), response);
  CHECK(response.headers.size() == 1);
  CHECK(headerOf(response, "Vary") == "Accept-Encoding, Origin");
}

TEST_CASE("A preflight of an allowed origin learns methods, headers and CloudEvents attributes") {
  const auto answer = policy().preflight(
      request("OPTIONS", {{"Origin", "https://app.example.com"},
                          {"Access-Control-Request-Method", "POST"},
                          {"Access-Control-Request-Headers",
                           "content-type,CE-Traceparent, ce-id,ce-traceparent,x-evil,ce-bad name,ce-,ce-\"q"}}));
  REQUIRE(answer);
  CHECK(answer->status == 204);
  CHECK(headerOf(*answer, "Access-Control-Allow-Origin") == "https://app.example.com");
  CHECK(headerOf(*answer, "Access-Control-Allow-Credentials") == "true");
  CHECK(headerOf(*answer, "Access-Control-Allow-Methods") == "GET, POST, PUT, PATCH, DELETE, OPTIONS");
  const std::string headers = headerOf(*answer, "Access-Control-Allow-Headers");
  CHECK_THAT(headers, Catch::StartsWith("Authorization, Content-Type, "));
  CHECK_THAT(headers, Catch::Contains("ce-specversion"));
  CHECK_THAT(headers, Catch::EndsWith(", ce-dataschema, ce-traceparent"));
  CHECK_THAT(headers, !Catch::Contains("x-evil"));
  CHECK(headerOf(*answer, "Access-Control-Max-Age") == "600");
  CHECK(headerOf(*answer, "Vary") == "Origin, Access-Control-Request-Headers");
}

TEST_CASE("A preflight of another origin gets no permission, another OPTIONS is no preflight") {
  const auto answer = policy().preflight(
      request("OPTIONS", {{"Origin", "https://evil.example"}, {"Access-Control-Request-Method", "POST"}}));
  REQUIRE(answer);
  CHECK(answer->status == 204);
  CHECK(answer->headers.size() == 1);
  CHECK_THAT(headerOf(*answer, "Vary"), Catch::StartsWith("Origin"));
  CHECK_FALSE(policy().preflight(request("OPTIONS", {{"Origin", "https://app.example.com"}})));
  CHECK_FALSE(policy().preflight(
      request("POST", {{"Origin", "https://app.example.com"}, {"Access-Control-Request-Method", "POST"}})));
}

TEST_CASE("What is not an origin is refused by name when it is configured") {
  const auto refusal = [](const std::string& origin) {
    return errorOf([&] {
      OriginPolicy(
          {.publicUrl = "http://localhost:8000", .frontendUrl = "", .allowedOrigins = {origin}, .listenOrigins = {}});
    });
  };
  for (const char* wrong :
       {"*", "null", "", "app.example.com", "ftp://app.example.com", "https://app.example.com/path"}) {
    INFO(wrong);
    CHECK_THAT(refusal(wrong),
               Catch::StartsWith("invalid_configuration: server.allowed_origins: \"" + std::string(wrong)));
  }
  CHECK(refusal("https://app.example.com/").empty());
  CHECK_THAT(errorOf([] {
               OriginPolicy({.publicUrl = "nonsense", .frontendUrl = "", .allowedOrigins = {}, .listenOrigins = {}});
             }),
             Catch::Contains("server.public_url"));
}

TEST_CASE("The origins of our own listeners include localhost for loopback addresses") {
  using Origins = std::vector<std::string>;
  CHECK(listenOrigins({"127.0.0.1:8000", "127.0.0.1:0"}, {8000, 40123}) ==
        Origins{"http://127.0.0.1:8000", "http://localhost:8000", "http://127.0.0.1:40123", "http://localhost:40123"});
  CHECK(listenOrigins({"[::1]:8000"}, {8000}) == Origins{"http://[::1]:8000", "http://localhost:8000"});
  CHECK(listenOrigins({"0.0.0.0:80"}, {80}) == Origins{"http://localhost", "http://127.0.0.1", "http://[::1]"});
  CHECK(listenOrigins({"192.0.2.1:443"}, {443}, true) == Origins{"https://192.0.2.1"});
  CHECK(listenOrigins({"localhost:8000"}, {8000}) ==
        Origins{"http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"});
}
