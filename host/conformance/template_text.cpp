#include "conformance/template_text.hpp"

#include <algorithm>

namespace calbridge::conformance {
namespace {

using nlohmann::json;

bool isNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_.-/@").find(c) != std::string_view::npos;
}

/// The end of "{name}" that starts at `at` (behind its brace), or npos.
std::size_t nameEnd(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && isNameCharacter(text[end])) {
    ++end;
  }
  return end < text.size() && text[end] == '}' && end > at + 1 ? end + 1 : std::string_view::npos;
}

int hexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string asText(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace

bool fits(std::string_view pattern, std::string_view text, Names& found) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < pattern.size();) {
    if (pattern[i] == '*' && i + 1 == pattern.size()) {
      return true;
    }
    const std::size_t end = pattern[i] == '{' ? nameEnd(pattern, i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      if (at >= text.size() || text[at] != pattern[i]) {
        return false;
      }
      ++at;
      ++i;
      continue;
    }
    const char stop = end < pattern.size() ? pattern[end] : '/';
    const std::size_t slash = std::min(text.find('/', at), text.size());
    const std::size_t to = std::min(text.find(stop, at), slash);
    if (to == at) {
      return false;
    }
    found[std::string(pattern.substr(i + 1, end - i - 2))] = percentDecode(text.substr(at, to - at), false);
    at = to;
    i = end;
  }
  return at == text.size();
}

std::string expandedText(const std::string& text, const Look& look) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text[at] == '{' ? nameEnd(text, at) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out.push_back(text[at++]);
      continue;
    }
    if (const auto value = look(text.substr(at + 1, end - at - 2))) {
      out += asText(*value);
    }
    at = end;
  }
  return out;
}

json expanded(const json& value, const Look& look) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (!text.empty() && text.front() == '{' && nameEnd(text, 0) == text.size()) {
      return look(text.substr(1, text.size() - 2)).value_or(json());
    }
    return expandedText(text, look);
  }
  if (value.is_array()) {
    json out = json::array();
    for (const json& one : value) {
      out.push_back(expanded(one, look));
    }
    return out;
  }
  if (!value.is_object()) {
    return value;
  }
  json out = json::object();
  for (const auto& [name, member] : value.items()) {
    if (name == "...") {
      const json spread = expanded(member, look);
      if (spread.is_object()) {
        out.update(spread);
      }
    }
  }
  for (const auto& [name, member] : value.items()) {
    if (name != "...") {
      out[name] = expanded(member, look);
    }
  }
  return out;
}

std::string percentDecode(std::string_view text, bool form) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? hexDigit(text[i + 2]) : -1;
    if (low >= 0) {
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(form && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

Names formFields(std::string_view text) {
  Names fields;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    const bool whole = equals != std::string_view::npos;
    fields[percentDecode(pair.substr(0, equals), true)] = whole ? percentDecode(pair.substr(equals + 1), true) : "";
  }
  return fields;
}

} // namespace calbridge::conformance
