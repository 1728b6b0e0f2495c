#include "app/structured_log.hpp"
#include "core/error.hpp"
#include "core/time.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace calbridge::app {
namespace {

spdlog::level::level_enum toSpdlog(Logger::Level level) {
  switch (level) {
  case Logger::Level::debug:
    return spdlog::level::debug;
  case Logger::Level::info:
    return spdlog::level::info;
  case Logger::Level::warning:
    return spdlog::level::warn;
  case Logger::Level::error:
    return spdlog::level::err;
  }
  return spdlog::level::info;
}

const char* nameOf(Logger::Level level) {
  switch (level) {
  case Logger::Level::debug:
    return "debug";
  case Logger::Level::info:
    return "info";
  case Logger::Level::warning:
    return "warning";
  case Logger::Level::error:
    return "error";
  }
  return "info";
}

/// Bare when it is one plain word, else as a JSON string.
std::string readable(const std::string& value) {
  const bool plain = !value.empty() && std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7F && c != '"' && c != '=' && c != '\\';
  });
  return plain ? value : nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace

Logger::Level logLevel(const std::string& name) {
  if (name == "debug")
    return Logger::Level::debug;
  if (name == "warning")
    return Logger::Level::warning;
  if (name == "error")
    return Logger::Level::error;
  return Logger::Level::info;
}

StructuredLog::StructuredLog(Level level, Format format)
    : format_(format),
      logger_(std::make_shared<spdlog::logger>("calbridge", std::make_shared<spdlog::sinks::stderr_color_sink_mt>())) {
  logger_->set_level(toSpdlog(level));
  logger_->set_pattern(format == Format::json ? "%v" : "%Y-%m-%dT%H:%M:%S.%e%z %^%-7l%$ %v");
  logger_->flush_on(spdlog::level::debug);
}

StructuredLog::~StructuredLog() = default;

bool StructuredLog::enabled(Level level) const {
  return logger_->should_log(toSpdlog(level));
}

void StructuredLog::write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!enabled(level))
    return;
  if (format_ == Format::json) {
    nlohmann::ordered_json line;
    line["time"] = formatRfc3339(SystemClock().now());
    line["level"] = nameOf(level);
    line["message"] = message;
    for (const auto& [key, value] : fields)
      if (!value.empty())
        line[std::string(key)] = value;
    logger_->log(toSpdlog(level), "{}", line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  std::string line(message);
  for (const auto& [key, value] : fields)
    if (!value.empty())
      line.append(" ").append(key).append("=").append(readable(value));
  logger_->log(toSpdlog(level), "{}", line);
}

} // namespace calbridge::app
