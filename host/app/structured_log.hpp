#pragma once
#include "core/logger.hpp"

#include <memory>

namespace spdlog {
class logger;
}

namespace calbridge::app {

/// The program's log on standard error: one line an event, as text for people or as JSON for machines. Values are
/// escaped, so that nothing in them can fake a line. Thread-safe.
class StructuredLog final : public Logger {
 public:
  enum class Format { text, json };
  StructuredLog(Level level, Format format);
  ~StructuredLog() override;

  bool enabled(Level level) const override;
  void write(Level level, std::string_view message, std::initializer_list<Field> fields) override;

 private:
  const Format format_;
  std::shared_ptr<spdlog::logger> logger_;
};

/// "debug", "info", "warning" or "error".
Logger::Level logLevel(const std::string& name);

} // namespace calbridge::app
