#include "http/api/route_table.hpp"

namespace calbridge::http {
namespace {

std::vector<std::string> split(const std::string& pattern) {
  std::vector<std::string> segments;
  std::size_t begin = 1;
  while (begin < pattern.size()) {
    const auto end = std::min(pattern.find('/', begin), pattern.size());
    segments.push_back(pattern.substr(begin, end - begin));
    begin = end + 1;
  }
  return segments;
}

/// "{name}" takes a whole segment, "{name}.ics" one with that ending.
bool matches(const std::string& pattern, const std::string& segment, std::map<std::string, std::string>& parameters) {
  if (!pattern.starts_with('{'))
    return pattern == segment;
  const auto close = pattern.find('}');
  const std::string ending = pattern.substr(close + 1);
  if (segment.size() <= ending.size() || !segment.ends_with(ending))
    return false;
  parameters[pattern.substr(1, close - 1)] = segment.substr(0, segment.size() - ending.size());
  return true;
}

} // namespace

void RouteTable::add(std::string method, std::string pattern, Access access,
                     std::function<Response(Exchange&)> handle) {
  patterns_.push_back({split(pattern)});
  routes_.push_back({std::move(method), std::move(pattern), access, std::move(handle)});
}

RouteTable::Match RouteTable::find(const Request& request) const {
  Match match;
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const auto& segments = patterns_[i].segments;
    if (segments.size() != request.segments.size())
      continue;
    std::map<std::string, std::string> parameters;
    bool same = true;
    for (std::size_t k = 0; same && k < segments.size(); ++k)
      same = matches(segments[k], request.segments[k], parameters);
    if (!same)
      continue;
    if (routes_[i].method == method) {
      match.route = &routes_[i];
      match.parameters = std::move(parameters);
      return match;
    }
    if (!match.allowed.empty())
      match.allowed += ", ";
    match.allowed += routes_[i].method;
  }
  return match;
}

} // namespace calbridge::http
