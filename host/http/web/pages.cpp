#include "http/web/pages.hpp"
#include "connections/connections.hpp"
#include "core/error.hpp"
#include "core/url.hpp"
#include "http/auth/password_log_in.hpp"
#include "http/web/connections_page.hpp"
#include "http/web/page_headers.hpp"
#include "http/web/settings_page.hpp"
#include "http/web/time_words.hpp"

#include <algorithm>

namespace calbridge::http {
namespace {

using kainjow::mustache::data;

constexpr const char* kSettings = "/settings/calendar";
constexpr const char* kConnections = "/admin/connections";
constexpr const char* kLogIn = "/login";

constexpr std::size_t kConnectionsListed = 50;

Response personal(Response response) {
  return personalPageHeaders(std::move(response));
}

std::string originOf(const Url& url) {
  return url.scheme + "://" + url.authority();
}

/// Cookies belong to a host name, so a log-in at 127.0.0.1 is not seen by the provider's redirect to localhost. A page
/// that is opened under another name of our own loopback listeners is therefore sent to the configured one before the
/// log-in. Only then: behind a reverse proxy the Host header may name anything. Returns the origin to go to.
std::optional<std::string> properOrigin(const Request& request, const SiteOptions& site) {
  const auto publicUrl = parseUrl(site.publicUrl);
  auto proper = parseUrl(site.frontendUrl);
  if (!publicUrl)
    return std::nullopt;
  if (!proper || proper->host != publicUrl->host)
    proper = publicUrl; // the flow's cookies have to reach the callback
  const auto asked = parseUrl((request.secure ? "https://" : "http://") + request.host);
  if (!asked || asked->host == proper->host)
    return std::nullopt;
  const auto ours = [&](const std::string& origin) {
    return std::find(site.listenOrigins.begin(), site.listenOrigins.end(), origin) != site.listenOrigins.end();
  };
  if (!ours(originOf(*asked)) || !ours(originOf(*proper)))
    return std::nullopt;
  return originOf(*proper);
}

Response seeOther(const std::string& path) {
  return personal(Response::redirect(path, 303));
}

bool isForm(const Request& request) {
  const std::string_view type = request.headers.get("Content-Type");
  return equalIgnoringCase(type.substr(0, type.find(';')), "application/x-www-form-urlencoded");
}

std::string field(const std::optional<Parameters>& form, std::string_view name) {
  return form ? std::string(find(*form, name).value_or("")) : std::string();
}

std::string seconds(std::chrono::seconds wait) {
  return std::to_string(wait.count()) + (wait.count() == 1 ? " second" : " seconds");
}

} // namespace

Pages::Pages(Services& services, Authenticator& authenticator, Sessions& sessions, const OriginPolicy& origins,
             PasswordHasher& passwords, LoginThrottle& throttle)
    : services_(services), authenticator_(authenticator), sessions_(sessions), origins_(origins), passwords_(passwords),
      throttle_(throttle) {
  for (const char* name : {"site.css", "calendar.js", "icon.svg", "provider.svg"})
    assets_.path(name); // throws when the build left one out
}

Response Pages::handle(Request& request) {
  const auto failed = [&](const std::string& code, const std::string& reason, const std::string& detail) {
    services_.logger.error("a page failed",
                           {{"request", request.requestId}, {"code", code}, {"reason", reason}, {"detail", detail}});
  };
  try {
    try {
      return answer(request);
    } catch (const Error& error) {
      if (error.code() == "cross_site_request")
        return errorPage(403, "That came from another site",
                         "Another web page tried to do this in your name. Please do it here.");
      if (error.code() == "login_busy") {
        auto page = logInPage(503, "", "Many people are logging in at this moment. Please try again in a few seconds.");
        return page.header("Retry-After", "5");
      }
      failed(error.code(), error.message(), error.detail());
      if (error.code() != "store_unavailable")
        return errorPage(500, "Something went wrong", "It is our fault, not yours. Please try again in a moment.");
      auto page = errorPage(503, "Not available at the moment",
                            "Your data cannot be read right now; nothing was changed. Please try again in a moment.");
      return page.header("Retry-After", "1");
    } catch (const std::exception& error) {
      failed("internal_error", "unexpected", error.what());
      return errorPage(500, "Something went wrong", "It is our fault, not yours. Please try again in a moment.");
    }
  } catch (const std::exception&) { // not even the error page could be made
    return Response::text(500, "Something went wrong. Please try again in a moment.\n");
  }
}

Response Pages::answer(Request& request) {
  std::string path = request.path;
  if (path.size() > 1 && path.ends_with('/'))
    path.pop_back();
  const bool reading = request.method == "GET" || request.method == "HEAD";
  const auto only = [&](const char* methods) {
    auto page = errorPage(405, "That does not work here", "This page can only be opened, not written to.");
    return page.header("Allow", methods);
  };

  if (path.starts_with("/assets/") || path == "/favicon.ico") {
    if (auto asset = assets_.answer(request))
      return reading ? *asset : only("GET, HEAD");
    return errorPage(404, "There is nothing here", "This file does not exist (any more). Please reload the page.");
  }
  const bool logOut = path == "/logout";
  if (path != "/" && path != kLogIn && path != kSettings && path != "/settings" && path != kConnections && !logOut)
    return nothingHere();

  if (logOut) {
    if (reading)
      return seeOther(kSettings);
    return request.method == "POST" ? postLogOut(request, identify(request)) : only("POST");
  }
  if (path == kLogIn && request.method == "POST")
    return postLogIn(request, identify(request));
  if (!reading)
    return only(path == kLogIn ? "GET, HEAD, POST" : "GET, HEAD");

  const Identity identity = identify(request);
  if (!identity.person) // whoever is logged in under this name already stays
    if (const auto origin = properOrigin(request, services_.site))
      return personal(Response::redirect(*origin + request.target));
  if (path == kLogIn)
    return showLogIn(identity);
  if (!identity.person)
    return personal(Response::redirect(kLogIn));
  if (path == kConnections)
    return isAdmin(*identity.person) ? showConnections(request, identity) : nothingHere();
  return path == kSettings ? showSettings(request, identity) : personal(Response::redirect(kSettings));
}

/// A credential that does not hold is no reason to refuse a page: the log-in is what helps.
Identity Pages::identify(const Request& request) const {
  try {
    return authenticator_.authenticate(request);
  } catch (const Error& error) {
    if (error.code() != "invalid_credentials")
      throw;
    return {};
  }
}

Response Pages::showLogIn(const Identity& identity) const {
  return identity.person ? seeOther(kSettings) : logInPage(200, "", "");
}

Response Pages::postLogIn(const Request& request, const Identity& identity) {
  origins_.check(request, identity);
  if (!isForm(request))
    return errorPage(415, "That does not work here", "Please use the form of the log-in page.");
  const auto form = parseForm(request.body);
  const std::string email = field(form, "email");
  const std::string password = field(form, "password");
  if (email.empty() || password.empty() || email.size() > 254 || password.size() > 1024)
    return logInPage(422, email.size() > 254 ? "" : email, "Please give your e-mail address and your password.");
  const connections::AuditLog audit(services_.store, services_.clock, services_.logger);
  const auto result = logIn({services_.store, passwords_, throttle_, sessions_, services_.logger, &audit}, email,
                            password, request.clientAddress);
  if (result.wait.count() > 0) {
    auto page = logInPage(429, email, "Too many tries. Please wait " + seconds(result.wait) + " and try again.");
    return page.header("Retry-After", std::to_string(result.wait.count()));
  }
  if (!result.person)
    return logInPage(422, email, "The e-mail address or the password is wrong.");
  if (identity.viaCookie)
    sessions_.close(identity.sessionToken); // replaced by the new one
  auto answer = seeOther(kSettings);
  return answer.header("Set-Cookie", result.cookie);
}

Response Pages::postLogOut(const Request& request, const Identity& identity) {
  origins_.check(request, identity);
  if (identity.viaCookie) {
    if (!isForm(request) || !Sessions::isFormToken(identity.sessionToken, field(parseForm(request.body), "form_token")))
      return errorPage(403, "This page was out of date", "Please open your calendars again and log out from there.");
    sessions_.close(identity.sessionToken);
  }
  auto answer = seeOther(kLogIn);
  return answer.header("Set-Cookie", sessions_.clearedCookie());
}

Response Pages::showSettings(const Request& request, const Identity& identity) {
  return personalPage(identity, "Your calendars", "calendar.js",
                      settingsPage(services_, assets_, *identity.person,
                                   {.connected = request.queryValue("connected"),
                                    .error = request.queryValue("error"),
                                    .provider = request.queryValue("provider")}));
}

Response Pages::showConnections(const Request& request, const Identity& identity) {
  const std::string after = request.queryValue("after").value_or("");
  const Reader reader{.now = services_.clock.now(), .zone = knownZone(identity.person->timezone), .admin = true};
  try {
    const auto overview = services_.connections.overview(after, kConnectionsListed);
    return personalPage(identity, "Everybody’s connections", nullptr,
                        connectionsPage(overview, after.empty(), reader, assets_));
  } catch (const Error& error) {
    if (error.code() != "invalid_field")
      throw;
    return seeOther(kConnections); // an address that we never gave
  }
}

Response Pages::personalPage(const Identity& identity, const char* title, const char* script,
                             const std::string& content) const {
  const Person& person = *identity.person;
  data layout;
  layout.set("title", title);
  layout.set("icon", assets_.path("icon.svg"));
  layout.set("style", assets_.path("site.css"));
  if (script)
    layout.set("script", assets_.path(script));
  data who;
  who.set("name", person.name);
  who.set("email", person.email);
  who.set("admin", isAdmin(person));
  if (!identity.sessionToken.empty())
    who.set("form_token", Sessions::formToken(identity.sessionToken));
  layout.set("person", who);
  layout.set("content", content);
  return personal(Response::html(200, assets_.render("layout.html", layout)));
}

Response Pages::nothingHere() const {
  return errorPage(404, "There is nothing here", "The address may be mistyped, or the page is gone.");
}

Response Pages::logInPage(int status, const std::string& email, const std::string& problem) const {
  data content;
  if (!email.empty())
    content.set("email", email);
  if (!problem.empty())
    content.set("problem", problem);
  data layout;
  layout.set("title", "Log in");
  layout.set("icon", assets_.path("icon.svg"));
  layout.set("style", assets_.path("site.css"));
  layout.set("content", assets_.render("login.html", content));
  return personal(Response::html(status, assets_.render("layout.html", layout)));
}

Response Pages::errorPage(int status, const std::string& title, const std::string& text) const {
  data content;
  content.set("status", std::to_string(status));
  content.set("title", title);
  content.set("text", text);
  data layout;
  layout.set("title", title);
  layout.set("icon", assets_.path("icon.svg"));
  layout.set("style", assets_.path("site.css"));
  layout.set("content", assets_.render("error.html", content));
  return personal(Response::html(status, assets_.render("layout.html", layout)));
}

} // namespace calbridge::http
