#include "plugins/redaction.hpp"

#include "calbridge/oauth.hpp"

#include <algorithm>

namespace calbridge::plugins {
namespace {

constexpr std::size_t kShortest = 6;

void blot(std::string& text, std::string_view secret) {
  static constexpr std::string_view kMark = "[redacted]";
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kMark.size())) {
    text.replace(at, secret.size(), kMark);
  }
}

} // namespace

std::string presentable(std::string_view text, std::span<const std::string_view> secrets, std::size_t limit) {
  std::string out(text);
  for (const std::string_view secret : secrets) {
    if (secret.size() >= kShortest) {
      blot(out, secret);
      blot(out, sdk::percentEncode(secret));
    }
  }
  std::replace_if(
      out.begin(), out.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }, ' ');
  if (out.size() > limit) {
    std::size_t end = limit;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) {
      --end;
    }
    out.resize(end);
  }
  return out;
}

} // namespace calbridge::plugins
