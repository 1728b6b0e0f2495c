#include "auth_signer.hpp"
#include "auth_store.hpp"
#include "http/auth/app_keys.hpp"
#include "http/auth/authenticator.hpp"
#include "http/auth/jwt_verifier.hpp"
#include "http/auth/sessions.hpp"

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;
using nlohmann::json;

namespace {

const std::string kSecret = "0123456789abcdef0123456789abcdef";

struct Fixture {
  Fixture() {
    store.addPerson("john", "customer");
    store.addPerson("ada", "admin");
    key = generateAppKey(random);
    store->addAppKey("shop", appKeyHash(key), clock.now());
  }

  TemporaryStore store;
  ManualClock clock;
  SystemRandom random;
  NullLogger logger;
  AppKeys appKeys{*store, clock};
  JwtVerifier jwt{{.secret = kSecret, .jwksFile = {}}, clock, logger};
  Sessions sessions{*store, clock, random};
  Authenticator authenticator{*store, appKeys, jwt, sessions};
  std::string key;

  std::string token(const std::string& person) {
    return hmacToken(kSecret, {{"alg", "HS256"}}, {{"sub", person}, {"exp", clock.now() / 1000 + 60}});
  }
  Identity withBearer(const std::string& value) {
    return authenticator.authenticate(request("GET", {{"Authorization", value}}));
  }
  Identity withCookie(const std::string& value) {
    return authenticator.authenticate(request("GET", {{"Cookie", value}}));
  }
  std::string refusal(const std::string& value) {
    return errorOf([&] { (void)withBearer(value); });
  }
};

} // namespace

TEST_CASE("A request without credentials is anonymous") {
  Fixture f;
  const Identity identity = f.authenticator.authenticate(request("GET", {{"Host", "evil.example"}}));
  CHECK(identity.kind == Identity::Kind::anonymous);
  CHECK_FALSE(identity.person);
  CHECK_FALSE(identity.viaCookie);
}

TEST_CASE("An app key makes the app") {
  Fixture f;
  for (const std::string scheme : {"Bearer ", "bearer ", "BEARER   "}) {
    const Identity identity = f.withBearer(scheme + f.key);
    CHECK(identity.kind == Identity::Kind::app);
    CHECK(identity.appKeyName == "shop");
    CHECK_FALSE(identity.person);
  }
}

TEST_CASE("A JWT makes the person of the directory") {
  Fixture f;
  const Identity identity = f.withBearer("Bearer " + f.token("john"));
  CHECK(identity.kind == Identity::Kind::person);
  REQUIRE(identity.person);
  CHECK(identity.person->id == "john");
  CHECK_FALSE(identity.viaCookie);
  CHECK(identity.sessionToken.empty());
}

TEST_CASE("A session cookie makes the person, and says that a browser sent it") {
  Fixture f;
  const std::string token = f.sessions.open("john").token;
  const Identity identity = f.withCookie("calbridge_session=" + token);
  CHECK(identity.kind == Identity::Kind::person);
  REQUIRE(identity.person);
  CHECK(identity.person->id == "john");
  CHECK(identity.viaCookie);
  CHECK(identity.sessionToken == token);
}

TEST_CASE("A planted cookie of the same name does not hide the real one") {
  Fixture f;
  const std::string token = f.sessions.open("john").token;
  const Identity identity = f.withCookie("calbridge_session=" + f.random.token() + "; calbridge_session=" + token);
  REQUIRE(identity.person);
  CHECK(identity.person->id == "john");
}

TEST_CASE("A session that has ended, or whose person was erased, is anonymous") {
  Fixture f;
  const std::string token = f.sessions.open("john").token;
  f.store->erasePerson("john");
  CHECK(f.withCookie("calbridge_session=" + token).kind == Identity::Kind::anonymous);
  const std::string ended = f.sessions.open("ada").token;
  f.sessions.close(ended);
  CHECK(f.withCookie("calbridge_session=" + ended).kind == Identity::Kind::anonymous);
  CHECK(f.withCookie("calbridge_session=nonsense").kind == Identity::Kind::anonymous);
}

TEST_CASE("A credential that does not hold is refused and not taken for nobody's") {
  Fixture f;
  for (const std::string& wrong :
       {std::string(), std::string("Bearer"), std::string("Bearer "), std::string("Basic am9objpwYXNzd29yZA=="), f.key,
        "Bearer" + f.key, "Bearer " + generateAppKey(f.random), std::string("Bearer cbk_"),
        std::string("Bearer nonsense"), "Bearer " + f.key + " " + f.key, "Bearer " + f.token("nobody"),
        "Bearer " + f.token("john") + "x"}) {
    INFO(wrong);
    CHECK_THAT(f.refusal(wrong), Catch::StartsWith("invalid_credentials: "));
  }
  CHECK_THAT(f.refusal("Bearer " + f.token("nobody")), Catch::Contains("nobody in the directory"));
}

TEST_CASE("A wrong Authorization header is not made good by a session cookie") {
  Fixture f;
  const std::string cookie = "calbridge_session=" + f.sessions.open("john").token;
  CHECK_THAT(
      errorOf([&] {
        (void)f.authenticator.authenticate(request("GET", {{"Cookie", cookie}, {"Authorization", "Bearer nonsense"}}));
      }),
      Catch::StartsWith("invalid_credentials"));
  const Identity app =
      f.authenticator.authenticate(request("GET", {{"Cookie", cookie}, {"Authorization", "Bearer " + f.key}}));
  CHECK(app.kind == Identity::Kind::app);
  CHECK_FALSE(app.viaCookie);
}

TEST_CASE("Two Authorization headers are refused") {
  Fixture f;
  const std::string good = "Bearer " + f.key;
  CHECK_THAT(errorOf([&] {
               (void)f.authenticator.authenticate(request("GET", {{"Authorization", good}, {"authorization", good}}));
             }),
             Catch::Contains("more than one Authorization"));
}

TEST_CASE("Each route gets whom it is for, 401 for nobody and 403 for others") {
  Fixture f;
  const Identity nobody;
  const Identity app = f.withBearer("Bearer " + f.key);
  const Identity john = f.withBearer("Bearer " + f.token("john"));
  const Identity ada = f.withBearer("Bearer " + f.token("ada"));
  const auto codeOf = [](auto&& call) {
    const std::string error = errorOf(call);
    return error.substr(0, error.find(':'));
  };
  CHECK(codeOf([&] { requireApp(nobody); }) == "authentication_required");
  CHECK(codeOf([&] { requirePerson(nobody); }) == "authentication_required");
  CHECK(codeOf([&] { requireAdmin(nobody); }) == "authentication_required");
  CHECK(codeOf([&] { requireApp(app); }).empty());
  CHECK(codeOf([&] { requirePerson(app); }) == "forbidden");
  CHECK(codeOf([&] { requireAdmin(app); }) == "forbidden");
  CHECK(codeOf([&] { requireApp(john); }) == "forbidden");
  CHECK(requirePerson(john).id == "john");
  CHECK(codeOf([&] { requireAdmin(john); }) == "forbidden");
  CHECK(requireAdmin(ada).id == "ada");
}

TEST_CASE("A 401 says which scheme it wants, and of a refused token that it is invalid") {
  CHECK(challenge("authentication_required") == "Bearer realm=\"calbridge\"");
  CHECK(challenge("invalid_credentials") == "Bearer realm=\"calbridge\", error=\"invalid_token\"");
}
