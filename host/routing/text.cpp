#include "routing/text.hpp"

namespace calbridge::routing {
namespace {

constexpr std::size_t kMaxValue = 8192;

bool isBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == kValueBreak;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && isBlank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && isBlank(text.back()))
    text.remove_suffix(1);
  return text;
}

unsigned char byteAt(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

/// Copies `text` without control characters, with `lineBreak` for every line break.
std::string withoutControls(std::string_view text, char lineBreak) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = byteAt(text, i);
    if (c == '\r' || c == '\n') {
      if (c == '\r' && byteAt(text, i + 1) == '\n')
        ++i;
      out.push_back(lineBreak);
    } else if (c == 0xE2 && byteAt(text, i + 1) == 0x80 && (byteAt(text, i + 2) | 1U) == 0xA9) {
      out.push_back(lineBreak); // U+2028, U+2029
      i += 2;
    } else if (c == 0xC2 && byteAt(text, i + 1) >= 0x80 && byteAt(text, i + 1) < 0xA0) {
      ++i; // C1
    } else if ((c >= 0x20 && c != 0x7F) || c == '\t') {
      out.push_back(text[i]);
    }
  }
  return out;
}

} // namespace

std::string_view cutUtf8(std::string_view text, std::size_t limit) {
  if (text.size() <= limit)
    return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U)
    --limit;
  return text.substr(0, limit);
}

std::string cleanValue(std::string_view text) {
  const std::string clean = withoutControls(cutUtf8(text, kMaxValue), kValueBreak);
  return std::string(trimmed(clean));
}

std::string prepareTemplate(std::string_view text) {
  const std::string clean = withoutControls(text, '\n');
  std::string out;
  out.reserve(clean.size() + 8);
  for (std::size_t begin = 0; begin <= clean.size();) {
    const std::size_t end = std::min(clean.find('\n', begin), clean.size());
    const std::string_view line = std::string_view(clean).substr(begin, end - begin);
    if (trimmed(line).empty())
      out.push_back(kBlankLine);
    else
      out.append(line);
    if (end < clean.size())
      out.push_back('\n');
    begin = end + 1;
  }
  return out;
}

std::string finishLines(std::string_view rendered, std::size_t limit) {
  std::string out;
  out.reserve(rendered.size());
  bool blankPending = false;
  for (std::size_t begin = 0; begin <= rendered.size();) {
    const std::size_t end = std::min(rendered.find('\n', begin), rendered.size());
    std::string_view line = rendered.substr(begin, end - begin);
    begin = end + 1;
    const bool meant = line.find(kBlankLine) != std::string_view::npos;
    while (!line.empty() && (isBlank(line.back()) || line.back() == kBlankLine))
      line.remove_suffix(1);
    if (line.empty()) {
      blankPending = blankPending || meant;
      continue;
    }
    if (!out.empty())
      out.append(blankPending ? "\n\n" : "\n");
    blankPending = false;
    for (const char c : line)
      if (c != kBlankLine)
        out.push_back(c == kValueBreak ? '\n' : c);
  }
  out.resize(cutUtf8(out, limit).size());
  return out;
}

std::string finishLine(std::string_view rendered, std::size_t limit) {
  std::string out;
  out.reserve(rendered.size());
  bool gap = false;
  for (const char c : rendered) {
    if (isBlank(c) || c == kBlankLine) {
      gap = !out.empty();
      continue;
    }
    if (gap)
      out.push_back(' ');
    gap = false;
    out.push_back(c);
  }
  out.resize(cutUtf8(out, limit).size());
  return out;
}

} // namespace calbridge::routing
