#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace calbridge::plugins {

/// What a process writes, as lines, and not too many of them. One thread.
class OutputLines {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// Gets a line without its end, at most 16 KiB of it (more than is shown, so that no secret is cut where it still
  /// shows before it is looked for); or, with `dropped` above 0, how many were left out before.
  using Sink = std::function<void(std::string_view line, std::size_t dropped)>;

  /// Lines beyond 100 at once, or 20 a second, are counted and dropped.
  void add(std::string_view bytes, Time now, const Sink& sink);
  /// Nothing more comes: what has no end yet is a line, too.
  void finish(Time now, const Sink& sink);

 private:
  void line(Time now, const Sink& sink);

  std::string line_;
  double allowance_ = 100;
  Time seen_{};
  std::size_t dropped_ = 0;
};

} // namespace calbridge::plugins
