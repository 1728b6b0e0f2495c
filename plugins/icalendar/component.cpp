#include "component.hpp"

#include "calbridge/json.hpp"

#include <algorithm>
#include <string_view>

namespace calbridge::ics {

void appendFolded(std::string& out, std::string_view line) {
  constexpr std::size_t kMaxLine = 75; // octets, without the line break
  if (line.size() <= kMaxLine) {
    out.append(line).append("\r\n");
    return;
  }
  std::size_t width = 0;
  for (std::size_t i = 0; i < line.size();) {
    const std::size_t length = std::max<std::size_t>(1, sdk::utf8SequenceLength(line, i));
    if (width + length > kMaxLine) {
      out += "\r\n ";
      width = 1;
    }
    out.append(line, i, length);
    width += length;
    i += length;
  }
  out += "\r\n";
}

icaltimetype icalTime(const sdk::WallClock& clock) {
  icaltimetype out = icaltime_null_time();
  out.year = clock.year;
  out.month = clock.month;
  out.day = clock.day;
  out.hour = clock.hour;
  out.minute = clock.minute;
  out.second = clock.second;
  return out;
}

std::string Component::text() const {
  const std::unique_ptr<char, void (*)(void*)> text{icalcomponent_as_ical_string_r(component_.get()),
                                                    &icalmemory_free_buffer};
  if (!text) {
    throw std::bad_alloc();
  }
  const std::string_view folded = text.get();
  std::string out;
  out.reserve(folded.size() + folded.size() / 32);
  std::string line;
  for (std::size_t at = 0; at < folded.size();) {
    const std::size_t end = std::min(folded.find("\r\n", at), folded.size());
    line.append(folded, at, end - at);
    at = end + 2;
    if (at < folded.size() && folded[at] == ' ') {
      ++at; // the line goes on
    } else {
      appendFolded(out, line);
      line.clear();
    }
  }
  return out;
}

} // namespace calbridge::ics
