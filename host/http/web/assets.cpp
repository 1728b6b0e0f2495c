#include "http/web/assets.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "http/web/embedded_file.hpp"

namespace calbridge::http {
namespace {

constexpr std::string_view kPrefix = "/assets/";

/// Null for what browsers do not get.
const char* contentTypeOf(std::string_view name) {
  if (name.ends_with(".css"))
    return "text/css; charset=utf-8";
  if (name.ends_with(".js"))
    return "text/javascript; charset=utf-8";
  if (name.ends_with(".svg"))
    return "image/svg+xml; charset=utf-8";
  return nullptr;
}

} // namespace

Assets::Assets() {
  for (const auto& file : embeddedWebFiles()) {
    const char* type = contentTypeOf(file.name);
    if (!type) {
      templates_.emplace(file.name, file.content);
      continue;
    }
    const std::string hash = sha256Hex(file.content).substr(0, 16);
    files_.emplace(file.name, File{.path = std::string(kPrefix) + hash + "/" + std::string(file.name),
                                   .etag = "\"" + hash + "\"",
                                   .contentType = type,
                                   .content = file.content});
  }
}

const std::string& Assets::path(std::string_view name) const {
  const auto found = files_.find(name);
  if (found == files_.end())
    throw Error("invalid_configuration", "the page's file " + std::string(name) + " is not in this program");
  return found->second.path;
}

std::optional<Response> Assets::answer(const Request& request) const {
  const bool icon = request.path == "/favicon.ico";
  const auto found = files_.find(icon ? "icon.svg" : request.path.substr(request.path.rfind('/') + 1));
  if (found == files_.end() || (!icon && found->second.path != request.path))
    return std::nullopt; // a hash of other content: better nothing than the wrong version
  const File& file = found->second;
  Response response{.status = 200};
  response.header("ETag", file.etag);
  response.header("Cache-Control", icon ? "public, max-age=86400" : "public, max-age=31536000, immutable");
  response.header("Cross-Origin-Resource-Policy", "same-origin");
  if (request.headers.get("If-None-Match").find(file.etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  response.header("Content-Type", file.contentType);
  response.header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  response.body = file.content;
  return response;
}

std::string Assets::render(std::string_view name, const kainjow::mustache::data& values) const {
  const auto found = templates_.find(name);
  if (found == templates_.end())
    throw Error("invalid_template", "the page " + std::string(name) + " is not in this program");
  // Parsed for every page: rendering is not const, and parsing a page takes less than a database query.
  kainjow::mustache::mustache page{std::string(found->second)};
  if (!page.is_valid())
    throw Error("invalid_template", "the page " + std::string(name) + " is broken: " + page.error_message());
  return page.render(values);
}

} // namespace calbridge::http
