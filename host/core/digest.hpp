#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace calbridge {

/// SHA-256 as 32 raw bytes.
std::string sha256(std::string_view data);
/// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256Hex(std::string_view data);
std::string hexEncode(std::string_view data);
/// RFC 4648 section 4, padded.
std::string base64Encode(std::string_view data);
/// Accepts padded and unpadded input, standard alphabet; nullopt when malformed.
std::optional<std::string> base64Decode(std::string_view text);
/// RFC 4648 section 5, without padding.
std::string base64UrlEncode(std::string_view data);
/// RFC 7636 S256: the code challenge of a PKCE verifier.
std::string pkceChallenge(std::string_view verifier);
/// Comparison whose time depends on the lengths alone.
bool constantTimeEqual(std::string_view a, std::string_view b);

} // namespace calbridge
