#include "auth_fixture.hpp"
#include "auth_signer.hpp"
#include "core/digest.hpp"
#include "http/auth/jwt_verifier.hpp"
#include "temporary_folder.hpp"

#include <filesystem>
#include <fstream>

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;
using nlohmann::json;

namespace {

constexpr std::int64_t kNow = ManualClock::kEpoch / 1000;

const json& claims() {
  static const json kClaims{{"sub", "john"}, {"exp", kNow + 3600}};
  return kClaims;
}

/// Making keys takes long; these are never changed.
const Signer& rsa() {
  static const Signer kKey(Signer::Type::rsa);
  return kKey;
}
const Signer& otherRsa() {
  static const Signer kKey(Signer::Type::rsa);
  return kKey;
}
const Signer& ec() {
  static const Signer kKey(Signer::Type::p256);
  return kKey;
}

class KeyFile {
 public:
  explicit KeyFile(const json& keys) { write(json{{"keys", keys}}.dump()); }

  /// Replaces the file as deployments do; its time differs from the last one's however fast that follows.
  void write(const std::string& content) {
    const std::filesystem::path fresh = folder_.path / "fresh";
    std::ofstream(fresh) << content;
    std::filesystem::last_write_time(fresh, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(++n_));
    std::filesystem::rename(fresh, path());
  }
  void remove() { std::filesystem::remove(path()); }
  std::string path() const { return (folder_.path / "jwks.json").string(); }

 private:
  testing::TemporaryFolder folder_;
  int n_ = 0;
};

struct Fixture {
  explicit Fixture(const json& keys, std::string secret = {})
      : file(keys), verifier({.secret = std::move(secret), .jwksFile = file.path()}, clock, logger) {}

  KeyFile file;
  ManualClock clock;
  RecordingLogger logger;
  JwtVerifier verifier;

  bool accepts(const std::string& token) {
    std::string person;
    return errorOf([&] { person = verifier.verify(token); }).empty() && person == "john";
  }
  std::string refusal(const std::string& token) {
    return errorOf([&] { (void)verifier.verify(token); });
  }
};

std::string startError(const std::string& content) {
  KeyFile file(json::array());
  file.write(content);
  ManualClock clock;
  NullLogger logger;
  return errorOf([&] { JwtVerifier({.secret = {}, .jwksFile = file.path()}, clock, logger); });
}

std::string startError(const json& key) {
  return startError(json{{"keys", {key}}}.dump());
}

} // namespace

TEST_CASE("Tokens signed with RS256 and ES256 verify with the public keys of the file") {
  Fixture f(json::array({rsa().jwk({{"kid", "r"}, {"alg", "RS256"}, {"use", "sig"}}),
                         ec().jwk({{"kid", "e"}, {"alg", "ES256"}, {"key_ops", {"verify"}}})}));
  CHECK(f.accepts(rsa().token({{"alg", "RS256"}, {"kid", "r"}}, claims())));
  CHECK(f.accepts(ec().token({{"alg", "ES256"}, {"kid", "e"}}, claims())));
  CHECK(f.accepts(rsa().token({{"alg", "RS256"}}, claims())));
  CHECK(f.accepts(ec().token({{"alg", "ES256"}}, claims())));
  CHECK_FALSE(f.accepts(otherRsa().token({{"alg", "RS256"}, {"kid", "r"}}, claims())));
  CHECK_FALSE(f.accepts(Signer(Signer::Type::p256).token({{"alg", "ES256"}, {"kid", "e"}}, claims())));
}

TEST_CASE("Every ES256 signature verifies, also those whose numbers begin with zero bytes") {
  Fixture f(json::array({ec().jwk()}));
  bool shortNumber = false;
  for (int i = 0; i < 20'000 && !shortNumber; ++i) {
    const std::string input = signingInput({{"alg", "ES256"}}, {{"sub", "john"}, {"exp", kNow + 3600}, {"i", i}});
    const std::string signature = ec().sign(input);
    shortNumber = signature[0] == '\0' || signature[32] == '\0';
    if (i < 20 || shortNumber)
      CHECK(f.accepts(input + "." + base64UrlEncode(signature)));
  }
  CHECK(shortNumber);
}

TEST_CASE("An ES256 signature in DER, of another length or of zeros is refused") {
  Fixture f(json::array({ec().jwk()}));
  const std::string input = signingInput({{"alg", "ES256"}}, claims());
  const std::string good = ec().sign(input);
  REQUIRE(f.accepts(input + "." + base64UrlEncode(good)));
  for (const std::string& wrong : {ec().signDer(input), good + '\0', '\0' + good, good.substr(1), good + good,
                                   std::string(64, '\0'), std::string(), good.substr(32) + good.substr(0, 32)}) {
    INFO(hexEncode(wrong));
    CHECK_THAT(f.refusal(input + "." + base64UrlEncode(wrong)), Catch::Contains("signature is wrong"));
  }
}

