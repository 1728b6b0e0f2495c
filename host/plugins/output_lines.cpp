#include "plugins/output_lines.hpp"

#include <algorithm>

namespace calbridge::plugins {
namespace {

constexpr double kBurst = 100;
constexpr double kPerSecond = 20;
constexpr std::size_t kLongestLine = 16384;

} // namespace

void OutputLines::line(Time now, const Sink& sink) {
  const double seconds = seen_ == Time{} ? 0 : std::chrono::duration<double>(now - seen_).count();
  allowance_ = std::min(kBurst, allowance_ + seconds * kPerSecond);
  seen_ = now;
  if (allowance_ < 1) {
    ++dropped_;
  } else {
    allowance_ -= 1;
    if (dropped_ > 0) {
      sink({}, dropped_);
      dropped_ = 0;
    }
    sink(line_, 0);
  }
  line_.clear();
}

void OutputLines::add(std::string_view bytes, Time now, const Sink& sink) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    line_.append(part.substr(0, kLongestLine - std::min(kLongestLine, line_.size())));
    if (end == std::string_view::npos) {
      return;
    }
    line(now, sink);
    bytes.remove_prefix(end + 1);
  }
}

void OutputLines::finish(Time now, const Sink& sink) {
  if (!line_.empty()) {
    line(now, sink);
  }
  if (dropped_ > 0) {
    sink({}, dropped_);
    dropped_ = 0;
  }
}

} // namespace calbridge::plugins
