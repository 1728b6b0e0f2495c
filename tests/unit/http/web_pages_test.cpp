#include "web_fixture.hpp"

#include <regex>

using namespace calbridge;
using namespace calbridge::http;
using namespace calbridge::http::test;
using Catch::Matchers::Contains;

namespace {

std::string formOf(const std::string& email, const std::string& password) {
  return "email=" + percentEncode(email) + "&password=" + percentEncode(password);
}

} // namespace

TEST_CASE("Pages send somebody anonymous to the log-in and everybody to the settings") {
  Site site;
  CHECK(headerOf(site.get("/settings/calendar"), "Location") == "/login");
  CHECK(headerOf(site.get("/"), "Location") == "/login");
  const auto session = site.logIn();
  CHECK(headerOf(site.get("/", session), "Location") == "/settings/calendar");
  CHECK(headerOf(site.get("/login", session), "Location") == "/settings/calendar");
  CHECK(site.get("/settings/calendar", session).status == 200);
  CHECK(site.get("/settings/calendar/", session).status == 200);
}

TEST_CASE("The log-in form logs in and leads to the settings, whatever the link says") {
  Site site;
  const auto answer =
      site.send("POST", "/login?next=https://evil.example/", "", formOf("John@Example.com", "correct horse"));
  CHECK(answer.status == 303);
  CHECK(headerOf(answer, "Location") == "/settings/calendar");
  const std::string cookie = headerOf(answer, "Set-Cookie");
  CHECK_THAT(cookie, Contains("HttpOnly") && Contains("SameSite=Lax"));
  const auto token = cookie.substr(cookie.find('=') + 1, 43);
  CHECK(site.get("/settings/calendar", token).status == 200);
}

TEST_CASE("A new log-in ends the session that the browser had") {
  Site site;
  const auto old = site.logIn();
  CHECK(site.send("POST", "/login", old, formOf("john@example.com", "correct horse")).status == 303);
  CHECK(site.get("/settings/calendar", old).status == 302);
}

TEST_CASE("A wrong password is said in plain words, and what was typed is escaped") {
  Site site;
  const auto answer = site.send("POST", "/login", "", formOf("\"><script>alert(1)</script>@x", "wrong"));
  CHECK(answer.status == 422);
  CHECK_THAT(answer.body, Contains("The e-mail address or the password is wrong."));
  CHECK_THAT(answer.body, !Contains("<script>alert"));
  CHECK_THAT(answer.body, Contains("&quot;&gt;&lt;script&gt;"));
  CHECK_THAT(answer.body, !Contains("wrong\""));
  CHECK(headerOf(answer, "Set-Cookie").empty());
}

TEST_CASE("An empty log-in form asks for both fields") {
  Site site;
  CHECK_THAT(site.send("POST", "/login", "", "email=john%40example.com&password=").body,
             Contains("Please give your e-mail address and your password.") && Contains("value=\"john@example.com\""));
}

TEST_CASE("A log-in that is no form, or cannot be decoded, is refused") {
  Site site;
  CHECK(site.send("POST", "/login", "", "", {{"Content-Type", "application/json"}}).status == 415);
  CHECK(site.send("POST", "/login", "", "email=%ZZ&password=x").status == 422);
}

TEST_CASE("The sixth try to log in within a minute has to wait, and the page says how long") {
  Site site;
  for (int i = 0; i < 5; ++i)
    CHECK(site.send("POST", "/login", "", formOf("john@example.com", "wrong")).status == 422);
  const auto answer = site.send("POST", "/login", "", formOf("john@example.com", "correct horse"));
  CHECK(answer.status == 429);
  CHECK(headerOf(answer, "Retry-After") == "60");
  CHECK_THAT(answer.body, Contains("Please wait 60 seconds"));
  site.clock.advance(60000);
  CHECK(site.send("POST", "/login", "", formOf("john@example.com", "correct horse")).status == 303);
}

TEST_CASE("Forms that another site sends are refused") {
  Site site;
  const auto session = site.logIn();
  const std::vector<std::pair<std::string, std::string>> foreign{{"Origin", "https://evil.example"}};
  CHECK(site.send("POST", "/login", "", formOf("john@example.com", "correct horse"), foreign).status == 403);
  const auto form = "form_token=" + Sessions::formToken(session);
  CHECK(site.send("POST", "/logout", session, form, foreign).status == 403);
  CHECK(site.get("/settings/calendar", session).status == 200);
}

