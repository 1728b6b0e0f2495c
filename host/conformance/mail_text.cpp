#include "conformance/mail_text.hpp"

#include "conformance/template_text.hpp"
#include "core/digest.hpp"

#include <algorithm>
#include <cctype>
#include <set>

namespace calbridge::conformance {
namespace {

constexpr std::size_t kLongestLine = 998; ///< RFC 5322 section 2.1.1, without its end

std::string_view headOf(std::string_view message) {
  return message.substr(0, message.find("\r\n\r\n"));
}

std::string_view bodyOf(std::string_view message) {
  const std::size_t end = message.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string_view() : message.substr(end + 4);
}

std::vector<std::string_view> linesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find("\r\n", at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 2;
  }
  return lines;
}

/// Folded lines in one: in a header the blank stays (RFC 5322 section 2.2.3), in a calendar it goes (RFC 5545 section
/// 3.1).
std::string unfolded(std::string text, bool header) {
  for (const char* fold : {"\r\n ", "\r\n\t"}) {
    for (std::size_t at = 0; (at = text.find(fold, at)) != std::string::npos;) {
      text.erase(at, header ? 2 : 3);
    }
  }
  return text;
}

/// RFC 2045 section 6.7; in a header (RFC 2047 section 4.2) an underscore is a blank, too.
std::string quotedPrintable(std::string text, bool header) {
  for (std::size_t at = 0; (at = text.find("=\r\n", at)) != std::string::npos;) {
    text.erase(at, 3);
  }
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto hex = [&](std::size_t at) {
      return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])) != 0;
    };
    if (text[i] == '=' && hex(i + 1) && hex(i + 2)) {
      escaped += percentDecode("%" + text.substr(i + 1, 2), false);
      i += 2;
    } else {
      escaped += header && text[i] == '_' ? ' ' : text[i];
    }
  }
  return escaped;
}

/// Every run of lines that can be base64, decoded.
std::string base64Parts(std::string_view body) {
  std::string out;
  std::string run;
  const auto finish = [&] {
    out += run.empty() ? std::string() : base64Decode(run).value_or("") + "\n";
    run.clear();
  };
  for (const std::string_view line : linesOf(body)) {
    const bool fits = !line.empty() && std::all_of(line.begin(), line.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '+' || c == '/' || c == '=';
    });
    if (fits) {
      run += line;
    } else {
      finish();
    }
  }
  finish();
  return out;
}

/// "=?utf-8?B?…?=" and "=?utf-8?Q?…?=" in plain; the character set is left as it is.
std::string decodedWords(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find("=?", at);
    const std::size_t coding = begin == std::string::npos ? begin : text.find('?', begin + 2);
    const std::size_t end = coding == std::string::npos ? coding : text.find("?=", coding + 3);
    if (end == std::string::npos) {
      return out + text.substr(at);
    }
    const std::string word = text.substr(coding + 3, end - coding - 3);
    const std::string between = text.substr(at, begin - at);
    out += at > 0 && between == " " ? std::string() : between; // RFC 2047 section 6.2
    out += (text[coding + 1] | 0x20) == 'b' ? base64Decode(word).value_or("") : quotedPrintable(word, true);
    at = end + 2;
  }
  return out;
}

} // namespace

std::vector<std::pair<std::string, std::string>> headersOf(std::string_view message) {
  std::vector<std::pair<std::string, std::string>> headers;
  const std::string head = unfolded(std::string(headOf(message)), true);
  for (const std::string_view line : linesOf(head)) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    headers.emplace_back(std::move(name), value);
  }
  return headers;
}

std::string headerOf(std::string_view message, std::string_view name) {
  for (const auto& [field, value] : headersOf(message)) {
    if (field == name) {
      return value;
    }
  }
  return {};
}

std::string readableText(std::string_view message) {
  const std::string body(bodyOf(message));
  std::string out;
  for (const auto& [name, value] : headersOf(message)) {
    out += name + ": " + decodedWords(value) + "\n";
  }
  return out + unfolded(quotedPrintable(body, false), false) + "\n" + unfolded(base64Parts(body), false);
}

std::vector<std::string> breachesOf(std::string_view message) {
  std::vector<std::string> found;
  std::set<std::string> names;
  for (const auto& [name, value] : headersOf(message)) {
    const bool once = name == "from" || name == "to" || name == "date" || name == "message-id" || name == "subject";
    if (name.empty() || !std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; })) {
      found.push_back("there is a header field without a name, or no empty line behind the header");
    } else if (!names.insert(name).second && once) {
      found.push_back("the field " + name + " is there twice");
    }
  }
  for (const char* name : {"from", "to", "date", "message-id"}) {
    if (headerOf(message, name).empty()) {
      found.push_back(std::string("the field ") + name + " is missing");
    }
  }
  if (message.find("\r\n\r\n") == std::string_view::npos || !message.ends_with("\r\n")) {
    found.push_back("header and body are not told apart by an empty line, or its last line has no end");
  }
  for (const std::string_view line : linesOf(message)) {
    if (line.find_first_of("\r\n") != std::string_view::npos) {
      found.push_back("a line ends without CRLF");
    }
    if (line.size() > kLongestLine) {
      found.push_back("a line has " + std::to_string(line.size()) + " bytes, and more than 998 are not allowed");
    }
    if (std::any_of(line.begin(), line.end(),
                    [](char c) { return static_cast<unsigned char>(c) > 126 || c == '\0'; })) {
      found.push_back("a line has bytes that are not 7-bit text");
    }
  }
  return found;
}

} // namespace calbridge::conformance
