#include "http/api/metrics_text.hpp"

#include <cstdio>

namespace calbridge::http {

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  text_.append("# HELP ")
      .append(name)
      .append(" ")
      .append(help)
      .append("\n# TYPE ")
      .append(name)
      .append(" ")
      .append(type);
  text_ += '\n';
}

void MetricsText::sample(std::string_view name, std::initializer_list<Label> labels, double value) {
  text_.append(name);
  char separator = '{';
  for (const auto& [key, content] : labels) {
    text_ += separator;
    text_.append(key).append("=\"");
    for (const char c : content) {
      if (c == '\\' || c == '"')
        text_ += '\\';
      if (c == '\n')
        text_ += "\\n";
      else
        text_ += c;
    }
    text_ += '"';
    separator = ',';
  }
  if (labels.size() > 0)
    text_ += '}';
  char number[40];
  std::snprintf(number, sizeof number, " %.15g\n", value);
  text_ += number;
}

void MetricsText::gauge(std::string_view name, std::string_view help, double value) {
  family(name, "gauge", help);
  sample(name, {}, value);
}

void MetricsText::counter(std::string_view name, std::string_view help, double value) {
  family(name, "counter", help);
  sample(name, {}, value);
}

} // namespace calbridge::http
