#include "http/web/words.hpp"

namespace calbridge::http {

std::string sentence(std::string text) {
  if (text.empty())
    return text;
  if (text.front() >= 'a' && text.front() <= 'z')
    text.front() = static_cast<char>(text.front() - 32);
  return text.ends_with('.') || text.ends_with('!') || text.ends_with('?') ? text : text + ".";
}

std::string entryCount(std::int64_t count) {
  return std::to_string(count) + (count == 1 ? " entry" : " entries");
}

} // namespace calbridge::http
