#pragma once
#include "http/edge/request.hpp"
#include "http/edge/response.hpp"

#include <kainjow/mustache.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace calbridge::http {

/// The files of web/assets/, which the build puts into the program: HTML templates for our own use, and style sheet,
/// script and pictures for browsers. Immutable, so thread-safe.
class Assets {
 public:
  Assets();

  /// The path under which browsers get a file: "/assets/{content hash}/{name}", so that it may be kept for ever. A
  /// reference into this object. Throws Error("invalid_configuration") for a file that is not there.
  const std::string& path(std::string_view name) const;
  /// Is there a file of this name that browsers may have?
  bool has(std::string_view name) const { return files_.contains(name); }
  /// The answer to GET for a path below /assets/ (or /favicon.ico); nullopt when there is no such file.
  std::optional<Response> answer(const Request& request) const;

  /// Renders the template `name` ("settings.html"). Everything that {{name}} puts in is HTML-escaped.
  /// Throws Error("invalid_template") when there is no such template or it is broken.
  std::string render(std::string_view name, const kainjow::mustache::data& values) const;

 private:
  struct File {
    std::string path;
    std::string etag;
    const char* contentType;
    std::string_view content;
  };
  std::map<std::string, File, std::less<>> files_;
  std::map<std::string, std::string_view, std::less<>> templates_;
};

} // namespace calbridge::http
