#pragma once
#include "calbridge/json.hpp"

#include <charconv>

namespace calbridge::sdk {

/// Reads JSON of a known shape from front to back straight into its destination, without building a
/// document. It is a short cut and never the judge: every function answers false for whatever is wrong or merely
/// unusual (fractions, escapes by number, null), and the caller then asks parseJson(), which knows it all and says what
/// is wrong. What the scanner does accept, parseJson() accepts with the same value. Of repeated fields the last counts.
class JsonScanner {
 public:
  /// Borrows `text`, of at most CALBRIDGE_JSON_MAX_BYTES.
  explicit JsonScanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {
    if (text.size() > CALBRIDGE_JSON_MAX_BYTES) {
      end_ = at_;
    }
  }

  /// `{…}`: calls `field(std::string_view key) -> bool` for each, which takes the value with a function of this class.
  template <typename Field>
  bool object(Field&& field) {
    if (!take('{')) {
      return false;
    }
    if (take('}')) {
      return true;
    }
    do {
      if (!text(key_) || !take(':')) {
        return false;
      }
      const std::string key = key_; // short, so mostly without an allocation
      if (!field(std::string_view(key))) {
        return false;
      }
    } while (take(','));
    return take('}');
  }

  /// `[…]`: calls `item() -> bool` for each.
  template <typename Item>
  bool array(Item&& item) {
    if (!take('[')) {
      return false;
    }
    if (take(']')) {
      return true;
    }
    do {
      if (!item()) {
        return false;
      }
    } while (take(','));
    return take(']');
  }

  /// A string, decoded, replacing what `out` holds.
  bool text(std::string& out) {
    if (!take('"')) {
      return false;
    }
    out.clear();
    const char* clean = at_; // [clean, at_) is taken as it is
    for (; at_ < end_;) {
      const auto c = static_cast<unsigned char>(*at_);
      if (c == '"') {
        out.append(clean, at_++);
        return true;
      }
      if (c == '\\') {
        out.append(clean, at_);
        if (!escape(out)) {
          return false;
        }
        clean = at_;
      } else if (c < 0x20) {
        return false;
      } else if (c < 0x80) {
        ++at_;
      } else {
        const std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
        const std::size_t length = utf8SequenceLength(rest, 0);
        if (length == 0) {
          return false;
        }
        at_ += length;
      }
    }
    return false;
  }

  /// An integer that fits.
  bool integer(std::int64_t& out) {
    blanks();
    const char* const begin = at_;
    const auto [next, error] = std::from_chars(at_, end_, out);
    if (error != std::errc() || (next < end_ && (*next == '.' || *next == 'e' || *next == 'E'))) {
      return false;
    }
    const char* const digits = *begin == '-' ? begin + 1 : begin;
    at_ = next;
    return *digits != '0' || next == digits + 1; // JSON knows no leading zeros
  }

  /// true or false.
  bool flag(bool& out) {
    out = literal("true");
    return out || literal("false");
  }

  /// Any value that is of no interest.
  bool skip(int depth = 0) {
    blanks();
    if (at_ == end_ || depth > CALBRIDGE_JSON_MAX_DEPTH - 8) {
      return false;
    }
    std::int64_t number = 0;
    bool either = false;
    switch (*at_) {
    case '"':
      return text(key_);
    case '{':
      return object([&](std::string_view) { return skip(depth + 1); });
    case '[':
      return array([&] { return skip(depth + 1); });
    case 'n':
      return literal("null");
    case 't':
    case 'f':
      return flag(either);
    default:
      return integer(number);
    }
  }

  /// `[["name","value"],…]`, replacing what `out` holds.
  bool pairs(std::vector<std::pair<std::string, std::string>>& out) {
    out.clear();
    return array([&] {
      auto& [name, value] = out.emplace_back();
      return take('[') && text(name) && take(',') && text(value) && take(']');
    });
  }

  /// Nothing but blanks is left.
  bool finished() {
    blanks();
    return at_ == end_;
  }

 private:
  void blanks() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) {
      ++at_;
    }
  }
  bool take(char wanted) {
    blanks();
    if (at_ == end_ || *at_ != wanted) {
      return false;
    }
    ++at_;
    return true;
  }
  bool literal(std::string_view word) {
    blanks();
    if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word)) {
      return false;
    }
    at_ += word.size();
    return true;
  }
  bool escape(std::string& out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const auto found = ++at_ < end_ ? kNames.find(*at_) : std::string_view::npos;
    if (found == std::string_view::npos) {
      return false;
    }
    out.push_back(kMeanings[found]);
    ++at_;
    return true;
  }

  const char* at_;
  const char* end_;
  std::string key_;
};

} // namespace calbridge::sdk
