#include "message.hpp"

#include "calbridge/json.hpp"
#include "calbridge/wall_clock.hpp"
#include "icalendar/mapping.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>

namespace calbridge::email {
namespace {

constexpr std::size_t kPlainHeader = 60; ///< longer ones are encoded, which folds them
constexpr std::size_t kEncodedWord = 39; ///< bytes; 52 as base64, 73 with "Subject: " (RFC 2047 section 2: 76)

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t block = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      block = block << 8U | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out.push_back(i + j <= bytes.size() ? kDigits[block >> (18 - 6 * j) & 63U] : '=');
    }
  }
  return out;
}

/// One line, valid UTF-8, no control characters.
std::string oneLine(std::string_view text) {
  std::string line = ics::cleanText(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return line;
}

bool isPlain(std::string_view text) {
  return text.size() <= kPlainHeader && text.find("=?") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::string encodedWords(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size()) {
      const std::size_t length = std::max<std::size_t>(1, sdk::utf8SequenceLength(text, end));
      if (end + length - at > kEncodedWord) {
        break;
      }
      end += length;
    }
    out += (out.empty() ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?") + base64(text.substr(at, end - at)) + "?=";
    at = end;
  }
  return out;
}

/// What stands in headers as it is: addresses, ids, URLs. The host has checked them; what would end one goes.
std::string unspaced(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](char c) { return c > ' ' && c <= '~'; });
  return out;
}

void addHeader(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

} // namespace

std::string headerText(std::string_view text) {
  const std::string line = oneLine(text);
  return isPlain(line) ? line : encodedWords(line);
}

std::string headerMailbox(const Mailbox& mailbox) {
  const std::string name = oneLine(mailbox.name);
  const std::string address = unspaced(mailbox.address);
  if (name.empty()) {
    return address;
  }
  if (!isPlain(name)) {
    return encodedWords(name) + "\r\n <" + address + ">";
  }
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
    }
    quoted.push_back(c);
  }
  return quoted + "\" <" + address + ">";
}

std::string headerDate(std::int64_t ms) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds{ms}).count();
  const sdk::WallClock clock = sdk::utcClock(seconds);
  const std::chrono::weekday day{
      std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds{std::chrono::seconds{seconds}})};
  const auto two = [](int number) { return std::string(number < 10 ? "0" : "") + std::to_string(number); };
  return std::string(kDays[day.c_encoding()]) + ", " + two(clock.day) + " " +
         kMonths[static_cast<std::size_t>(clock.month - 1)] + " " + std::to_string(clock.year) + " " + two(clock.hour) +
         ":" + two(clock.minute) + ":" + two(clock.second) + " +0000";
}

std::string quotedPrintable(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::size_t kWidth = 75; // and a soft line break's "="
  std::string out;
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      out += "\r\n";
      width = 0;
      continue;
    }
    const bool lineEnds = i + 1 == text.size() || text[i + 1] == '\n';
    const bool literal = (c > ' ' && c <= '~' && c != '=') || ((c == ' ' || c == '\t') && !lineEnds);
    // A line that is a dot, or begins with "From ", is not what every server leaves alone.
    const bool risky = width == 0 && (c == '.' || c == 'F');
    const std::size_t needed = literal && !risky ? 1 : 3;
    if (width + needed > kWidth) {
      out += "=\r\n";
      width = 0;
    }
    if (needed == 1) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'=', kHex[byte >> 4U], kHex[byte & 15U]});
    }
    width += needed;
  }
  return out;
}

std::string base64Lines(std::string_view bytes) {
  constexpr std::size_t kLine = 57; // bytes, 76 characters
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += kLine) {
    out += base64(bytes.substr(at, kLine)) + "\r\n";
  }
  return out;
}

std::string write(const Message& message) {
  // "=_" stands in neither encoding, so that no text can end a part.
  const std::string boundary = "=_" + ics::etagOf(message.id + message.method);
  std::string out;
  addHeader(out, "Date", headerDate(message.dateMs));
  addHeader(out, "From", headerMailbox(message.from));
  addHeader(out, "To", headerMailbox(message.to));
  if (!message.replyTo.empty()) {
    addHeader(out, "Reply-To", unspaced(message.replyTo));
  }
  addHeader(out, "Subject", headerText(message.subject));
  addHeader(out, "Message-ID", "<" + unspaced(message.id) + ">");
  addHeader(out, "Auto-Submitted", "auto-generated"); // RFC 3834: no vacation notice is wanted
  if (!message.unsubscribeUrl.empty()) {
    addHeader(out, "List-Unsubscribe", "<" + unspaced(message.unsubscribeUrl) + ">");
    addHeader(out, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"); // RFC 8058
  }
  addHeader(out, "MIME-Version", "1.0");
  addHeader(out, "Content-Type", "multipart/alternative; boundary=\"" + boundary + "\"");
  out += "\r\n--" + boundary + "\r\n";
  addHeader(out, "Content-Type", "text/plain; charset=UTF-8");
  addHeader(out, "Content-Transfer-Encoding", "quoted-printable");
  out += "\r\n" + quotedPrintable(message.text) + "\r\n--" + boundary + "\r\n";
  addHeader(out, "Content-Type", "text/calendar; charset=UTF-8; method=" + message.method); // RFC 6047 section 2.4
  addHeader(out, "Content-Transfer-Encoding", "base64");
  out += "\r\n" + base64Lines(message.calendar) + "\r\n--" + boundary + "--\r\n";
  return out;
}

} // namespace calbridge::email
