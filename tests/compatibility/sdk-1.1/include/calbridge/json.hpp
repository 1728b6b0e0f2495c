#pragma once
#include "calbridge/problem.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Reading and writing JSON within the caps of the plugin boundary. Everything here is pure and thread-safe.
namespace calbridge::sdk {

/// The JSON library of the C++ face. It stays inside the plugin: nothing of it crosses the boundary.
using Json = nlohmann::json;

/// True when `text` opens at most `limit` arrays and objects inside each other. Reads brackets outside of strings
/// exactly as a JSON parser does up to the first syntax error, so checking first is as strict as checking while
/// parsing.
inline bool jsonDepthWithin(std::string_view text, int limit) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
    case '"':
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') {
          ++i;
        }
      }
      break;
    case '[':
    case '{':
      if (++depth > limit) {
        return false;
      }
      break;
    case ']':
    case '}':
      --depth;
      break;
    default:
      break;
    }
  }
  return true;
}

/// Parses a document of at most 1 MiB and 32 levels. Throws Problem(status) that says what is wrong with `what`, never
/// showing any of it (it may hold secrets).
inline Json parseJson(std::string_view text, Status status, const std::string& what) {
  if (text.size() > CALBRIDGE_JSON_MAX_BYTES) {
    throw Problem(status, what + " is larger than 1 MiB");
  }
  if (!jsonDepthWithin(text, CALBRIDGE_JSON_MAX_DEPTH)) {
    throw Problem(status, what + " is nested deeper than 32 levels");
  }
  Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) {
    throw Problem(status, what + " is not JSON");
  }
  return json;
}

/// The length of the valid UTF-8 sequence (RFC 3629) that starts at `at`, or 0.
inline std::size_t utf8SequenceLength(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t offset) -> unsigned {
    return at + offset < text.size() ? static_cast<unsigned char>(text[at + offset]) : 0U;
  };
  const auto continues = [&](std::size_t offset) { return (byte(offset) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80U) {
    return 1;
  }
  if (first >= 0xC2U && first <= 0xDFU) {
    return continues(1) ? 2 : 0;
  }
  if (first >= 0xE0U && first <= 0xEFU) {
    const bool fits = (first != 0xE0U || byte(1) >= 0xA0U) && (first != 0xEDU || byte(1) <= 0x9FU);
    return fits && continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0U && first <= 0xF4U) {
    const bool fits = (first != 0xF0U || byte(1) >= 0x90U) && (first != 0xF4U || byte(1) <= 0x8FU);
    return fits && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

/// Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
inline void appendJsonString(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  std::size_t clean = 0; // text[clean, i) needs no change
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    if (const std::size_t length = c >= 0x80 ? utf8SequenceLength(text, i) : 0; length > 0) {
      i += length;
      continue;
    }
    out.append(text, clean, i - clean);
    if (c >= 0x80) {
      out.append("\xEF\xBF\xBD");
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out.append("\\n");
    } else {
      out.append("\\u00");
      out.push_back(kHex[c >> 4U]);
      out.push_back(kHex[c & 0xFU]);
    }
    clean = ++i;
  }
  out.append(text, clean, text.size() - clean);
  out.push_back('"');
}

/// Writes one JSON object field by field into one string, without building a document.
class ObjectWriter {
 public:
  /// Appends to `out`, which must outlive it.
  explicit ObjectWriter(std::string& out) : out_(out) { out_.push_back('{'); }

  /// Adds a string, escaped.
  ObjectWriter& text(std::string_view key, std::string_view value) {
    name(key);
    appendJsonString(out_, value);
    return *this;
  }
  /// Leaves the field out when the value is empty.
  ObjectWriter& optionalText(std::string_view key, std::string_view value) {
    return value.empty() ? *this : text(key, value);
  }
  /// Adds an integer.
  ObjectWriter& number(std::string_view key, std::int64_t value) {
    name(key);
    out_.append(std::to_string(value));
    return *this;
  }
  /// Adds true or false.
  ObjectWriter& flag(std::string_view key, bool value) {
    name(key);
    out_.append(value ? "true" : "false");
    return *this;
  }
  /// Starts a field whose value the caller appends to the same string. `key` is written as it is: names of fields need
  /// no escaping.
  void name(std::string_view key) {
    out_.append(first_ ? "\"" : ",\"").append(key).append("\":");
    first_ = false;
  }
  /// Closes the object; nothing may follow.
  void end() { out_.push_back('}'); }

 private:
  std::string& out_;
  bool first_ = true;
};

} // namespace calbridge::sdk
