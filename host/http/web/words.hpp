#pragma once
#include <cstdint>
#include <string>

namespace calbridge::http {

/// As a sentence: an upper-case letter first, a full stop last. Empty stays empty.
std::string sentence(std::string text);

/// "1 entry", "5 entries".
std::string entryCount(std::int64_t count);

} // namespace calbridge::http
