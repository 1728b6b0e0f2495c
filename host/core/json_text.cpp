#include "core/json_text.hpp"
#include "core/error.hpp"
#include "core/json_reader.hpp"

#include <algorithm>
#include <charconv>

namespace calbridge {
namespace {

using nlohmann::json;

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

/// nlohmann-json's own words for what is rare: text beyond ASCII (checked for being UTF-8 there) and fractions.
void appendByLibrary(std::string& out, const json& value) {
  out += value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

void appendEscaped(std::string& out, char c) {
  static constexpr std::string_view kLetters = "btn_fr"; // from 0x08 on; 0x0b has none
  const auto code = static_cast<unsigned char>(c);
  out.push_back('\\');
  if (c == '"' || c == '\\') {
    out.push_back(c);
  } else if (code >= 8 && code <= 13 && code != 11) {
    out.push_back(kLetters[code - 8U]);
  } else {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    out.append("u00").push_back(kDigits[code >> 4U]);
    out.push_back(kDigits[code & 15U]);
  }
}

template <typename Integer>
void appendInteger(std::string& out, Integer value) {
  char digits[24];
  out.append(digits, std::to_chars(std::begin(digits), std::end(digits), value).ptr);
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
  if (json document; readUsualJson(text, maxDepth, document))
    return document;
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

void appendJsonString(std::string& out, std::string_view text) {
  const std::string_view whole = text;
  const std::size_t before = out.size();
  out.push_back('"');
  while (!text.empty()) {
    const auto end = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), plain) - text.begin());
    out.append(text.substr(0, end));
    text.remove_prefix(end);
    if (text.empty())
      break;
    if (static_cast<unsigned char>(text.front()) >= 0x80) {
      out.resize(before);
      appendByLibrary(out, whole);
      return;
    }
    appendEscaped(out, text.front());
    text.remove_prefix(1);
  }
  out.push_back('"');
}

void appendJson(std::string& out, const json& document) {
  switch (document.type()) {
  case json::value_t::null:
    out += "null";
    return;
  case json::value_t::boolean:
    out += document.get<bool>() ? "true" : "false";
    return;
  case json::value_t::number_integer:
    appendInteger(out, document.get<std::int64_t>());
    return;
  case json::value_t::number_unsigned:
    appendInteger(out, document.get<std::uint64_t>());
    return;
  case json::value_t::string:
    appendJsonString(out, document.get_ref<const std::string&>());
    return;
  case json::value_t::array: {
    out.push_back('[');
    for (const json& item : document) {
      appendJson(out, item);
      out.push_back(',');
    }
    if (out.back() == ',')
      out.pop_back();
    out.push_back(']');
    return;
  }
  case json::value_t::object: {
    out.push_back('{');
    for (const auto& [key, value] : document.get_ref<const json::object_t&>()) {
      appendJsonString(out, key);
      out.push_back(':');
      appendJson(out, value);
      out.push_back(',');
    }
    if (out.back() == ',')
      out.pop_back();
    out.push_back('}');
    return;
  }
  default:
    appendByLibrary(out, document);
  }
}

std::string jsonText(const nlohmann::json& document) {
  std::string text;
  text.reserve(1024); // an event's size
  appendJson(text, document);
  return text;
}

} // namespace calbridge
