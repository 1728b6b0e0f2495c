#pragma once
#include <span>
#include <string_view>

namespace calbridge::http {

/// One file of web/assets/, embedded at build time (cmake/embed_files.cmake).
struct EmbeddedFile {
  std::string_view name;
  std::string_view content;
};

/// All of them, in the order of their names.
std::span<const EmbeddedFile> embeddedWebFiles();

} // namespace calbridge::http
