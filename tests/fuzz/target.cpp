#include "fuzz/target.hpp"
#include "calbridge/json.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace calbridge::fuzz {

void require(bool holds, std::string_view invariant, std::string_view seen) {
  if (holds)
    return;
  std::fprintf(stderr, "\nThis does not hold: %.*s\n", static_cast<int>(invariant.size()), invariant.data());
  if (!seen.empty())
    std::fprintf(stderr, "Seen: %.*s\n", static_cast<int>(seen.size()), seen.data());
  std::abort();
}

std::vector<Section> sections(std::string_view input) {
  constexpr std::string_view kMark = "=== ";
  std::vector<Section> found(1);
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    if (line.starts_with(kMark)) {
      if (std::string& before = found.back().text; !before.empty())
        before.pop_back();
      found.push_back({std::string(line.substr(kMark.size())), {}});
    } else {
      found.back().text.append(line).push_back('\n');
    }
  }
  if (std::string& last = found.back().text; !last.empty())
    last.pop_back(); // the input's own line break, or the one added above
  return found;
}

bool isUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sdk::utf8SequenceLength(text, i);
    if (length == 0)
      return false;
    i += length;
  }
  return true;
}

bool hasControls(std::string_view text, std::string_view allowed) {
  return std::any_of(text.begin(), text.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 || byte == 0x7F) && allowed.find(c) == std::string_view::npos;
  });
}

} // namespace calbridge::fuzz
