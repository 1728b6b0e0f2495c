#pragma once
#include <stdexcept>
#include <string>

namespace calbridge {

/// Any failure that somebody has to hear about. `code` is stable and machine-readable (snake_case, part of the HTTP
/// contract), `message` may be shown to whoever asked, `detail` is for the log only and never leaves the process.
class Error : public std::runtime_error {
 public:
  Error(std::string code, std::string message, std::string detail = {}, std::string pointer = {})
      : std::runtime_error(message), code_(std::move(code)), detail_(std::move(detail)), pointer_(std::move(pointer)) {}

  const std::string& code() const noexcept { return code_; }
  std::string message() const { return what(); }
  const std::string& detail() const noexcept { return detail_; }
  /// JSON pointer (RFC 6901) of the offending field, empty when no single field is to blame.
  const std::string& pointer() const noexcept { return pointer_; }

 private:
  std::string code_;
  std::string detail_;
  std::string pointer_;
};

} // namespace calbridge
