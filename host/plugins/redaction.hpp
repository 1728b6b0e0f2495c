#pragma once
#include <span>
#include <string>
#include <string_view>

namespace calbridge::plugins {

/// `text` with every secret, plain or percent-encoded, replaced by [redacted], control characters by blanks, and cut to
/// `limit` bytes at a character's boundary. Secrets shorter than 6 bytes are left alone: they would blot out words.
std::string presentable(std::string_view text, std::span<const std::string_view> secrets, std::size_t limit);

} // namespace calbridge::plugins
