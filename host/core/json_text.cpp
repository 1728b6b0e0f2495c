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

/// Wants nothing but to know where reading ends.
class Locator final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::size_t position = 0; ///< behind the offending byte

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::json::exception&) override {
    position = at;
    return false;
  }
};

} // namespace

nlohmann::json parseJson(std::string_view text, int maxDepth) {
  checkDepth(text, maxDepth);
  const char* why = "unexpected or malformed token";
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error&) {
  } catch (const nlohmann::json::out_of_range&) { // well-formed, and beyond what a double holds
    why = "the number is too large";
  }
  Locator locator;
  nlohmann::json::sax_parse(text, &locator);
  refuse(text, locator.position > 0 ? locator.position - 1 : 0, why);
}

std::string jsonText(const nlohmann::json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace calbridge
