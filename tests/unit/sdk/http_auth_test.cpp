#include <calbridge/http_auth.hpp>

#include <catch2/catch.hpp>

using namespace calbridge::sdk;

namespace {

std::vector<Challenge> challenges(std::initializer_list<const char*> values) {
  HttpResponse response;
  for (const char* value : values) {
    response.headers.emplace_back("WWW-Authenticate", value);
  }
  return challengesOf(response);
}

} // namespace

TEST_CASE("base64 is padded as RFC 4648 says") {
  CHECK(base64Encode("") == "");
  CHECK(base64Encode("f") == "Zg==");
  CHECK(base64Encode("fo") == "Zm8=");
  CHECK(base64Encode("foo") == "Zm9v");
  CHECK(base64Encode("foobar") == "Zm9vYmFy");
  CHECK(base64Encode("\xff\xfe\xfd") == "//79");
}

TEST_CASE("MD5 gives the digests of RFC 1321, SHA-256 those of FIPS 180, across block ends too") {
  CHECK(md5Hex("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5Hex("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(md5Hex("12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
        "57edf4a22be3c955ac49da2e2107b67a");
  CHECK(sha256Hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256Hex(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(md5Hex(std::string(1000000, 'a')) == "7707d6ae4e027c70eea2a935c2296f21");
}

TEST_CASE("Digest answers as the example of RFC 7616 section 3.9.1") {
  const auto offered = challenges(
      {R"(Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS")",
       R"(Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS")"});
  REQUIRE(offered.size() == 2);
  const auto answer = [&](const std::vector<Challenge>& from) {
    return digestAuthorization(digestOffered(from).value(), "GET", "/dir/index.html", "Mufasa", "Circle of Life", 1,
                               "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
  };
  const std::string strong = answer(offered);
  CHECK_THAT(strong, Catch::Contains(R"(response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")"));
  CHECK_THAT(strong, Catch::Contains("algorithm=SHA-256") && Catch::Contains("nc=00000001") &&
                         Catch::Contains("qop=auth,") && Catch::Contains("opaque=\"FQhe/"));
  CHECK_THAT(answer({offered[0]}), Catch::Contains(R"(response="8ca523f5e9506fed4657c9700eebdbec")"));
}

TEST_CASE("Digest without qop answers as RFC 2069 did") {
  const DigestNonce nonce{"testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "", "", false};
  const std::string answer = digestAuthorization(nonce, "GET", "/dir/index.html", "Mufasa", "CircleOfLife", 1, "x");
  CHECK_THAT(answer, Catch::Contains(R"(response="1949323746fe6a43ef61f9606e7febea")") && !Catch::Contains("nc="));
}

TEST_CASE("challenges are told apart in one header and in several, whatever they carry") {
  const auto many =
      challenges({R"(Negotiate, Basic realm="a, \"b\"", charset="UTF-8", NTLM TlRM+/==, dIgEsT nonce=n,stale=TRUE)",
                  R"(Bearer)", R"(=)"});
  REQUIRE(many.size() == 5);
  CHECK(many[0].scheme == "negotiate");
  CHECK(many[1].scheme == "basic");
  CHECK(many[1].parameters.at("realm") == "a, \"b\"");
  CHECK(many[1].parameters.at("charset") == "UTF-8");
  CHECK(many[2].scheme == "ntlm");
  CHECK(many[2].parameters.empty());
  CHECK(many[3].parameters.at("nonce") == "n");
  CHECK(digestStale(many));
  CHECK(many[4].scheme == "bearer");
  CHECK(challenges({}).empty());
  for (const char* odd : {"", ",,,", "Digest", "Digest realm=\"open", "Digest realm=", "\"", "Digest =x", "a b c"}) {
    INFO(odd);
    CHECK_FALSE(digestOffered(challenges({odd})));
  }
}

TEST_CASE("what cannot be answered is not chosen") {
  CHECK_FALSE(digestOffered(challenges({R"(Digest nonce="n", qop="auth-int")"})));
  CHECK_FALSE(digestOffered(challenges({R"(Digest nonce="n", algorithm=SHA-512-256)"})));
  CHECK_FALSE(digestOffered(challenges({R"(Digest realm="r")"})));
  CHECK(digestOffered(challenges({R"(Digest nonce="n", algorithm=md5-sess)"})));
}

TEST_CASE("Basic is user and password in base64, and Digest quotes what needs it") {
  CHECK(basicAuthorization("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK_THAT(digestAuthorization({"r\"", "n", "", "MD5", true}, "GET", "/", "a\"b\\c", "p", 255, "c"),
             Catch::Contains(R"(username="a\"b\\c")") && Catch::Contains(R"(realm="r\"")") &&
                 Catch::Contains("nc=000000ff"));
}
