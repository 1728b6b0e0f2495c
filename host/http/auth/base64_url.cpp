#include "http/auth/base64_url.hpp"

#include "core/digest.hpp"

namespace calbridge::http {

std::optional<std::string> base64UrlDecode(std::string_view text) {
  std::string standard(text);
  for (char& c : standard) {
    if (c == '+' || c == '/' || c == '=')
      return std::nullopt;
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  return base64Decode(standard);
}

} // namespace calbridge::http