TEST_CASE("The public RSA key does not work as a shared secret") {
  const std::string secret = "0123456789abcdef0123456789abcdef";
  Fixture both(json::array({rsa().jwk({{"kid", "r"}})}), secret);
  Fixture keysOnly(json::array({rsa().jwk({{"kid", "r"}})}));
  for (const std::string& known : {rsa().pem(), rsa().jwk()["n"].get<std::string>(), rsa().jwk().dump()}) {
    const std::string token = hmacToken(known, {{"alg", "HS256"}, {"kid", "r"}}, claims());
    CHECK_THAT(both.refusal(token), Catch::Contains("signature is wrong"));
    CHECK_THAT(keysOnly.refusal(token), Catch::Contains("alg is not accepted"));
  }
  CHECK(both.accepts(hmacToken(secret, {{"alg", "HS256"}}, claims())));
  CHECK(both.accepts(rsa().token({{"alg", "RS256"}}, claims())));
}

TEST_CASE("A key works for its own algorithm alone") {
  Fixture f(json::array({rsa().jwk({{"kid", "r"}}), ec().jwk({{"kid", "e"}})}));
  CHECK_FALSE(f.accepts(rsa().token({{"alg", "ES256"}, {"kid", "r"}}, claims())));
  CHECK_FALSE(f.accepts(ec().token({{"alg", "RS256"}, {"kid", "e"}}, claims())));
  CHECK_FALSE(f.accepts(rsa().token({{"alg", "RS256"}, {"kid", "e"}}, claims())));
  CHECK_FALSE(f.accepts(rsa().token({{"alg", "PS256"}, {"kid", "r"}}, claims())));
}

TEST_CASE("A kid chooses the key; a key without one is a match for a kid that nobody has") {
  Fixture named(json::array({rsa().jwk({{"kid", "one"}}), otherRsa().jwk({{"kid", "two"}})}));
  CHECK(named.accepts(otherRsa().token({{"alg", "RS256"}, {"kid", "two"}}, claims())));
  CHECK(named.accepts(otherRsa().token({{"alg", "RS256"}}, claims())));
  CHECK_FALSE(named.accepts(otherRsa().token({{"alg", "RS256"}, {"kid", "one"}}, claims())));
  CHECK_FALSE(named.accepts(otherRsa().token({{"alg", "RS256"}, {"kid", "three"}}, claims())));
  CHECK_THAT(named.refusal(rsa().token({{"alg", "RS256"}, {"kid", 1}}, claims())), Catch::Contains("kid is no string"));
  Fixture nameless(json::array({rsa().jwk(), otherRsa().jwk({{"kid", "two"}})}));
  CHECK(nameless.accepts(rsa().token({{"alg", "RS256"}, {"kid", "old"}}, claims())));
  CHECK_FALSE(nameless.accepts(rsa().token({{"alg", "RS256"}, {"kid", "two"}}, claims())));
}

TEST_CASE("A key that the token itself brings is not used") {
  Fixture f(json::array({rsa().jwk({{"kid", "r"}})}));
  CHECK_FALSE(f.accepts(otherRsa().token({{"alg", "RS256"}, {"jwk", otherRsa().jwk()}}, claims())));
  CHECK_FALSE(f.accepts(
      otherRsa().token({{"alg", "RS256"}, {"jku", "https://evil.example/jwks"}, {"kid", "../../r"}}, claims())));
}

