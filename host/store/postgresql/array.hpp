#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace calbridge::store::postgresql {

/// Appends the lowest `Bytes` bytes of `value`, the highest first (the protocol's order).
template <int Bytes>
void appendBigEndian(std::string& to, std::int64_t value) {
  for (int shift = (Bytes - 1) * 8; shift >= 0; shift -= 8)
    to.push_back(static_cast<char>((static_cast<std::uint64_t>(value) >> shift) & 0xff));
}

/// Text as PostgreSQL takes it: it knows no NUL and nothing but valid UTF-8. Other bytes are replaced by U+FFFD rather
/// than refused, because one odd character must not hold up an appointment.
std::string storable(std::string_view text);
/// True when storable(text) would be text itself.
bool isStorable(std::string_view text);

/// One column of a batch of rows, in the binary form of a one-dimensional array (array_recv): a batch of hundreds of
/// rows is one statement, `FROM unnest($1::bigint[], $2::text[], …)`, and nothing has to be escaped or printed.
class Array {
 public:
  static Array integers() { return Array(20); }
  static Array texts() { return Array(25); }
  static Array flags() { return Array(16); }

  void add(std::int64_t value) {
    item(8);
    appendBigEndian<8>(body_, value);
  }
  void add(int value) { add(std::int64_t{value}); }
  void add(bool value) {
    item(1);
    body_.push_back(value ? 1 : 0);
  }
  void add(const std::string& value) { add(std::string_view(value)); }
  void add(const char* value) { add(std::string_view(value)); }
  void add(std::string_view value) {
    if (!isStorable(value)) {
      const std::string replaced = storable(value);
      item(replaced.size());
      body_ += replaced;
      return;
    }
    item(value.size());
    body_ += value;
  }
  template <typename T>
  void add(const std::optional<T>& value) {
    if (value) {
      add(*value);
    } else {
      ++count_;
      appendBigEndian<4>(body_, -1);
      nulls_ = true;
    }
  }

  std::size_t size() const { return count_; }
  /// The whole parameter.
  std::string bytes() const {
    std::string all;
    all.reserve(body_.size() + 20);
    appendBigEndian<4>(all, count_ == 0 ? 0 : 1);
    appendBigEndian<4>(all, nulls_ ? 1 : 0);
    appendBigEndian<4>(all, oid_);
    if (count_ > 0) {
      appendBigEndian<4>(all, static_cast<std::int64_t>(count_));
      appendBigEndian<4>(all, 1);
    }
    return all + body_;
  }

 private:
  explicit Array(int oid) : oid_(oid) {}
  void item(std::size_t size) {
    ++count_;
    appendBigEndian<4>(body_, static_cast<std::int64_t>(size));
  }

  int oid_;
  std::size_t count_ = 0;
  bool nulls_ = false;
  std::string body_;
};

} // namespace calbridge::store::postgresql
