#include "http/api/answer_form.hpp"

#include <algorithm>
#include <charconv>

namespace calbridge::http {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Takes the next part before `mark` from the text.
std::string_view next(std::string_view& text, char mark) {
  const std::size_t end = std::min(text.find(mark), text.size());
  const std::string_view part = trimmed(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

/// The parameters' q in thousandths; 1000 without one, 0 for one that cannot be read.
int qualityIn(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = next(parameters, ';');
    if (parameter.size() < 2 || !equalIgnoringCase(parameter.substr(0, 2), "q=")) {
      continue;
    }
    const std::string_view text = parameter.substr(2);
    double value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    const bool good = read.ec == std::errc() && read.ptr == text.data() + text.size() && value >= 0 && value <= 1;
    return good ? static_cast<int>(value * 1000) : 0;
  }
  return 1000;
}

} // namespace

bool prefersPage(const Request& request) {
  int page = 0;
  int json = 0;
  for (std::string_view accepted : request.headers.all("Accept")) {
    while (!accepted.empty()) {
      std::string_view range = next(accepted, ',');
      const std::string_view type = next(range, ';');
      if (equalIgnoringCase(type, "text/html")) {
        page = std::max(page, qualityIn(range));
      } else if (equalIgnoringCase(type, "application/json") || equalIgnoringCase(type, "application/problem+json")) {
        json = std::max(json, qualityIn(range));
      }
    }
  }
  return page > json;
}

} // namespace calbridge::http