TEST_CASE("A key set without a usable key is refused at start, with the reason and the file") {
  const auto reason = [](const json& key) { return startError(key); };
  CHECK_THAT(reason(rsa().jwk({{"use", "enc"}})), Catch::Contains("its use is not \"sig\""));
  CHECK_THAT(reason(rsa().jwk({{"alg", "RS512"}})), Catch::Contains("its alg is not RS256"));
  CHECK_THAT(reason(ec().jwk({{"alg", "RS256"}})), Catch::Contains("its alg is not ES256"));
  CHECK_THAT(reason(rsa().jwk({{"key_ops", {"encrypt"}}})), Catch::Contains("key_ops"));
  CHECK_THAT(reason(rsa().jwk({{"d", "AQAB"}})), Catch::Contains("private key"));
  CHECK_THAT(reason(rsa().jwk({{"kid", 7}})), Catch::Contains("kid is no string"));
  CHECK_THAT(reason(json{{"kty", "oct"}, {"k", "c2VjcmV0"}}), Catch::Contains("neither RSA nor EC"));
  CHECK_THAT(reason(json("text")), Catch::Contains("no JSON object"));
  CHECK_THAT(reason(Signer(Signer::Type::rsa, 1024).jwk()), Catch::Contains("2048 to 8192 bits"));
  CHECK_THAT(reason(rsa().jwk({{"e", "AQ"}})), Catch::Contains("no RSA number"));
  CHECK_THAT(reason(rsa().jwk({{"e", "Ag"}})), Catch::Contains("no RSA number"));
  CHECK_THAT(reason(rsa().jwk({{"e", "AQAB="}})), Catch::Contains("n or e"));
  CHECK_THAT(reason(rsa().jwk({{"n", 7}})), Catch::Contains("n or e"));
  CHECK_THAT(reason(Signer(Signer::Type::p384).jwk()), Catch::Contains("only P-256"));
  CHECK_THAT(reason(ec().jwk({{"y", ec().jwk()["x"]}})), Catch::Contains("not on the curve"));
  CHECK_THAT(reason(ec().jwk({{"x", "AAAA"}})), Catch::Contains("not 32 bytes"));
  CHECK_THAT(
      reason(ec().jwk({{"x", base64UrlEncode(std::string(32, '\0'))}, {"y", base64UrlEncode(std::string(32, '\0'))}})),
      Catch::Contains("not on the curve"));
  const std::string error = startError(std::string("{\"keys\":[]}"));
  CHECK_THAT(error, Catch::StartsWith("invalid_configuration: security.jwt_keys: the key set ") &&
                        Catch::Contains("jwks.json") && Catch::Contains("no usable key"));
  for (const char* broken : {"", "nonsense", "[]", "{}", "{\"keys\":{}}", "{\"keys\":["}) {
    INFO(broken);
    CHECK_THAT(startError(std::string(broken)), Catch::Contains("no JSON Web Key Set"));
  }
  CHECK_THAT(startError(std::string((1 << 20) + 1, ' ')), Catch::Contains("larger than 1 MiB"));
}

TEST_CASE("A key file that is missing or a folder is refused at start") {
  ManualClock clock;
  NullLogger logger;
  CHECK_THAT(errorOf([&] { JwtVerifier({.secret = {}, .jwksFile = "/nonexistent/jwks.json"}, clock, logger); }),
             Catch::Contains("/nonexistent/jwks.json") && Catch::Contains("cannot be opened"));
  CHECK_THAT(errorOf([&] { JwtVerifier({.secret = {}, .jwksFile = "/"}, clock, logger); }),
             Catch::Contains("cannot be"));
}

TEST_CASE("A key that cannot be used is left out, with a warning, and the others work") {
  Fixture f(json::array({json{{"kty", "OKP"}, {"crv", "Ed25519"}}, rsa().jwk({{"kid", "r"}})}));
  CHECK(f.accepts(rsa().token({{"alg", "RS256"}, {"kid", "r"}}, claims())));
  const auto warnings = f.logger.at(Logger::Level::warning);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings.front(), Catch::Contains("/keys/0 is left out"));
}

TEST_CASE("A changed key file counts within seconds, and a broken one changes nothing but the log") {
  Fixture f(json::array({rsa().jwk({{"kid", "old"}})}));
  const std::string oldToken = rsa().token({{"alg", "RS256"}, {"kid", "old"}}, claims());
  const std::string newToken = otherRsa().token({{"alg", "RS256"}, {"kid", "new"}}, claims());
  CHECK(f.accepts(oldToken));

  f.file.write(json{{"keys", {otherRsa().jwk({{"kid", "new"}})}}}.dump());
  CHECK_FALSE(f.accepts(newToken)); // looked at a moment ago
  f.clock.advance(5000);
  CHECK(f.accepts(newToken));
  CHECK_FALSE(f.accepts(oldToken));
  CHECK(f.logger.at(Logger::Level::error).empty());

  f.file.write("{\"keys\": [");
  for (int i = 0; i < 3; ++i) {
    f.clock.advance(5000);
    CHECK(f.accepts(newToken));
  }
  REQUIRE(f.logger.at(Logger::Level::error).size() == 1);
  CHECK_THAT(f.logger.at(Logger::Level::error).front(), Catch::Contains("old keys stay in use"));

  f.file.remove();
  for (int i = 0; i < 3; ++i) {
    f.clock.advance(5000);
    CHECK(f.accepts(newToken));
  }
  CHECK(f.logger.at(Logger::Level::error).size() == 2);

  f.file.write(json{{"keys", {rsa().jwk({{"kid", "old"}})}}}.dump());
  f.clock.advance(5000);
  CHECK(f.accepts(oldToken));
  CHECK_FALSE(f.accepts(newToken));
}
