#pragma once
#include "core/error.hpp"
#include "core/logger.hpp"
#include "core/random.hpp"
#include "core/time.hpp"
#include "http/edge/request.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <initializer_list>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace calbridge::http::test {

/// Time that moves when told to.
class ManualClock final : public Clock {
 public:
  TimeMs now() const override { return time_.load(); }
  TimeMs monotonic() const override { return time_.load() - kEpoch; }
  void advance(TimeMs ms) { time_ += ms; }

  static constexpr TimeMs kEpoch = 1'790'000'000'000;

 private:
  std::atomic<TimeMs> time_{kEpoch};
};

class RecordingLogger final : public Logger {
 public:
  bool enabled(Level) const override { return true; }
  void write(Level level, std::string_view message, std::initializer_list<Field> fields) override {
    std::string line(message);
    for (const Field& field : fields)
      line.append(" ").append(field.first).append("=").append(field.second);
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(level, line);
  }
  std::vector<std::string> at(Level level) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const auto& [of, line] : lines_)
      if (of == level)
        found.push_back(line);
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<Level, std::string>> lines_;
};

/// What `call` throws, as "code: message"; "" when it does not.
template <typename Call>
std::string errorOf(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() + ": " + error.message();
  }
  return {};
}

inline Request request(std::string method,
                       std::initializer_list<std::pair<std::string_view, std::string_view>> headers) {
  Request out;
  out.method = std::move(method);
  out.target = out.path = "/api/session/";
  out.segments = {"api", "session"};
  out.peerAddress = out.clientAddress = "127.0.0.1";
  for (const auto& [name, value] : headers)
    out.headers.add(name, value);
  out.host = out.headers.get("Host");
  return out;
}

} // namespace calbridge::http::test
