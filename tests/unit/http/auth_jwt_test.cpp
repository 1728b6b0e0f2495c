#include "auth_fixture.hpp"
#include "auth_signer.hpp"
#include "core/digest.hpp"
#include "http/auth/jwt_verifier.hpp"

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;
using nlohmann::json;

namespace {

const std::string kSecret = "0123456789abcdef0123456789abcdef";
constexpr std::int64_t kNow = ManualClock::kEpoch / 1000;

json claims(const json& change = json::object()) {
  json out{{"sub", "john"}, {"exp", kNow + 600}};
  out.merge_patch(change); // null removes
  return out;
}

struct Fixture {
  ManualClock clock;
  NullLogger logger;
  JwtVerifier verifier{{.secret = kSecret, .jwksFile = {}}, clock, logger};

  std::string verify(const std::string& token) { return verifier.verify(token); }
  std::string refusal(const std::string& token) {
    return errorOf([&] { (void)verifier.verify(token); });
  }
  std::string ours(const json& change = json::object(), const json& header = {{"alg", "HS256"}}) {
    return hmacToken(kSecret, header, claims(change));
  }
};

} // namespace

TEST_CASE("A token that the shared secret signed names its person") {
  Fixture f;
  CHECK(f.verify(f.ours()) == "john");
  CHECK(f.verify(f.ours({{"sub", "sarah"}, {"role", "admin"}}, {{"alg", "HS256"}, {"typ", "JWT"}, {"kid", "x"}})) ==
        "sarah");
}

TEST_CASE("A token of another secret, or changed on its way, is refused") {
  Fixture f;
  CHECK_THAT(f.refusal(hmacToken("another secret of thirty-two byte", {{"alg", "HS256"}}, claims())),
             Catch::Contains("signature is wrong"));
  const std::string token = f.ours();
  for (const std::size_t at : {token.find('.') + 3, token.size() - 4}) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    CHECK_THAT(f.refusal(changed), Catch::StartsWith("invalid_credentials: "));
  }
  CHECK_THAT(f.refusal(token.substr(0, token.rfind('.') + 1)), Catch::Contains("signature is wrong"));
  CHECK_THAT(f.refusal(token.substr(0, token.size() - 11)), Catch::StartsWith("invalid_credentials: "));
}

TEST_CASE("alg none and every algorithm that is not configured are refused") {
  Fixture f;
  const std::string unsignedToken = signingInput({{"alg", "none"}}, claims()) + ".";
  CHECK_THAT(f.refusal(unsignedToken), Catch::Contains("alg is not accepted"));
  for (const json& algorithm : std::vector<json>{"None", "NONE", "nOnE", "", "hs256", "HS384", "HS512", "RS256",
                                                 "ES256", "PS256", "EdDSA", nullptr, 256, json::array({"HS256"})}) {
    INFO(algorithm);
    CHECK_THAT(f.refusal(f.ours(json::object(), {{"alg", algorithm}})), Catch::Contains("alg is not accepted"));
  }
  CHECK_THAT(f.refusal(f.ours(json::object(), {{"typ", "JWT"}})), Catch::Contains("alg is not accepted"));
}

TEST_CASE("A critical extension is refused, known or not") {
  Fixture f;
  for (const json& critical :
       std::vector<json>{json::array({"exp"}), json::array({"b64"}), json::array(), "exp", nullptr}) {
    INFO(critical);
    CHECK_THAT(f.refusal(f.ours(json::object(), {{"alg", "HS256"}, {"crit", critical}})), Catch::Contains("crit"));
  }
}

TEST_CASE("What is not three base64url parts around dots is refused") {
  Fixture f;
  const std::string good = f.ours();
  for (const std::string& broken :
       {std::string(), std::string("."), std::string(".."), std::string("abc"), std::string("a.b"), good + ".",
        good + ".e30", "." + good, good + "=", good + " ", good.substr(0, 5) + "\n" + good.substr(5),
        good.substr(0, 5) + "+" + good.substr(6), "e30." + good, base64UrlEncode("[]") + good.substr(good.find('.')),
        base64UrlEncode("{\"alg\":") + good.substr(good.find('.')),
        base64UrlEncode(std::string(3000, '[')) + good.substr(good.find('.'))}) {
    INFO(broken);
    CHECK_THAT(f.refusal(broken), Catch::StartsWith("invalid_credentials: "));
  }
}

