#include "store/postgresql/copy_in.hpp"

namespace calbridge::store::postgresql {
namespace {
constexpr std::size_t kSendAt = 256 * 1024;
}

CopyIn::CopyIn(Session& session, const std::string& statement) : session_(session) {
  session_.beginCopy(statement);
}

void CopyIn::next() {
  if (!first_)
    buffer_ += '\t';
  first_ = false;
}

void CopyIn::text(std::string_view value) {
  next();
  for (const char c : isStorable(value) ? std::string(value) : storable(value)) {
    switch (c) {
    case '\\':
      buffer_ += "\\\\";
      break;
    case '\n':
      buffer_ += "\\n";
      break;
    case '\r':
      buffer_ += "\\r";
      break;
    case '\t':
      buffer_ += "\\t";
      break;
    default:
      buffer_ += c;
    }
  }
}

void CopyIn::bytes(std::string_view value) {
  constexpr char kDigits[] = "0123456789abcdef";
  next();
  buffer_ += "\\\\x";
  for (const char c : value) {
    buffer_ += kDigits[static_cast<unsigned char>(c) >> 4];
    buffer_ += kDigits[static_cast<unsigned char>(c) & 15];
  }
}

void CopyIn::integer(std::optional<std::int64_t> value) {
  next();
  buffer_ += value ? std::to_string(*value) : "\\N";
}

void CopyIn::flag(bool value) {
  next();
  buffer_ += value ? 't' : 'f';
}

void CopyIn::endRow() {
  buffer_ += '\n';
  first_ = true;
  if (buffer_.size() >= kSendAt)
    send();
}

void CopyIn::send() {
  session_.copyData(buffer_);
  buffer_.clear();
}

void CopyIn::finish() {
  send();
  session_.endCopy();
}

} // namespace calbridge::store::postgresql
