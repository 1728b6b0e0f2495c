#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace calbridge::http {

/// Writes the Prometheus text exposition format, version 0.0.4.
class MetricsText {
 public:
  using Label = std::pair<std::string_view, std::string>;

  void family(std::string_view name, std::string_view type, std::string_view help);
  void sample(std::string_view name, std::initializer_list<Label> labels, double value);
  void gauge(std::string_view name, std::string_view help, double value);
  void counter(std::string_view name, std::string_view help, double value);
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

} // namespace calbridge::http
