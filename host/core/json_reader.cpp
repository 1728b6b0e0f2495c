#include "core/json_reader.hpp"

#include <charconv>
#include <string>
#include <utility>

namespace calbridge {
namespace {

using nlohmann::json;

bool isContinuation(unsigned char byte) {
  return (byte & 0xC0U) == 0x80U;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool document(json& into, int depth) {
    skipBlanks();
    if (!value(into, depth))
      return false;
    skipBlanks();
    return at_ == end_;
  }

 private:
  void skipBlanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t'))
      ++at_;
  }

  bool take(char expected) {
    if (at_ == end_ || *at_ != expected)
      return false;
    ++at_;
    return true;
  }

  bool take(std::string_view word) {
    if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word))
      return false;
    at_ += word.size();
    return true;
  }

  /// `depth`: how many objects and arrays may be opened yet.
  bool value(json& into, int depth) {
    if (at_ == end_)
      return false;
    switch (*at_) {
    case '{':
      return depth > 0 && object(into, depth - 1);
    case '[':
      return depth > 0 && array(into, depth - 1);
    case '"': {
      std::string text;
      if (!string(text))
        return false;
      into = std::move(text);
      return true;
    }
    case 't':
      into = true;
      return take("true");
    case 'f':
      into = false;
      return take("false");
    case 'n':
      into = nullptr;
      return take("null");
    default:
      return number(into);
    }
  }

  bool object(json& into, int depth) {
    ++at_;
    into = json::object();
    auto& members = into.get_ref<json::object_t&>();
    skipBlanks();
    if (take('}'))
      return true;
    do {
      skipBlanks();
      std::string key;
      if (!string(key))
        return false;
      skipBlanks();
      if (!take(':'))
        return false;
      skipBlanks();
      if (!value(members[std::move(key)], depth)) // of two with one name the last counts
        return false;
      skipBlanks();
    } while (take(','));
    return take('}');
  }

  bool array(json& into, int depth) {
    ++at_;
    into = json::array();
    auto& items = into.get_ref<json::array_t&>();
    skipBlanks();
    if (take(']'))
      return true;
    do {
      skipBlanks();
      if (!value(items.emplace_back(), depth))
        return false;
      skipBlanks();
    } while (take(','));
    return take(']');
  }

  bool string(std::string& out) {
    if (!take('"'))
      return false;
    for (const char* begin = at_; at_ != end_;) {
      const auto byte = static_cast<unsigned char>(*at_);
      if (byte == '"') {
        out.append(begin, at_);
        ++at_;
        return true;
      }
      if (byte == '\\') {
        out.append(begin, at_);
        if (!escape(out))
          return false;
        begin = at_;
      } else if (byte < 0x20 || (byte >= 0x80 && !character(byte))) {
        return false;
      } else if (byte < 0x80) {
        ++at_;
      }
    }
    return false;
  }

  bool escape(std::string& out) {
    static constexpr std::string_view kLetters = "\"\\/bfnrt";
    static constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    if (++at_ == end_)
      return false;
    const auto found = kLetters.find(*at_++);
    if (found == std::string_view::npos)
      return false;
    out.push_back(kMeant[found]);
    return true;
  }

  /// Passes over one character of more than one byte: RFC 3629 section 4, no overlong forms and no surrogates.
  bool character(unsigned char first) {
    const std::ptrdiff_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || end_ - at_ < length)
      return false;
    const auto second = static_cast<unsigned char>(at_[1]);
    const unsigned char least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const unsigned char most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (second < least || second > most)
      return false;
    for (std::ptrdiff_t i = 2; i < length; ++i)
      if (!isContinuation(static_cast<unsigned char>(at_[i])))
        return false;
    at_ += length;
    return true;
  }

  /// RFC 8259 section 6, whole numbers only. As the library has it, what is not negative is unsigned.
  bool number(json& into) {
    const char* const begin = at_;
    const bool negative = take('-');
    const char* const digits = at_;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9')
      ++at_;
    if (at_ == digits || (*digits == '0' && at_ - digits > 1))
      return false;
    if (at_ != end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E'))
      return false;
    return negative ? whole<std::int64_t>(begin, into) : whole<std::uint64_t>(begin, into);
  }

  template <typename Integer>
  bool whole(const char* begin, json& into) {
    Integer read = 0;
    const auto result = std::from_chars(begin, at_, read);
    into = read;
    return result.ec == std::errc{} && result.ptr == at_;
  }

  const char* at_;
  const char* end_;
};

} // namespace

bool readUsualJson(std::string_view text, int maxDepth, json& document) {
  return Reader(text).document(document, maxDepth);
}

} // namespace calbridge
