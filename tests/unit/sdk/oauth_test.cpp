#include <calbridge/oauth.hpp>
#include <calbridge/plugin.hpp>

#include <catch2/catch.hpp>

using namespace calbridge::sdk;

namespace {

constexpr std::int64_t kNow = 1796115600000; // 2026-12-01T09:00:00Z

HttpResponse answer(int status, const std::string& body, const std::string& retryAfter = {}) {
  HttpResponse response{status, {}, body};
  if (!retryAfter.empty()) {
    response.headers = {{"retry-AFTER", retryAfter}};
  }
  return response;
}

template <typename Call>
Problem problemOf(Call call) {
  try {
    call();
  } catch (const Problem& problem) {
    return problem;
  }
  FAIL("no problem was thrown");
  return Problem(Status::internal, "");
}

} // namespace

TEST_CASE("percent-encoding leaves unreserved characters alone") {
  CHECK(percentEncode("aZ09-._~") == "aZ09-._~");
  CHECK(percentEncode(" /+&=é") == "%20%2F%2B%26%3D%C3%A9");
  CHECK(formEncode({{"a b", "c&d"}, {"e", ""}}) == "a%20b=c%26d&e=");
}

TEST_CASE("parameters are added wherever the URL left off") {
  CHECK(withQuery("https://x/a", {{"b", "1"}}) == "https://x/a?b=1");
  CHECK(withQuery("https://x/a?", {{"b", "1"}}) == "https://x/a?b=1");
  CHECK(withQuery("https://x/a?z=0", {{"b", "1"}, {"c", "2"}}) == "https://x/a?z=0&b=1&c=2");
  CHECK(withQuery("https://x/a#f", {{"b", "1"}}) == "https://x/a?b=1#f");
  CHECK(withQuery("https://x/a", {}) == "https://x/a");
}

TEST_CASE("base64url is decoded with and without padding, and refused when malformed") {
  CHECK(base64UrlDecode("_-8") == std::string("\xff\xef"));
  CHECK(base64UrlDecode("YQ==") == std::string("a"));
  CHECK(base64UrlDecode("") == std::string());
  CHECK_FALSE(base64UrlDecode("a"));
  CHECK_FALSE(base64UrlDecode("a+/="));
}

TEST_CASE("an id_token gives its claims, and garbage is the provider's fault") {
  CHECK(idTokenClaims("e30.eyJzdWIiOiI0MiJ9.sig").at("sub") == "42");
  for (const char* text : {"", "a.b", "e30.!!.x", "e30.W10.x", "e30.eyJ.x"}) {
    INFO(text);
    CHECK(problemOf([&] { idTokenClaims(text); }).status() == Status::transient);
  }
}

TEST_CASE("instants are read from RFC 3339") {
  CHECK(epochMs("2026-12-01T09:00:00Z") == kNow);
  CHECK(epochMs("2026-12-01T10:30:00.25+01:30") == kNow + 250);
  CHECK(epochMs("2026-12-01t01:00:00-08:00") == kNow);
  for (const char* text :
       {"", "2026-12-01", "2026-13-01T09:00:00Z", "2026-02-30T09:00:00Z", "2026-12-01T24:00:00Z", "2026-12-01T09:00:00",
        "2026-12-01T09:00:00.Z", "2026-12-01T09:00:00+0100", "2026-12-01T09:00:00ZZ"}) {
    INFO(text);
    CHECK_FALSE(epochMs(text));
  }
}

TEST_CASE("Retry-After is read as seconds and as a date") {
  using std::chrono::seconds;
  CHECK(retryAfter(answer(429, "", "120"), kNow) == seconds(120));
  CHECK(retryAfter(answer(429, "", "99999999999999999999"), kNow) == std::chrono::hours(24));
  CHECK(retryAfter(answer(429, "", "Tue, 01 Dec 2026 09:01:30 GMT"), kNow) == seconds(90));
  CHECK(retryAfter(answer(429, "", "Tue, 01 Dec 2026 08:00:00 GMT"), kNow) == seconds(0));
  CHECK_FALSE(retryAfter(answer(429, "", "soon"), kNow));
  CHECK_FALSE(retryAfter(answer(429, ""), kNow));
}