TEST_CASE("Logging out needs the page's own token and ends the session") {
  Site site;
  const auto session = site.logIn();
  CHECK(site.send("POST", "/logout", session, "form_token=guess").status == 403);
  CHECK(site.send("POST", "/logout", session).status == 403);
  CHECK(site.get("/settings/calendar", session).status == 200);

  const auto page = site.get("/settings/calendar", session).body;
  std::smatch found;
  REQUIRE(std::regex_search(page, found, std::regex("name=\"form_token\" value=\"([^\"]+)\"")));
  const auto answer = site.send("POST", "/logout", session, "form_token=" + found[1].str());
  CHECK(answer.status == 303);
  CHECK(headerOf(answer, "Location") == "/login");
  CHECK_THAT(headerOf(answer, "Set-Cookie"), Contains("Max-Age=0"));
  CHECK(site.get("/settings/calendar", session).status == 302);
  CHECK(headerOf(site.send("POST", "/logout", session), "Location") == "/login");
}

TEST_CASE("Every page forbids inline code, framing, caching and foreign origins") {
  Site site;
  const auto session = site.logIn();
  for (const auto& page : {site.get("/login"), site.get("/settings/calendar", session), site.get("/nothing"),
                           site.send("DELETE", "/login"), site.get("/")}) {
    CAPTURE(page.status, page.body);
    const auto policy = headerOf(page, "Content-Security-Policy");
    CHECK_THAT(policy, Contains("default-src 'none'") && Contains("frame-ancestors 'none'") &&
                           Contains("base-uri 'none'") && Contains("form-action 'self'") && !Contains("unsafe"));
    CHECK(headerOf(page, "Cache-Control") == "no-store");
    CHECK(headerOf(page, "Referrer-Policy") == "same-origin");
    static const std::regex inlineCode("<style|<script[^>]*>[^<]| style=| on[a-z]+=|javascript:");
    CHECK_FALSE(std::regex_search(page.body, inlineCode));
  }
}

TEST_CASE("Unknown paths and methods get a page that says so") {
  Site site;
  const auto missing = site.get("/no/such/page");
  CHECK(missing.status == 404);
  CHECK_THAT(missing.body, Contains("There is nothing here") && !Contains("/no/such/page"));
  const auto wrong = site.send("PUT", "/settings/calendar");
  CHECK(wrong.status == 405);
  CHECK(headerOf(wrong, "Allow") == "GET, HEAD");
  CHECK(headerOf(site.send("DELETE", "/logout"), "Allow") == "POST");
  CHECK(site.send("HEAD", "/login").status == 200);
}

TEST_CASE("Assets are kept for ever under the hash of their content, and only under that") {
  Site site;
  const auto page = site.get("/login").body;
  std::smatch found;
  REQUIRE(std::regex_search(page, found, std::regex("/assets/[0-9a-f]{16}/site\\.css")));
  const std::string path = found[0];
  const auto asset = site.get(path);
  CHECK(asset.status == 200);
  CHECK(headerOf(asset, "Content-Type") == "text/css; charset=utf-8");
  CHECK(headerOf(asset, "Cache-Control") == "public, max-age=31536000, immutable");
  CHECK_THAT(asset.body, Contains(":focus-visible"));
  CHECK(site.send("GET", path, "", "", {{"If-None-Match", headerOf(asset, "ETag")}}).status == 304);
  CHECK(site.get("/assets/0000000000000000/site.css").status == 404);
  CHECK(site.get("/assets/layout.html").status == 404);
  CHECK(headerOf(site.get("/favicon.ico"), "Content-Type") == "image/svg+xml; charset=utf-8");
}

