#include "http/edge/request.hpp"

#include <algorithm>

namespace calbridge::http {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

int hexDigit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool isUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    unsigned char first = byte(i);
    if (first < 0x80) {
      ++i;
      continue;
    }
    std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || i + length > text.size())
      return false;
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (byte(i + 1) < low || byte(i + 1) > high)
      return false;
    for (std::size_t k = 2; k < length; ++k)
      if ((byte(i + k) & 0xC0) != 0x80)
        return false;
    i += length;
  }
  return true;
}

/// False when malformed. `form`: "+" means a space, and line breaks and tabs may be escaped.
bool decodeInto(std::string& out, std::string_view text, bool form) {
  out.clear();
  bool plain = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size())
        return false;
      int high = hexDigit(text[i + 1]);
      int low = hexDigit(text[i + 2]);
      if (high < 0 || low < 0)
        return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (form && c == '+') {
      c = ' ';
    }
    auto u = static_cast<unsigned char>(c);
    if (u == 0x7F || (u < 0x20 && !(form && (c == '\n' || c == '\r' || c == '\t'))))
      return false;
    plain = plain && u < 0x80;
    out += c;
  }
  return plain || isUtf8(out);
}

} // namespace

bool equalIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

void Headers::add(std::string_view name, std::string_view value) {
  Field field{};
  field.name = static_cast<std::uint32_t>(bytes_.size());
  field.nameSize = static_cast<std::uint32_t>(name.size());
  bytes_ += name;
  field.value = static_cast<std::uint32_t>(bytes_.size());
  field.valueSize = static_cast<std::uint32_t>(value.size());
  bytes_ += value;
  fields_.push_back(field);
}

void Headers::clear() {
  bytes_.clear();
  fields_.clear();
}

std::pair<std::string_view, std::string_view> Headers::at(std::size_t i) const {
  const Field& field = fields_.at(i);
  std::string_view bytes = bytes_;
  return {bytes.substr(field.name, field.nameSize), bytes.substr(field.value, field.valueSize)};
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    auto [fieldName, value] = at(i);
    if (equalIgnoringCase(fieldName, name))
      return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    auto [fieldName, value] = at(i);
    if (equalIgnoringCase(fieldName, name))
      values.push_back(value);
  }
  return values;
}

std::optional<std::string> percentDecode(std::string_view text) {
  std::string out;
  if (!decodeInto(out, text, false))
    return std::nullopt;
  return out;
}

std::string percentEncode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                      c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      auto u = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[u >> 4];
      out += kDigits[u & 15];
    }
  }
  return out;
}

std::optional<Parameters> parseForm(std::string_view text) {
  Parameters parameters;
  while (!text.empty()) {
    std::size_t end = text.find('&');
    std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (pair.empty())
      continue;
    std::size_t equals = pair.find('=');
    std::pair<std::string, std::string> decoded;
    if (!decodeInto(decoded.first, pair.substr(0, equals), true))
      return std::nullopt;
    if (equals != std::string_view::npos && !decodeInto(decoded.second, pair.substr(equals + 1), true))
      return std::nullopt;
    parameters.push_back(std::move(decoded));
  }
  return parameters;
}

std::optional<std::string_view> find(const Parameters& parameters, std::string_view name) {
  for (const auto& [key, value] : parameters)
    if (key == name)
      return value;
  return std::nullopt;
}

Parameters Request::queryParameters() const {
  return parseForm(query).value_or(Parameters{});
}

std::optional<std::string> Request::queryValue(std::string_view name) const {
  if (query.empty())
    return std::nullopt;
  for (auto& [key, value] : queryParameters())
    if (key == name)
      return std::move(value);
  return std::nullopt;
}

} // namespace calbridge::http
