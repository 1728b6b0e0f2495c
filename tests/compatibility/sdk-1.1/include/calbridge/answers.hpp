#pragma once
#include "calbridge/json.hpp"

#include <algorithm>
#include <string>
#include <string_view>

/// Reading what a provider's API answered. Pure functions.
namespace calbridge::sdk {

/// The member `key` when `json` is an object and the member a string; empty otherwise.
inline std::string textOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The first `count` characters of UTF-8; a byte that is none counts as one.
inline std::string_view firstCharacters(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  while (at < text.size() && count-- > 0) {
    at += std::max<std::size_t>(1, utf8SequenceLength(text, at));
  }
  return text.substr(0, at);
}

/// What a provider said, to be put behind a message of one's own: ": " and the first 200 characters on one line. Empty
/// when it said nothing, or repeated `secret` (the access token): that must reach no log and no page.
inline std::string said(std::string_view message, std::string_view secret) {
  if (message.empty() || (!secret.empty() && message.find(secret) != std::string_view::npos)) {
    return {};
  }
  std::string out = ": ";
  for (const char c : firstCharacters(message, 200)) {
    out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c);
  }
  return out;
}

/// A provider's error code when it is fit for Problem::code(): at most 64 bytes, and without `secret`. Empty otherwise.
inline std::string fitCode(const std::string& code, std::string_view secret) {
  return code.size() <= 64 && (secret.empty() || code.find(secret) == std::string::npos) ? code : std::string();
}

/// Does `suffices(scope)` hold for one of the granted scopes, which are separated by spaces (RFC 6749 section 3.3)?
/// Also true when `granted` is empty: a server that names none granted what was asked for (section 5.1).
template <typename Suffices>
bool anyScope(std::string_view granted, Suffices&& suffices) {
  if (granted.empty()) {
    return true;
  }
  while (!granted.empty()) {
    const std::size_t space = granted.find(' ');
    if (suffices(granted.substr(0, space))) {
      return true;
    }
    granted.remove_prefix(space == std::string_view::npos ? granted.size() : space + 1);
  }
  return false;
}

} // namespace calbridge::sdk
