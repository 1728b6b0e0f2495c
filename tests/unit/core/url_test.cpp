#include "core/url.hpp"

#include <catch2/catch.hpp>

using namespace calbridge;

TEST_CASE("a URL is taken apart, with the scheme's own port where none is written") {
  const Url url = parseUrl("HTTPS://API.Example.com/calendar/v3?x=1&y=%20#part").value();
  CHECK(url.scheme == "https");
  CHECK(url.host == "api.example.com");
  CHECK(url.port == 443);
  CHECK(url.target == "/calendar/v3?x=1&y=%20");
  CHECK(url.authority() == "api.example.com");
  CHECK(parseUrl("http://x:8080")->authority() == "x:8080");
  CHECK(parseUrl("http://x:8080")->target == "/");
  CHECK(parseUrl("http://x?q")->target == "/?q");
  CHECK(parseUrl("https://x:443/")->authority() == "x");
  CHECK(parseUrl("https://[::1]:8443/a")->host == "::1");
  CHECK(parseUrl("https://[::1]:8443/a")->authority() == "[::1]:8443");
}

TEST_CASE("what is no plain http or https URL is refused") {
  for (const char* text : {"",
                           "x",
                           "/path",
                           "ftp://x/",
                           "https:/x",
                           "https://",
                           "https:///x",
                           "https://:80/",
                           "https://x:/",
                           "https://x:0/",
                           "https://x:65536/",
                           "https://x:12a/",
                           "https://user@x/",
                           "https://u:p@x/",
                           "https://x y/",
                           "https://x/a b",
                           "https://x/\r\n",
                           "https://x/\x7f",
                           "https://x/\xc3\xa9",
                           "https://[::1/",
                           "https://[x]/",
                           "https://[::1]x/",
                           "https://x\\@y/",
                           "javascript://x/"}) {
    INFO(text);
    CHECK_FALSE(parseUrl(text));
  }
}

TEST_CASE("loopback is known by name and by number") {
  for (const char* text : {"http://localhost/", "http://127.0.0.1:9/", "http://127.255.0.1/", "http://[::1]/"}) {
    INFO(text);
    CHECK(parseUrl(text)->isLoopback());
  }
  for (const char* text :
       {"http://localhost.example.com/", "http://127.0.0.1.example.com/", "http://126.0.0.1/", "http://[::2]/"}) {
    INFO(text);
    CHECK_FALSE(parseUrl(text)->isLoopback());
  }
}
