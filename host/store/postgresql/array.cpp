#include "store/postgresql/array.hpp"

namespace calbridge::store::postgresql {
namespace {

/// Length of the character at the beginning of `text` (RFC 3629), 0 when its bytes are none, or NUL.
std::size_t characterAt(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first == 0)
    return 0;
  if (first < 0x80)
    return 1;
  if (first < 0xC2)
    return 0;
  if (first < 0xE0)
    return follows(1) ? 2 : 0;
  if (first < 0xF0) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  const bool outOfRange = first > 0xF4 || (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F);
  return follows(1) && follows(2) && follows(3) && !outOfRange ? 4 : 0;
}

} // namespace

bool isStorable(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c != 0 && c < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = characterAt(text.substr(i));
    if (length == 0)
      return false;
    i += length;
  }
  return true;
}

std::string storable(std::string_view text) {
  std::string result;
  result.reserve(text.size() + 8);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = characterAt(text.substr(i));
    if (length == 0)
      result += "\xEF\xBF\xBD";
    else
      result += text.substr(i, length);
    i += length == 0 ? 1 : length;
  }
  return result;
}

} // namespace calbridge::store::postgresql
