#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/random.hpp"
#include "core/time.hpp"

#include <catch2/catch.hpp>
#include <regex>
#include <set>

namespace calbridge {

TEST_CASE("RFC 3339 times are read with their offsets and fractions") {
  // The examples of RFC 3339 section 5.8.
  CHECK(parseRfc3339("1985-04-12T23:20:50.52Z") == 482196050520);
  CHECK(parseRfc3339("1996-12-19T16:39:57-08:00") == parseRfc3339("1996-12-20T00:39:57Z"));
  CHECK(parseRfc3339("1937-01-01T12:00:27.87+00:20") == parseRfc3339("1937-01-01T11:40:27.87Z"));
  CHECK(parseRfc3339("1970-01-01T00:00:00Z") == 0);
  CHECK(formatRfc3339(parseRfc3339("9999-12-31T23:59:59Z").value()) == "9999-12-31T23:59:59Z");
  CHECK_FALSE(parseRfc3339("9999-12-31T23:59:59-00:01")); // in UTC there is no such year
  CHECK_FALSE(parseRfc3339("0001-01-01T00:00:00+00:01"));
  CHECK(parseRfc3339("1969-12-31T23:59:59.999Z") == -1);
  CHECK(parseRfc3339("2026-12-01t09:00:00z") == parseRfc3339("2026-12-01T09:00:00Z"));
  CHECK(parseRfc3339("2026-12-01 09:00:00Z") == parseRfc3339("2026-12-01T09:00:00Z"));
  CHECK(parseRfc3339("2026-12-01T09:00:00.1239999Z") == *parseRfc3339("2026-12-01T09:00:00Z") + 123);
  CHECK(parseRfc3339("2028-02-29T00:00:00+23:59") == *parseRfc3339("2028-02-29T00:00:00Z") - 86'340'000);
  CHECK(parseRfc3339("2026-12-01T09:00:00-00:00") == parseRfc3339("2026-12-01T09:00:00Z"));
}

TEST_CASE("A leap second counts as the second before it") {
  CHECK(parseRfc3339("1990-12-31T23:59:60Z") == parseRfc3339("1990-12-31T23:59:59Z"));
  CHECK(parseRfc3339("1990-12-31T15:59:60-08:00") == parseRfc3339("1990-12-31T23:59:59Z"));
  CHECK_FALSE(parseRfc3339("1990-12-31T23:59:61Z"));
}

TEST_CASE("What is no RFC 3339 time is refused") {
  for (const auto* text : {"",
                           "2026-12-01",
                           "2026-12-01T09:00:00",
                           "2026-12-01T09:00Z",
                           "2026-13-01T09:00:00Z",
                           "2026-00-01T09:00:00Z",
                           "2026-02-29T09:00:00Z",
                           "2026-04-31T09:00:00Z",
                           "2026-12-01T24:00:00Z",
                           "2026-12-01T09:60:00Z",
                           "2026-12-01T09:00:00.Z",
                           "2026-12-01T09:00:00+0100",
                           "2026-12-01T09:00:00+1:00",
                           "2026-12-01T09:00:00+24:00",
                           "2026-12-01T09:00:00+01:60",
                           "2026-12-01T09:00:00Zx",
                           "2026-12-01T09:00:00Z ",
                           " 2026-12-01T09:00:00Z",
                           "2026-1-01T09:00:00Z",
                           "2026/12/01T09:00:00Z",
                           "0000-12-01T09:00:00Z",
                           "26-12-01T09:00:00.000Z",
                           "2026-12-01T09:00:00,5Z",
                           "+026-12-01T09:00:00Z",
                           "2026-12-01T09:00:00.00000000000000000000000000Z"}) {
    INFO(text);
    CHECK_FALSE(parseRfc3339(text));
  }
  CHECK_FALSE(parseRfc3339(std::string_view("2026-12-01T09:00:00\0", 20)));
}

TEST_CASE("Times are written in UTC and read back the same") {
  CHECK(formatRfc3339(0) == "1970-01-01T00:00:00Z");
  CHECK(formatRfc3339(482196050520) == "1985-04-12T23:20:50.520Z");
  CHECK(formatRfc3339(-1) == "1969-12-31T23:59:59.999Z");
  for (const TimeMs time : {TimeMs{0}, TimeMs{-62135596800000}, TimeMs{253402300799999}, TimeMs{1'800'000'000'007}}) {
    INFO(time);
    CHECK(parseRfc3339(formatRfc3339(time)) == time);
  }
}

TEST_CASE("HTTP dates are written and read in the preferred form") {
  const TimeMs time = *parseRfc3339("1994-11-06T08:49:37Z"); // RFC 9110 section 5.6.7
  CHECK(formatHttpDate(time) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT") == time);
  for (const auto* text :
       {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT"}) {
    INFO(text);
    CHECK_FALSE(parseHttpDate(text));
  }
}

TEST_CASE("A wall-clock reading that daylight saving skips moves forward by the gap") {
  // London springs forward at 01:00 UTC on 29 March 2026.
  CHECK(localToUtc("2026-03-29T00:59:59", "Europe/London") == parseRfc3339("2026-03-29T00:59:59Z"));
  CHECK(localToUtc("2026-03-29T01:30:00", "Europe/London") == parseRfc3339("2026-03-29T01:30:00Z"));
  CHECK(utcToLocal(*localToUtc("2026-03-29T01:30:00", "Europe/London"), "Europe/London") == "2026-03-29T02:30:00");
  CHECK(localToUtc("2026-03-29T02:00:00", "Europe/London") == parseRfc3339("2026-03-29T01:00:00Z"));
  CHECK(localToUtc("2026-03-08T02:30:00", "America/New_York") == parseRfc3339("2026-03-08T07:30:00Z"));
}

TEST_CASE("A wall-clock reading that comes twice means the first") {
  CHECK(localToUtc("2026-10-25T01:30:00", "Europe/London") == parseRfc3339("2026-10-25T00:30:00Z"));
  CHECK(localToUtc("2026-11-01T01:30:00", "America/New_York") == parseRfc3339("2026-11-01T05:30:00Z"));
  CHECK(utcToLocal(*parseRfc3339("2026-10-25T00:30:00Z"), "Europe/London") == "2026-10-25T01:30:00");
  CHECK(utcToLocal(*parseRfc3339("2026-10-25T01:30:00Z"), "Europe/London") == "2026-10-25T01:30:00");
}

TEST_CASE("Zones with odd offsets and none are known; inventions are not") {
  CHECK(localToUtc("2026-12-01T09:00:00", "Asia/Kathmandu") == parseRfc3339("2026-12-01T03:15:00Z"));
  CHECK(localToUtc("2026-12-01T09:00:00", "UTC") == parseRfc3339("2026-12-01T09:00:00Z"));
  CHECK(utcToLocal(*parseRfc3339("2026-12-01T23:30:00Z"), "Pacific/Kiritimati") == "2026-12-02T13:30:00");
  for (const auto* zone : {"", "Mars/Olympus", "../etc/passwd", "Europe/London ", "europe/london"}) {
    INFO(zone);
    CHECK_FALSE(isTimeZone(zone));
    CHECK_FALSE(localToUtc("2026-12-01T09:00:00", zone));
  }
  CHECK_FALSE(isTimeZone(std::string(1000, 'a')));
  CHECK_THROWS_AS(utcToLocal(0, "Mars/Olympus"), Error);
  CHECK(isTimeZone("Europe/London"));
}

TEST_CASE("Dates and local date-times are told from what only looks like them") {
  CHECK(isDate("2028-02-29"));
  CHECK_FALSE(isDate("2026-02-29"));
  CHECK_FALSE(isDate("2026-2-01"));
  CHECK_FALSE(isDate("2026-02-01T"));
  CHECK(isLocalDateTime("2026-12-01T09:00:00"));
  CHECK_FALSE(isLocalDateTime("2026-12-01 09:00:00"));
  CHECK_FALSE(isLocalDateTime("2026-12-01T09:00"));
  CHECK_FALSE(isLocalDateTime("2026-12-01T09:00:00Z"));
  CHECK_FALSE(isLocalDateTime("2026-12-01T25:00:00"));
}

TEST_CASE("SHA-256 gives what FIPS 180 gives") {
  CHECK(sha256Hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256Hex(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(sha256("abc").size() == 32);
}

TEST_CASE("Base64 keeps to the vectors of RFC 4648") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    INFO(plain);
    CHECK(base64Encode(plain) == coded);
    CHECK(base64Decode(coded) == plain);
    std::string bare = coded;
    while (bare.ends_with('='))
      bare.pop_back();
    CHECK(base64Decode(bare) == plain);
    CHECK(base64UrlEncode(plain) == bare);
  }
  CHECK(base64UrlEncode("\xfb\xff\xfe") == "-__-");
  CHECK(base64Encode("\xfb\xff\xfe") == "+//+");
}

TEST_CASE("Malformed base64 is refused") {
  for (const auto* text :
       {"Z", "Zg=", "Zg===", "Z===", "Zh==", "Zm9v=", "Zm9=v", "Zm9v!", "Zm 9v", "Zm9v\n", "=Zg=", "-__-", "===="}) {
    INFO(text);
    CHECK_FALSE(base64Decode(text));
  }
}

TEST_CASE("The PKCE challenge is the one of RFC 7636 appendix B") {
  CHECK(pkceChallenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

TEST_CASE("Comparing in constant time still compares") {
  CHECK(constantTimeEqual("", ""));
  CHECK(constantTimeEqual("secret", "secret"));
  CHECK_FALSE(constantTimeEqual("secret", "secreT"));
  CHECK_FALSE(constantTimeEqual("secret", "secret "));
  CHECK_FALSE(constantTimeEqual("", "x"));
}

TEST_CASE("Random tokens are of the length asked for and do not repeat") {
  SystemRandom random;
  std::set<std::string> tokens;
  for (int i = 0; i < 1000; ++i) {
    const auto token = random.token(32);
    CHECK(token.size() == 43);
    tokens.insert(token);
    const double unit = random.unit();
    CHECK(unit >= 0);
    CHECK(unit < 1);
  }
  CHECK(tokens.size() == 1000);
  CHECK(std::regex_match(random.uuid(),
                         std::regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
}

} // namespace calbridge