TEST_CASE("A page opened under another name of our own listeners moves to the configured one") {
  Site site;
  const auto at = [&](const std::string& host, const std::string& target) {
    return headerOf(site.send("GET", target, "", "", {{"Host", host}}), "Location");
  };
  CHECK(at("127.0.0.1:3000", "/settings/calendar?connected=google") ==
        "http://localhost:3000/settings/calendar?connected=google");
  CHECK(at("127.0.0.1:8000", "/login") == "http://localhost:3000/login");
  SECTION("but a Host that is not ours changes nothing, as behind a proxy") {
    CHECK(at("evil.example", "/settings/calendar") == "/login");
    CHECK(at("127.0.0.1:9999", "/settings/calendar") == "/login");
    CHECK(at("localhost:8000", "/settings/calendar") == "/login");
  }
  SECTION("nor is anybody moved who is logged in under that name") {
    const auto session = site.logIn();
    CHECK(site.send("GET", "/settings/calendar", session, "", {{"Host", "127.0.0.1:3000"}}).status == 200);
  }
  SECTION("and nobody is sent to a public address that this host may not listen on itself") {
    site.services.site.frontendUrl = site.services.site.publicUrl = "https://calendar.example.com";
    CHECK(at("127.0.0.1:3000", "/settings/calendar") == "/login");
  }
}

TEST_CASE("The settings greet with what the provider's redirect brought, in our own words") {
  Site site;
  const auto session = site.logIn();
  CHECK_THAT(site.get("/settings/calendar?connected=google", session).body, !Contains("Connected!"));
  site.connect(site.google);
  CHECK_THAT(site.get("/settings/calendar?connected=google", session).body, Contains("Google Calendar Connected!"));
  CHECK_THAT(site.get("/settings/calendar?error=access_denied&provider=outlook", session).body,
             Contains("You did not allow access to Outlook"));
  const auto forged = site.get("/settings/calendar?error=%3Cb%3Ecall+0900%3C/b%3E&provider=%3Cscript%3E", session).body;
  CHECK_THAT(forged, Contains("reported a problem") && !Contains("0900") && !Contains("<script>"));
}

TEST_CASE("Everything that people and providers named is escaped") {
  Site site;
  const std::string evil = "<img src=x onerror=alert(1)> & \"co\"";
  const std::string safe = "&lt;img src=x onerror=alert(1)&gt; &amp; &quot;co&quot;";
  site.john.name = evil;
  site.store->putPerson(site.john, std::nullopt);
  site.google.account.label = evil;
  site.connect(site.google);
  site.addEntry(evil, site.clock.now() + 3600000, evil);
  const auto page = site.get("/settings/calendar", site.logIn()).body;
  CHECK_THAT(page, !Contains("<img src=x"));
  std::size_t count = 0;
  for (auto at = page.find(safe); at != std::string::npos; at = page.find(safe, at + 1))
    ++count;
  CHECK(count >= 6); // name twice, account, title, place, the form's data
}

TEST_CASE("The settings list what is coming up, in the reader's time zone, each with its download") {
  Site site;
  const auto entry = site.addEntry("Deep clean", *parseRfc3339("2027-07-01T08:00:00Z"), "1 High Street");
  site.addEntry("Long past", site.clock.now() - 7200000);
  const auto page = site.get("/settings/calendar", site.logIn()).body;
  CHECK_THAT(page, Contains("Deep clean") && Contains("1 High Street") && Contains("Thursday, 1 July 2027") &&
                       Contains("09:00 – 10:00") && Contains("/api/calendar/ics/" + entry.appointmentId + "/"));
  CHECK_THAT(page, !Contains("Long past"));
}

TEST_CASE("Somebody without appointments, and one without a role, are told so") {
  Site site;
  CHECK_THAT(site.get("/settings/calendar", site.logIn()).body, Contains("Nothing is planned."));
  site.store->putPerson({"eve", "Eve", "eve@example.com", "gardener", "UTC", {}}, std::nullopt);
  CHECK_THAT(site.get("/settings/calendar", site.logIn("eve")).body,
             Contains("Your role “gardener” is not set up") && Contains("no calendar service that your role may"));
}

TEST_CASE("When the database cannot be read, the page says so and to try again") {
  Site site;
  const auto session = site.logIn();
  site.services.policy = []() -> std::shared_ptr<const routing::RoutingPolicy> {
    throw Error("store_unavailable", "secret detail");
  };
  const auto page = site.get("/settings/calendar", session);
  CHECK(page.status == 503);
  CHECK(headerOf(page, "Retry-After") == "1");
  CHECK_THAT(page.body, Contains("cannot be read right now") && !Contains("secret detail"));
  site.services.policy = []() -> std::shared_ptr<const routing::RoutingPolicy> { throw std::bad_alloc(); };
  CHECK(site.get("/settings/calendar", session).status == 500);
}
