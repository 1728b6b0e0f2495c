#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What is in an Internet message, as far as the checks want to know. Pure; for messages that may be anything.
namespace calbridge::conformance {

/// The header fields in order, unfolded (RFC 5322 section 2.2.3), their names in lower case.
std::vector<std::pair<std::string, std::string>> headersOf(std::string_view message);
/// The value of a header field; of several the first, empty where there is none.
std::string headerOf(std::string_view message, std::string_view name);

/// All that a reader may get to see of it: encoded words (RFC 2047), quoted-printable and base64 (RFC 2045) in plain,
/// folded lines in one. Parts are not told apart.
std::string readableText(std::string_view message);

/// What keeps it from being a message that every server takes (RFC 5321 section 4.5.3, RFC 5322 section 2): lines,
/// characters, fields that are missing. A sentence each.
std::vector<std::string> breachesOf(std::string_view message);

} // namespace calbridge::conformance
