#pragma once
#include <string>
#include <string_view>

namespace calbridge {

/// Can mail be sent to (or from) this? "local@domain" in the plain form of RFC 5321 section 4.1.2: dot-string and host
/// name, ASCII, at most 64 and 254 bytes. No quoted local parts, address literals or internationalized addresses
/// (RFC 6531): servers that take them are rare, and nothing of the plain form can end a command or a header early.
bool isMailAddress(std::string_view text);

/// The form in which two addresses are compared: lower case. RFC 5321 lets local parts differ by case; nobody's do.
std::string comparableAddress(std::string_view address);

} // namespace calbridge
