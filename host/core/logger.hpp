#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace calbridge {

/// Structured log. Callers pass nothing secret: no token, code, cookie, password, feed URL or SQL value. Thread-safe.
class Logger {
 public:
  enum class Level { debug, info, warning, error };
  using Field = std::pair<std::string_view, std::string>;
  virtual ~Logger() = default;
  virtual bool enabled(Level level) const = 0;
  virtual void write(Level level, std::string_view message, std::initializer_list<Field> fields) = 0;

  void debug(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::debug, m, f); }
  void info(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::info, m, f); }
  void warning(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::warning, m, f); }
  void error(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::error, m, f); }
};

/// Drops everything; for tests and one-shot commands.
class NullLogger final : public Logger {
 public:
  bool enabled(Level) const override { return false; }
  void write(Level, std::string_view, std::initializer_list<Field>) override {}
};

} // namespace calbridge
