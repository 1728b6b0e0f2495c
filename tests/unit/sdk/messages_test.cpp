#include <calbridge/plugin.hpp>

#include <catch2/catch.hpp>

using namespace calbridge::sdk;

namespace {

template <typename Request>
Request from(const char* text) {
  Json json = Json::parse(text);
  Request request;
  read(json, request);
  return request;
}
template <typename Request>
std::string complaint(const char* text) {
  try {
    from<Request>(text);
  } catch (const Problem& problem) {
    return problem.what();
  }
  return "none";
}

} // namespace

TEST_CASE("the requests of minor 1 are read field by field") {
  const auto form = from<AuthenticateRequest>(R"({"credentials":{"server":"https://x","password":"p"}})");
  CHECK(form.text("server") == "https://x");
  CHECK(form.text("user", "nobody") == "nobody");
  CHECK_THROWS_WITH(from<AuthenticateRequest>(R"({"credentials":{"server":7}})").text("server"),
                    "server must be a string");
  CHECK(complaint<AuthenticateRequest>("{}") == "request/credentials is missing");
  CHECK(complaint<AuthenticateRequest>(R"({"credentials":"p"})") == "request/credentials must be an object");
  CHECK(from<ListCalendarsRequest>(R"({"secret":{"a":1}})").secret == Json{{"a", 1}});
  CHECK(from<ListCalendarsRequest>(R"({"access_token":"t"})").accessToken == "t");
  CHECK(complaint<ListCalendarsRequest>(R"({"secret":"s"})") == "request/secret must be an object");
  CHECK(from<FreeBusyRequest>(R"({"start":"s","end":"e","calendar":"c"})").calendar == "c");
  CHECK(complaint<FreeBusyRequest>(R"({"start":"s"})") == "request/end is missing");
  CHECK(from<ChangesRequest>(R"({"sync_token":"t"})").syncToken == "t");
  CHECK(from<RevokeRequest>(R"({"secret":{"a":1}})").secret == Json{{"a", 1}});
}

TEST_CASE("a setting of another type is named, and an absent one has its fallback") {
  const auto settings = from<Settings>(R"({"settings":{"api_url":7,"label":"x"}})");
  CHECK(settings.text("label") == "x");
  CHECK(settings.text("colour", "red") == "red");
  CHECK_THROWS_AS(settings.text("api_url"), Problem);
  CHECK_THROWS_WITH(settings.text("api_url"), "api_url must be a string");
}

TEST_CASE("a push is read with and without what minor 1 added") {
  static constexpr const char* kRest = R"("operation":"delete","uid":"u","idempotency_key":"k"})";
  const auto plain = from<PushRequest>((std::string("{") + kRest).c_str());
  CHECK(plain.secret.is_null());
  CHECK(plain.calendar.empty());
  CHECK(plain.recipient.email.empty());
  const std::string full =
      std::string(R"({"secret":{"a":[1]},"calendar":"c","recipient":{"email":"e","name":"n","language":"de"},)") +
      kRest;
  const auto rich = from<PushRequest>(full.c_str());
  CHECK(rich.secret == Json::parse(R"({"a":[1]})"));
  CHECK(rich.calendar == "c");
  CHECK(rich.recipient.email == "e");
  CHECK(rich.recipient.name == "n");
  CHECK(rich.recipient.language == "de");
  CHECK_FALSE(rich.withdrawn);
  PushRequest scanned;
  CHECK_FALSE(scan(full, scanned)); // left to the parser, which keeps the secret
  CHECK(scan(std::string(R"({"calendar":"c",)") + kRest, scanned));
  CHECK(scanned.calendar == "c");
  CHECK(complaint<PushRequest>(R"({"operation":"delete","uid":"u","idempotency_key":"k","recipient":{}})") ==
        "request/recipient/email is missing");
}

TEST_CASE("the replies of minor 1 are written as JSON") {
  CHECK(Json::parse(write(Authentication{{{"password", "p\"q"}}, {"id", "label"}})) ==
        Json::parse(R"({"secret":{"password":"p\"q"},"account":{"id":"id","label":"label"}})"));
  CHECK(write(CalendarList{}) == R"({"calendars":[]})");
  CHECK(write(CalendarList{{{"a", "A", "#fff000", true, true}, {"b", "B", "", false, false}}}) ==
        R"({"calendars":[{"id":"a","name":"A","color":"#fff000","writable":true,"primary":true},)"
        R"({"id":"b","name":"B","writable":false,"primary":false}]})");
  CHECK(write(BusyTimes{{{"s", "e"}}}) == R"({"busy":[{"start":"s","end":"e"}]})");
  CHECK(write(ChangeList{{{"", "p", "e", true}}, "t"}) ==
        R"({"changes":[{"provider_event_id":"p","etag":"e","deleted":true}],"sync_token":"t"})");
}

namespace {

struct Plain {
  static constexpr std::string_view kManifest = "{}";
};
struct Able {
  static constexpr std::string_view kManifest = "{}";
  CalendarList list_calendars(Call&, const ListCalendarsRequest&) { return {}; }
};

} // namespace

TEST_CASE("a class without an operation of minor 1 leaves its place in the table empty") {
  constexpr auto plain = detail::table<Plain>();
  CHECK(plain.minor == 1);
  CHECK(plain.struct_size == 128);
  CHECK(plain.authenticate == nullptr);
  CHECK(plain.list_calendars == nullptr);
  CHECK(plain.free_busy == nullptr);
  CHECK(plain.changes == nullptr);
  CHECK(detail::table<Able>().list_calendars != nullptr);
}