TEST_CASE("a token answer is read, with the lifetime as number or text") {
  const Grant grant = grantFrom(
      Json::parse(R"({"access_token":"a","expires_in":"3600","scope":"x","refresh_token":null,"id_token":5})"));
  CHECK(grant.accessToken == "a");
  CHECK(grant.refreshToken.empty());
  CHECK(grant.expiresIn == 3600);
  CHECK_FALSE(grantFrom(Json::parse(R"({"access_token":"a"})")).expiresIn);
  CHECK(grantFrom(Json::parse(R"({"access_token":"a","expires_in":1e300})")).expiresIn == 1'000'000'000'000'000);
  CHECK(grantFrom(Json::parse(R"({"access_token":"a","expires_in":-5})")).expiresIn == 0);
  for (const char* text : {"{}", "[]", "null", R"({"access_token":7})", R"({"access_token":""})"}) {
    INFO(text);
    CHECK(problemOf([&] { grantFrom(Json::parse(text)); }).status() == Status::transient);
  }
}

TEST_CASE("token endpoint refusals mean what RFC 6749 says") {
  const auto status = [](int http, const char* body) { return oauthProblem(answer(http, body), kNow).status(); };
  CHECK(status(400, R"({"error":"invalid_grant"})") == Status::reauthRequired);
  CHECK(status(400, R"({"error":"interaction_required"})") == Status::reauthRequired);
  CHECK(status(401, R"({"error":"invalid_client"})") == Status::permanent);
  CHECK(status(400, R"({"error":"invalid_request"})") == Status::permanent);
  CHECK(status(503, R"({"error":"temporarily_unavailable"})") == Status::transient);
  CHECK(status(500, "<html>") == Status::transient);
  CHECK(status(429, "") == Status::rateLimited);
  CHECK(status(302, "") == Status::transient);
  CHECK(status(400, std::string(100, '[').c_str()) == Status::permanent);
  CHECK(oauthProblem(answer(429, "", "9"), kNow).retryAfter() == std::chrono::seconds(9));
  // An error without a meaning of its own takes nothing away from the HTTP status.
  CHECK(status(429, R"({"error":"slow_down"})") == Status::rateLimited);
  CHECK(status(503, R"({"error":"backend_error"})") == Status::transient);
  CHECK(status(408, R"({"error":"timeout"})") == Status::transient);
  CHECK(status(400, R"({"error":"slow_down"})") == Status::permanent);
  CHECK(status(200, R"({"error":"slow_down"})") == Status::permanent);
  const Problem busy = oauthProblem(answer(429, R"({"error":"slow_down"})", "9"), kNow);
  CHECK(busy.retryAfter() == std::chrono::seconds(9));
  CHECK(busy.code() == "slow_down");
}

TEST_CASE("REST statuses have a default meaning") {
  const auto status = [](int http) { return restProblem(answer(http, ""), kNow, "no").status(); };
  CHECK(status(401) == Status::reauthRequired);
  CHECK(status(404) == Status::notFound);
  CHECK(status(410) == Status::notFound);
  CHECK(status(409) == Status::conflict);
  CHECK(status(412) == Status::conflict);
  CHECK(status(429) == Status::rateLimited);
  CHECK(status(408) == Status::transient);
  CHECK(status(502) == Status::transient);
  CHECK(status(403) == Status::permanent);
}

TEST_CASE("documents beyond the caps are refused before they can do harm") {
  const auto parse = [](const std::string& text) {
    return problemOf([&] { parseJson(text, Status::conflict, "it"); });
  };
  CHECK(parse(std::string(33, '[') + std::string(33, ']')).status() == Status::conflict);
  CHECK_THAT(parse(std::string(500000, '[')).what(), Catch::Contains("deeper than 32"));
  CHECK_THAT(parse("\"" + std::string(1 << 20, 'x') + "\"").what(), Catch::Contains("1 MiB"));
  CHECK_THAT(parse("{secret").what(), !Catch::Contains("secret"));
  CHECK(parseJson(std::string(32, '[') + std::string(32, ']'), Status::conflict, "it").is_array());
  CHECK(parseJson(R"("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[")", Status::conflict, "it").is_string());
}

TEST_CASE("strings are written as JSON, whatever bytes they hold") {
  const auto written = [](std::string_view text) {
    std::string out;
    appendJsonString(out, text);
    return out;
  };
  CHECK(written("plain") == "\"plain\"");
  CHECK(written("q\" b\\ n\n t\t z\x01") == R"("q\" b\\ n\n t\u0009 z\u0001")");
  CHECK(written("é€😀") == "\"é€😀\"");
  CHECK(written("\xff"
                "a\xc3") == "\"\xEF\xBF\xBD"
                            "a\xEF\xBF\xBD\"");
  CHECK(written("\xed\xa0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""); // a surrogate
  CHECK(written("\xc0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                 // overlong
  for (int c = 0; c < 256; ++c) {
    CHECK(Json::accept(written(std::string(1, static_cast<char>(c)))));
  }
}

TEST_CASE("a request with a missing or mistyped field names it, and unknown fields are ignored") {
  const auto message = [](const char* text) {
    return std::string(problemOf([&] {
                         Json json = Json::parse(text);
                         PushRequest request;
                         read(json, request);
                       }).what());
  };
  CHECK(message("[]") == "request must be a JSON object");
  CHECK(message("{}") == "request/operation is missing");
  CHECK(message(R"({"operation":"maybe"})") == "request/operation must be upsert or delete");
  CHECK(message(R"({"operation":"upsert","uid":7})") == "request/uid must be a string");
  CHECK(message(R"({"operation":"upsert","uid":"u","idempotency_key":"k"})") == "request/entry is missing");
  CHECK(message(R"({"operation":"upsert","uid":"u","idempotency_key":"k","sequence":"1"})") ==
        "request/sequence must be an integer");
  CHECK(message(R"({"operation":"upsert","uid":"u","idempotency_key":"k","entry":{"title":"t"}})") ==
        "request/entry/start is missing");
  Json json = Json::parse(R"({"operation":"delete","uid":"u","idempotency_key":"k","of_the_future":{"x":1}})");
  PushRequest request;
  read(json, request);
  CHECK(request.operation == PushRequest::Operation::remove);
  CHECK(request.attempt == 1);
  CHECK_FALSE(request.hasEntry);
}