TEST_CASE("A signed payload that is not an object is refused") {
  Fixture f;
  for (const char* payload :
       {"[]", "\"john\"", "null", "{", "", "{\"sub\":\"\xff\",\"exp\":99999999999}", "{\"exp\":1e999}"}) {
    INFO(payload);
    const std::string input = base64UrlEncode(R"({"alg":"HS256"})") + "." + base64UrlEncode(payload);
    CHECK_THAT(f.refusal(input + "." + base64UrlEncode(hmac(kSecret, input))), Catch::Contains("payload"));
  }
}

TEST_CASE("A token of more than 8 KiB is refused unread") {
  Fixture f;
  CHECK(f.verify(f.ours({{"padding", std::string(4000, 'x')}})) == "john");
  CHECK_THAT(f.refusal(f.ours({{"padding", std::string(8000, 'x')}})), Catch::Contains("longer than 8 KiB"));
}

TEST_CASE("exp is required and has a minute of leeway") {
  Fixture f;
  CHECK_THAT(f.refusal(f.ours({{"exp", nullptr}})), Catch::Contains("no exp"));
  CHECK(f.verify(f.ours({{"exp", kNow - 59}})) == "john");
  CHECK_THAT(f.refusal(f.ours({{"exp", kNow - 60}})), Catch::Contains("expired"));
  CHECK(f.verify(f.ours({{"exp", static_cast<double>(kNow) - 59.5}})) == "john");
  for (const json& strange : std::vector<json>{"4102444800", true, json::array({kNow + 600}), 1e300, -1e300}) {
    INFO(strange);
    CHECK_THAT(f.refusal(f.ours({{"exp", strange}})), Catch::Contains("exp is not a number"));
  }
  const std::string token = f.ours();
  CHECK(f.verify(token) == "john");
  f.clock.advance(660 * 1000);
  CHECK_THAT(f.refusal(token), Catch::Contains("expired"));
}

TEST_CASE("nbf is honoured with a minute of leeway") {
  Fixture f;
  CHECK(f.verify(f.ours({{"nbf", kNow + 60}})) == "john");
  CHECK_THAT(f.refusal(f.ours({{"nbf", kNow + 61}})), Catch::Contains("not valid yet"));
  CHECK_THAT(f.refusal(f.ours({{"nbf", "yesterday"}})), Catch::Contains("nbf is not a number"));
}

TEST_CASE("sub must be a person's id") {
  Fixture f;
  for (const json& strange : std::vector<json>{7, json::array({"john"}), true, "", std::string(257, 'x')}) {
    INFO(strange);
    CHECK_THAT(f.refusal(f.ours({{"sub", strange}})), Catch::Contains("sub"));
  }
  CHECK_THAT(f.refusal(f.ours({{"sub", nullptr}})), Catch::Contains("no sub"));
}

TEST_CASE("A token for other audiences is refused, one that names us among several is not") {
  Fixture f;
  CHECK(f.verify(f.ours({{"aud", "calbridge"}})) == "john");
  CHECK(f.verify(f.ours({{"aud", {"billing", "calbridge"}}})) == "john");
  for (const json& other :
       std::vector<json>{"billing", json::array({"billing", 7}), json::array(), 7, json::object()}) {
    INFO(other);
    CHECK_THAT(f.refusal(f.ours({{"aud", other}})), Catch::Contains("another audience"));
  }
}

TEST_CASE("The signature is looked at before any claim is believed") {
  Fixture f;
  CHECK_THAT(f.refusal(hmacToken("another secret of thirty-two byte", {{"alg", "HS256"}}, claims({{"exp", 1}}))),
             Catch::Contains("signature is wrong"));
}

TEST_CASE("With neither secret nor keys every token is refused") {
  ManualClock clock;
  NullLogger logger;
  JwtVerifier verifier({}, clock, logger);
  CHECK_FALSE(verifier.configured());
  for (const std::string& token :
       {hmacToken("", {{"alg", "HS256"}}, claims()), hmacToken(kSecret, {{"alg", "HS256"}}, claims()),
        signingInput({{"alg", "none"}}, claims()) + ".", std::string()}) {
    INFO(token);
    CHECK_THAT(errorOf([&] { (void)verifier.verify(token); }), Catch::Contains("JWTs are not accepted here"));
  }
}

TEST_CASE("A secret of less than 32 bytes works, and the log warns of it without showing it") {
  ManualClock clock;
  RecordingLogger logger;
  const std::string secret = kSecret.substr(1);
  JwtVerifier verifier({.secret = secret, .jwksFile = {}}, clock, logger);
  CHECK(verifier.verify(hmacToken(secret, {{"alg", "HS256"}}, claims())) == "john");
  const auto warnings = logger.at(Logger::Level::warning);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Catch::Contains("CALBRIDGE_JWT_SECRET is shorter"));
  CHECK_THAT(warnings[0], !Catch::Contains(secret));
}
