#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace calbridge::testing {

/// Text that parsers stumble over: every plane, what is escaped, what ends lines, what is invisible.
inline std::string randomText(std::mt19937& random, std::size_t length) {
  static const std::vector<std::string> kNasty = {"\\",
                                                  ";",
                                                  ",",
                                                  ":",
                                                  "\"",
                                                  "\n",
                                                  "\r\n",
                                                  "\r",
                                                  "\t",
                                                  " ",
                                                  "\\n",
                                                  "\\,",
                                                  "\x01",
                                                  "\x7F",
                                                  "\xC2\x85",
                                                  "\xE2\x80\xA8",
                                                  "\xEF\xBB\xBF",
                                                  "\nBEGIN:VALARM\n",
                                                  "\r\nEND:VEVENT\r\n",
                                                  "^n",
                                                  "^'",
                                                  "=",
                                                  "e\xCC\x81",
                                                  "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x94\xA7"};
  std::string out;
  for (std::size_t i = 0; i < length; ++i) {
    switch (random() % 4) {
    case 0:
      out += kNasty[random() % kNasty.size()];
      break;
    case 1:
      out += static_cast<char>(' ' + random() % 95);
      break;
    default: {
      std::uint32_t point = random() % 4 == 0 ? 0x10000 + random() % 0x100000 : 0xA0 + random() % 0xFF60;
      point = point >= 0xD800 && point <= 0xDFFF ? 0x4E00 : point;
      if (point >= 0x10000) {
        out += static_cast<char>(0xF0 | (point >> 18));
        out += static_cast<char>(0x80 | ((point >> 12) & 0x3F));
      } else if (point >= 0x800) {
        out += static_cast<char>(0xE0 | (point >> 12));
      }
      if (point >= 0x800) {
        out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
      } else {
        out += static_cast<char>(0xC0 | (point >> 6));
      }
      out += static_cast<char>(0x80 | (point & 0x3F));
    }
    }
  }
  return out;
}

} // namespace calbridge::testing
