#include "calbridge/problem.hpp"
#include "caldav/url.hpp"
#include "caldav/xml.hpp"

#include <catch2/catch.hpp>

using namespace calbridge::caldav;

TEST_CASE("what people type becomes a URL, or nothing") {
  CHECK(typedUrl(" caldav.icloud.com ") == "https://caldav.icloud.com/");
  CHECK(typedUrl("https://Cloud.Example.com:443/remote.php/dav?x#y") == "https://cloud.example.com/remote.php/dav");
  CHECK(typedUrl("[::1]:5232/x") == "https://[::1]:5232/x");
  CHECK(typedUrl("http://127.0.0.1:5232") == "http://127.0.0.1:5232/");
  CHECK(typedUrl("example.com/jörg") == "https://example.com/j%C3%B6rg");
  for (const char* text : {"", "  ", "ftp://x", "https://", "https:///x", "https://user@host/",
                           "javascript:alert(1)//://", "https://dav.example.c<om", "https://dav:x/", "https://dav:/",
                           "https://dav:0", "https://dav:70000", "https://[::1", "https://[dav]", "https://[::1]x",
                           "https://dav%2Eexample/", "dav.example\\x", "müller.example"}) {
    INFO(text);
    CHECK(typedUrl(text).empty());
  }
}

TEST_CASE("references are resolved as RFC 3986 says, and what may not stand in a URL is encoded") {
  const std::string base = "https://dav.example.com/a/b/c.ics?q";
  CHECK(resolved(base, "/x/y/") == "https://dav.example.com/x/y/");
  CHECK(resolved(base, "d.ics") == "https://dav.example.com/a/b/d.ics");
  CHECK(resolved(base, "../d/./e/..") == "https://dav.example.com/a/d/");
  CHECK(resolved(base, "../../../../d") == "https://dav.example.com/d");
  CHECK(resolved(base, "//p1.example.com/x") == "https://p1.example.com/x");
  CHECK(resolved(base, "https://p1.example.com:443/x#f") == "https://p1.example.com/x");
  CHECK(resolved(base, "/Jörg Müller/") == "https://dav.example.com/J%C3%B6rg%20M%C3%BCller/");
  CHECK(resolved(base, "") == "https://dav.example.com/a/b/c.ics");
  CHECK(resolved(base, "https://p1<.example.com/x").empty());
  CHECK(resolved(base, "ftp://x/y").empty());
  CHECK(resolved(base, "https://user:secret@x/y").empty());
}

TEST_CASE("resources are the same however they are encoded, and members of their own collection only") {
  CHECK(sameUrl("https://h/a%40b/", "https://H:443/a@b/"));
  CHECK_FALSE(sameUrl("https://h/a/", "https://h/a"));
  CHECK(isIn("https://h/cal/x.ics", "https://h/cal"));
  CHECK(isIn("https://h/j%40x/cal/x.ics", "https://h/j@x/cal/"));
  CHECK_FALSE(isIn("https://h/cal/", "https://h/cal/"));
  CHECK_FALSE(isIn("https://h/calendar/x.ics", "https://h/cal"));
  CHECK_FALSE(isIn("https://h/cal/deep/x.ics", "https://h/cal"));
  CHECK_FALSE(isIn("https://other/cal/x.ics", "https://h/cal"));
}

TEST_CASE("a password goes to its own host and to its sisters, and nowhere else") {
  CHECK(trusts("https://caldav.icloud.com/", "https://p42-caldav.icloud.com/123/"));
  CHECK(trusts("https://fastmail.com/", "https://caldav.fastmail.com/dav"));
  CHECK(trusts("https://caldav.fastmail.com/", "https://fastmail.com/"));
  CHECK(trusts("https://dav.example.co.uk/", "https://p1.example.co.uk/"));
  CHECK(trusts("http://127.0.0.1:5232/", "http://127.0.0.1:5233/"));
  CHECK(trusts("http://127.0.0.1/", "https://127.0.0.1/"));
  CHECK_FALSE(trusts("https://caldav.icloud.com/", "http://caldav.icloud.com/"));
  CHECK_FALSE(trusts("https://caldav.icloud.com/", "https://icloud.com.evil.example/"));
  CHECK_FALSE(trusts("https://caldav.icloud.com/", "https://evilicloud.com/"));
  CHECK_FALSE(trusts("https://example.com/", "https://evil.com/"));
  CHECK_FALSE(trusts("https://example.co.uk/", "https://evil.co.uk/"));
  CHECK_FALSE(trusts("https://localhost/", "https://evil.localhost/"));
  CHECK_FALSE(trusts("https://10.0.0.1/", "https://10.0.0.2/"));
  CHECK_FALSE(trusts("https://127.0.0.1/", "https://localhost/"));
  CHECK_FALSE(trusts("https://caldav.icloud.com/", ""));
}

TEST_CASE("a multistatus gives its resources, with the properties that there are") {
  const auto resources = readMultistatus(R"(<?xml version="1.0"?>
    <x:multistatus xmlns:x="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">
      <x:response><x:href> /cal/ </x:href>
        <x:propstat><x:prop><x:displayname>A &amp; B</x:displayname><x:resourcetype><x:collection/><c:calendar/></x:resourcetype>
          <c:supported-calendar-component-set><c:comp name="VEVENT"/></c:supported-calendar-component-set></x:prop>
          <x:status>HTTP/1.1 200 OK</x:status></x:propstat>
        <x:propstat><x:prop><x:getetag/></x:prop><x:status>HTTP/1.1 404 Not Found</x:status></x:propstat></x:response>
      <x:response><x:href>/gone/</x:href><x:status>HTTP/1.1 404 Not Found</x:status></x:response>
    </x:multistatus>)");
  REQUIRE(resources.size() == 1);
  CHECK(resources[0].href == "/cal/");
  CHECK(resources[0].property(kDav, "displayname")->text == "A & B");
  CHECK(resources[0].property(kDav, "resourcetype")->child(kCalDav, "calendar") != nullptr);
  CHECK(resources[0].property(kCalDav, "supported-calendar-component-set")->children.at(0).nameValue == "VEVENT");
  CHECK(resources[0].property(kDav, "getetag") == nullptr);
}

TEST_CASE("XML that is broken, has entities, or is too deep or too long is refused in words") {
  std::string deep;
  for (int i = 0; i < 100; ++i) {
    deep += "<a>";
  }
  std::string laughs = R"(<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>)";
  std::string wide = "<x>";
  for (int i = 0; i < 60000; ++i) {
    wide += "<a/>";
  }
  for (const std::string& text : {std::string(), std::string("<a>"), std::string("<a></b>"), std::string("{}"), deep,
                                  laughs, wide + "</x>", std::string("<a>\xff</a>")}) {
    INFO(text.substr(0, 60));
    CHECK_THROWS_AS(parseXml(text), calbridge::sdk::Problem);
  }
  CHECK_THROWS_AS(readMultistatus("<html/>"), calbridge::sdk::Problem);
  CHECK(escapedXml("<a&b>") == "&lt;a&amp;b&gt;");
}
