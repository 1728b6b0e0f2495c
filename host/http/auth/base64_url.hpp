#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace calbridge::http {

/// Decodes base64url as RFC 7515 section 2 has it: no padding, no blanks, no stray bits. nullopt for anything else.
std::optional<std::string> base64UrlDecode(std::string_view text);

} // namespace calbridge::http
