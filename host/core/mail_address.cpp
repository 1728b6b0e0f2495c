#include "core/mail_address.hpp"

#include <algorithm>

namespace calbridge {
namespace {

bool isLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// Parts between dots, none empty, each of characters that `allowed` takes.
template <typename Allowed>
bool isDotted(std::string_view text, Allowed allowed) {
  bool empty = true;
  for (const char c : text) {
    if (c == '.' ? empty : !allowed(c))
      return false;
    empty = c == '.';
  }
  return !empty;
}

} // namespace

bool isMailAddress(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || at > 64 || text.size() > 254)
    return false;
  const auto local = text.substr(0, at);
  const auto domain = text.substr(at + 1);
  const auto isAtom = [](char c) {
    return isLetterOrDigit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
  };
  const auto isHost = [](char c) { return isLetterOrDigit(c) || c == '-'; };
  return isDotted(local, isAtom) && isDotted(domain, isHost) && domain.front() != '-' && domain.back() != '-';
}

std::string comparableAddress(std::string_view address) {
  std::string lower(address);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

} // namespace calbridge
