#include "http/auth/origin_check.hpp"

#include "core/error.hpp"
#include "core/url.hpp"

#include <algorithm>

namespace calbridge::http {
namespace {

constexpr std::string_view kMethods = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
constexpr std::string_view kHeaders = "Authorization, Content-Type, Accept, If-Match, If-None-Match, ce-id, ce-source, "
                                      "ce-specversion, ce-type, ce-time, ce-subject, ce-dataschema";
constexpr std::string_view kExposed = "ETag, Last-Modified, Location, Retry-After";
constexpr std::string_view kMaxAge = "600"; // seconds; browsers cap it anyway
constexpr std::size_t kMostExtensions = 32;

/// scheme://host[:port] of a URL, as a browser writes it in Origin (RFC 6454 section 6.1).
std::string originOf(const Url& url) {
  return url.scheme + "://" + url.authority();
}

/// The origin of a configured URL, or of a bare origin when nothing may follow it.
std::string configuredOrigin(const std::string& text, const char* setting, bool bare) {
  const std::optional<Url> url = parseUrl(text);
  if (!url)
    throw Error("invalid_configuration",
                std::string(setting) + ": \"" + text + "\" is not an origin; write it like https://app.example.com");
  if (bare && url->target != "/")
    throw Error("invalid_configuration",
                std::string(setting) + ": \"" + text + "\" has a path; an origin is only " + originOf(*url));
  return originOf(*url);
}

bool isSafe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

/// Adds `name` to the response's Vary unless it is there.
void vary(Response& response, std::string_view name) {
  for (auto& [header, value] : response.headers)
    if (equalIgnoringCase(header, "Vary")) {
      for (std::string_view rest = value; !rest.empty();) {
        const std::size_t end = std::min(rest.find(','), rest.size());
        std::string_view item = rest.substr(0, end);
        item.remove_prefix(std::min(item.find_first_not_of(' '), item.size()));
        if (equalIgnoringCase(item, name) || item == "*")
          return;
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      value.append(", ").append(name);
      return;
    }
  response.header("Vary", std::string(name));
}

/// The CloudEvents attributes among the headers that a preflight asks for (binary mode, extensions included): a
/// wildcard does not count with credentials, so each is named.
std::string requestedExtensions(std::string_view asked) {
  std::string out;
  for (std::size_t taken = 0; !asked.empty() && taken < kMostExtensions;) {
    const std::size_t end = std::min(asked.find(','), asked.size());
    std::string_view item = asked.substr(0, end);
    asked.remove_prefix(std::min(end + 1, asked.size()));
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    std::string name(item);
    for (char& c : name)
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    const bool attribute = name.size() > 3 && name.size() <= 40 && name.starts_with("ce-") &&
                           std::all_of(name.begin() + 3, name.end(),
                                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
    if (attribute && kHeaders.find(name + ",") == std::string_view::npos && !kHeaders.ends_with(name) &&
        out.find(", " + name + ",") == std::string::npos && !out.ends_with(", " + name)) {
      out += ", " + name;
      ++taken;
    }
  }
  return out;
}

} // namespace

std::vector<std::string> listenOrigins(const std::vector<std::string>& addresses,
                                       const std::vector<std::uint16_t>& ports, bool secure) {
  std::vector<std::string> origins;
  const std::string scheme = secure ? "https://" : "http://";
  const auto add = [&](const std::string& host, std::uint16_t port) {
    if (const auto url = parseUrl(scheme + host + ":" + std::to_string(port)))
      if (std::string origin = originOf(*url); std::find(origins.begin(), origins.end(), origin) == origins.end())
        origins.push_back(std::move(origin));
  };
  for (std::size_t i = 0; i < std::min(addresses.size(), ports.size()); ++i) {
    const std::string host = addresses[i].substr(0, addresses[i].rfind(':'));
    const auto url = parseUrl(scheme + host);
    const bool every = host == "0.0.0.0" || host == "[::]" || host == "*" || host.empty();
    if (!every)
      add(host, ports[i]);
    if (every || (url && url->isLoopback()))
      add("localhost", ports[i]);
    if (every || host == "localhost") {
      add("127.0.0.1", ports[i]);
      add("[::1]", ports[i]);
    }
  }
  return origins;
}

OriginPolicy::OriginPolicy(const OriginOptions& options) {
  own_.insert(configuredOrigin(options.publicUrl, "server.public_url", false));
  if (!options.frontendUrl.empty())
    own_.insert(configuredOrigin(options.frontendUrl, "server.frontend_url", false));
  for (const std::string& origin : options.listenOrigins)
    own_.insert(configuredOrigin(origin, "server.listen", true));
  for (const std::string& origin : options.allowedOrigins)
    allowed_.insert(configuredOrigin(origin, "server.allowed_origins", true));
}

bool OriginPolicy::permitted(std::string_view origin) const {
  return own_.contains(origin) || allowed_.contains(origin);
}

void OriginPolicy::check(const Request& request, const Identity& identity) const {
  if (isSafe(request.method) || (identity.kind != Identity::Kind::anonymous && !identity.viaCookie))
    return;
  const auto refuse = [](std::string_view header) {
    throw Error("cross_site_request", "a page of another site made this request; only server.public_url, "
                                      "server.frontend_url and server.allowed_origins may (header " +
                                          std::string(header) + ")");
  };
  const std::vector<std::string_view> origins = request.headers.all("Origin");
  if (!origins.empty()) {
    // Under Referrer-Policy: no-referrer a form of our own page says "null" (Fetch standard, "append a request Origin
    // header"); only Sec-Fetch-Site, which no page can set, tells it from a foreign one.
    const bool ownForm = origins.front() == "null" && request.headers.get("Sec-Fetch-Site") == "same-origin";
    if (origins.size() > 1 || (!permitted(origins.front()) && !ownForm))
      refuse("Origin");
    return;
  }
  if (const auto site = request.headers.find("Sec-Fetch-Site")) {
    if (*site != "same-origin" && *site != "none")
      refuse("Sec-Fetch-Site");
    return;
  }
  if (const auto referer = request.headers.find("Referer")) {
    const std::optional<Url> url = parseUrl(*referer);
    if (!url || !permitted(originOf(*url)))
      refuse("Referer");
  }
}

void OriginPolicy::addHeaders(const Request& request, Response& response) const {
  vary(response, "Origin");
  const std::string_view origin = request.headers.get("Origin");
  if (!allowed_.contains(origin))
    return;
  response.header("Access-Control-Allow-Origin", std::string(origin))
      .header("Access-Control-Allow-Credentials", "true")
      .header("Access-Control-Expose-Headers", std::string(kExposed));
}

std::optional<Response> OriginPolicy::preflight(const Request& request) const {
  if (request.method != "OPTIONS" || !request.headers.find("Origin") ||
      !request.headers.find("Access-Control-Request-Method"))
    return std::nullopt;
  Response response = Response::noContent();
  vary(response, "Origin");
  vary(response, "Access-Control-Request-Headers");
  const std::string_view origin = request.headers.get("Origin");
  if (!allowed_.contains(origin))
    return response;
  response.header("Access-Control-Allow-Origin", std::string(origin))
      .header("Access-Control-Allow-Credentials", "true")
      .header("Access-Control-Allow-Methods", std::string(kMethods))
      .header("Access-Control-Allow-Headers",
              std::string(kHeaders) + requestedExtensions(request.headers.get("Access-Control-Request-Headers")))
      .header("Access-Control-Max-Age", std::string(kMaxAge));
  return response;
}

} // namespace calbridge::http
