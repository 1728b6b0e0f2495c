#include "auth_store.hpp"
#include "core/digest.hpp"
#include "http/auth/sessions.hpp"

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;

namespace {

constexpr TimeMs kFortnight = TimeMs{14} * 24 * 3600 * 1000;

struct Fixture {
  Fixture() { store.addPerson("john", "customer"); }

  TemporaryStore store;
  ManualClock clock;
  SystemRandom random;
  Sessions sessions{*store, clock, random};
};

Headers cookies(std::initializer_list<std::string_view> lines) {
  Headers headers;
  for (const std::string_view line : lines)
    headers.add("Cookie", line);
  return headers;
}

} // namespace

TEST_CASE("A session belongs to its person until it ends after fourteen days") {
  Fixture f;
  const Sessions::Opened opened = f.sessions.open("john");
  CHECK(opened.token.size() == 43);
  CHECK(f.sessions.personOf(opened.token) == "john");
  f.clock.advance(kFortnight - 1);
  CHECK(f.sessions.personOf(opened.token) == "john");
  f.clock.advance(1);
  CHECK_FALSE(f.sessions.personOf(opened.token));
}

TEST_CASE("Logging out ends the session for good, and no other one") {
  Fixture f;
  const Sessions::Opened phone = f.sessions.open("john");
  const Sessions::Opened laptop = f.sessions.open("john");
  CHECK(phone.token != laptop.token);
  f.sessions.close(phone.token);
  CHECK_FALSE(f.sessions.personOf(phone.token));
  CHECK(f.sessions.personOf(laptop.token) == "john");
  f.sessions.close(phone.token);
  f.sessions.close("nonsense");
}

TEST_CASE("The store knows a session by the hash of its token alone") {
  Fixture f;
  const Sessions::Opened opened = f.sessions.open("john");
  CHECK_FALSE(f.store->session(opened.token));
  REQUIRE(f.store->session(sha256Hex(opened.token)));
  CHECK_FALSE(f.sessions.personOf(sha256Hex(opened.token)));
}

TEST_CASE("The session cookie is HttpOnly and SameSite=Lax, and over https Secure and of this host alone") {
  Fixture f;
  const Sessions::Opened opened = f.sessions.open("john");
  CHECK(opened.cookie == "calbridge_session=" + opened.token + "; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax");
  CHECK(f.sessions.clearedCookie() == "calbridge_session=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
                                      "HttpOnly; SameSite=Lax");
  Sessions secure(*f.store, f.clock, f.random, {.lifetimeMs = 60'000, .secure = true});
  const Sessions::Opened https = secure.open("john");
  CHECK(https.cookie ==
        "__Host-calbridge_session=" + https.token + "; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
  CHECK_THAT(secure.clearedCookie(), Catch::StartsWith("__Host-calbridge_session=; ") && Catch::EndsWith("; Secure"));
}

TEST_CASE("The session token is found among whatever else a browser sends") {
  Fixture f;
  const std::string a(43, 'a');
  const std::string b(43, 'b');
  using Tokens = std::vector<std::string>;
  CHECK(f.sessions.tokensIn(cookies({})) == Tokens{});
  CHECK(f.sessions.tokensIn(cookies({"calbridge_session=" + a})) == Tokens{a});
  CHECK(f.sessions.tokensIn(cookies({"x=1;  calbridge_session = \"" + a + "\" ;y=2"})) == Tokens{a});
  CHECK(f.sessions.tokensIn(cookies({";;=; ; =v;calbridge_session;calbridge_session=;calbridge_session=" + a + ";"})) ==
        Tokens{a});
  CHECK(f.sessions.tokensIn(cookies({"calbridge_session=" + a + "; calbridge_session=" + b})) == Tokens{a, b});
  CHECK(f.sessions.tokensIn(cookies({"x=1", "calbridge_session=" + b})) == Tokens{b});
  for (const std::string& wrong :
       {"xcalbridge_session=" + a, "Calbridge_session=" + a, "__Host-calbridge_session=" + a,
        "x=calbridge_session=" + a, "calbridge_session=" + a + "a", "calbridge_session=" + a.substr(1),
        "calbridge_session=" + a.substr(1) + "%", "calbridge_session=\"" + a, std::string("calbridge_session")}) {
    INFO(wrong);
    CHECK(f.sessions.tokensIn(cookies({wrong})) == Tokens{});
  }
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += "calbridge_session=" + a + ";";
  CHECK(f.sessions.tokensIn(cookies({many})).size() == 4);
}

TEST_CASE("A form token belongs to one session") {
  const std::string one = Sessions::formToken("session one");
  CHECK(one.size() == 43);
  CHECK(Sessions::formToken("session one") == one);
  CHECK(Sessions::isFormToken("session one", one));
  CHECK_FALSE(Sessions::isFormToken("session two", one));
  CHECK_FALSE(Sessions::isFormToken("session one", ""));
  CHECK_FALSE(Sessions::isFormToken("session one", one + "A"));
  CHECK_FALSE(Sessions::isFormToken("", Sessions::formToken("")));
}
