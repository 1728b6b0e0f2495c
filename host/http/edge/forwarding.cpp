#include "http/edge/forwarding.hpp"

#include <algorithm>

namespace calbridge::http {

namespace {

constexpr std::size_t kMostHops = 32; ///< from the end; nobody has more proxies

/// One proxy's report on whom it was talking to.
struct Hop {
  std::string from, proto, host;
};

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

/// All values of that header as one list (RFC 9110 section 5.3), cut at commas outside quotes; its last kMostHops
/// elements.
std::vector<std::string> listOf(const Headers& headers, std::string_view name) {
  std::vector<std::string> list;
  for (std::string_view value : headers.all(name)) {
    bool quoted = false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= value.size(); ++i) {
      if (i < value.size() && quoted && value[i] == '\\') {
        ++i;
      } else if (i < value.size() && value[i] == '"') {
        quoted = !quoted;
      } else if (i == value.size() || (value[i] == ',' && !quoted)) {
        list.emplace_back(trimmed(value.substr(begin, i - begin)));
        begin = i + 1;
      }
    }
  }
  if (list.size() > kMostHops)
    list.erase(list.begin(), list.end() - kMostHops);
  return list;
}

/// token or quoted-string → its text. nullopt when malformed.
std::optional<std::string> unquoted(std::string_view text) {
  if (text.empty() || text.front() != '"')
    return std::string(text);
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"')
      return i + 1 == text.size() ? std::optional(out) : std::nullopt;
    if (text[i] == '\\' && ++i == text.size())
      break;
    out += text[i];
  }
  return std::nullopt;
}

/// One element of Forwarded: for=…;proto=…;host=…;by=… (RFC 7239 section 4). Anything malformed makes all of it void.
Hop hopOf(std::string_view element) {
  Hop hop;
  while (!element.empty()) {
    std::size_t end = 0;
    for (bool quoted = false; end < element.size() && (quoted || element[end] != ';'); ++end) {
      if (quoted && element[end] == '\\')
        ++end;
      else if (element[end] == '"')
        quoted = !quoted;
    }
    end = std::min(end, element.size());
    const std::string_view pair = trimmed(element.substr(0, end));
    element.remove_prefix(std::min(end + 1, element.size()));
    const std::size_t equals = pair.find('=');
    const auto value = equals == std::string_view::npos ? std::nullopt : unquoted(pair.substr(equals + 1));
    if (!value)
      return {};
    const std::string_view name = pair.substr(0, equals);
    std::string* into = equalIgnoringCase(name, "for")     ? &hop.from
                        : equalIgnoringCase(name, "proto") ? &hop.proto
                        : equalIgnoringCase(name, "host")  ? &hop.host
                                                           : nullptr;
    if (into && !into->empty()) // each at most once (section 4)
      return {};
    if (into)
      *into = *value;
  }
  return hop;
}

/// "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]:4711"; nothing for "unknown", "_hidden" and the rest.
std::optional<IpAddress> addressOf(std::string_view node) {
  if (node.starts_with('[')) {
    const std::size_t close = node.find(']');
    const std::string_view rest = close == std::string_view::npos ? "x" : node.substr(close + 1);
    return rest.empty() || rest.front() == ':' ? IpAddress::parse(node.substr(1, close - 1)) : std::nullopt;
  }
  if (std::count(node.begin(), node.end(), ':') == 1)
    node = node.substr(0, node.find(':'));
  return IpAddress::parse(node);
}

Forwarding follow(const std::vector<Hop>& hops, IpAddress known, const std::vector<AddressRange>& trusted) {
  Forwarding result;
  const auto take = [&](const Hop& hop) {
    result.secure.reset();
    if (equalIgnoringCase(hop.proto, "https") || equalIgnoringCase(hop.proto, "http"))
      result.secure = equalIgnoringCase(hop.proto, "https");
    result.host = hop.host;
  };
  for (auto hop = hops.rbegin(); hop != hops.rend() && contains(trusted, known); ++hop) {
    take(*hop);
    const auto address = addressOf(hop->from);
    if (!address)
      break;
    known = *address;
  }
  result.client = known.text();
  return result;
}

} // namespace

std::optional<Forwarding> readForwarding(const Headers& headers, const IpAddress& peer,
                                         const std::vector<AddressRange>& trusted) {
  std::optional<Forwarding> standard, usual;
  if (headers.find("Forwarded")) {
    std::vector<Hop> hops;
    for (const std::string& element : listOf(headers, "Forwarded"))
      hops.push_back(hopOf(element));
    standard = follow(hops, peer, trusted);
  }
  if (headers.find("X-Forwarded-For") || headers.find("X-Forwarded-Proto") || headers.find("X-Forwarded-Host")) {
    const auto clients = listOf(headers, "X-Forwarded-For");
    const auto protos = listOf(headers, "X-Forwarded-Proto");
    const auto hosts = listOf(headers, "X-Forwarded-Host");
    // A proxy that keeps no list for the scheme or host sets one value, about whom it talked to itself.
    const auto at = [](const std::vector<std::string>& list, std::size_t i, std::size_t size) {
      return list.empty() ? std::string() : list.size() == size ? list[i] : list.back();
    };
    std::vector<Hop> hops(std::max<std::size_t>(clients.size(), 1));
    for (std::size_t i = 0; i < hops.size(); ++i)
      hops[i] =
          Hop{clients.empty() ? std::string() : clients[i], at(protos, i, hops.size()), at(hosts, i, hops.size())};
    usual = follow(hops, peer, trusted);
  }
  if (standard && usual && standard->client != usual->client)
    return Forwarding{.client = peer.text(), .secure = std::nullopt, .host = {}};
  return standard ? standard : usual;
}

} // namespace calbridge::http
