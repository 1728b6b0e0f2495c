#include "core/json_text.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace calbridge {
namespace {

[[noreturn]] void refuse(std::string_view text, std::size_t offset, const std::string& why) {
  const auto before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto column = before.size() - (before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1) + 1;
  throw Error("invalid_json",
              "not valid JSON at line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + why);
}

void checkDepth(std::string_view text, int maxDepth) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > maxDepth)
        refuse(text, i, "nested deeper than " + std::to_string(maxDepth) + " levels");
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

} // namespace

nlohmann::json parseJson(std::string_view text, int maxDepth) {
  checkDepth(text, maxDepth);
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    refuse(text, error.byte > 0 ? error.byte - 1 : 0, "unexpected or malformed token");
  }
}

std::string jsonText(const nlohmann::json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace calbridge
