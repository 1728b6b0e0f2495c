#include "net/egress.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace calbridge::net {
namespace {

using Poco::Net::IPAddress;

struct Bytes {
  std::array<std::uint8_t, 16> data{};
  bool v4 = false;
};

/// The raw address; IPv4-mapped, NAT64 and 6to4 forms become the IPv4 address that they stand for.
Bytes bytesOf(const IPAddress& address) {
  Bytes bytes;
  bytes.v4 = address.family() == IPAddress::IPv4;
  std::memcpy(bytes.data.data(), address.addr(), std::min<std::size_t>(address.length(), 16));
  if (bytes.v4) {
    return bytes;
  }
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  static constexpr std::array<std::uint8_t, 12> kNat64 = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
  const auto& d = bytes.data;
  const auto starts = [&](const auto& prefix) { return std::equal(prefix.begin(), prefix.end(), d.begin()); };
  Bytes inner;
  inner.v4 = true;
  if (starts(kMapped) || starts(kNat64)) {
    std::copy(d.begin() + 12, d.end(), inner.data.begin());
    return inner;
  }
  if (d[0] == 0x20 && d[1] == 0x02) {
    std::copy(d.begin() + 2, d.begin() + 6, inner.data.begin());
    return inner;
  }
  return bytes;
}

/// IANA IPv4 special-purpose address registry.
bool isPublicV4(const std::array<std::uint8_t, 16>& d) {
  const unsigned a = d[0];
  const unsigned b = d[1];
  const unsigned c = d[2];
  return !(a == 0 || a == 10 || a == 127 || a >= 224 || (a == 100 && b >= 64 && b <= 127) || (a == 169 && b == 254) ||
           (a == 172 && b >= 16 && b <= 31) || (a == 192 && b == 168) || (a == 192 && b == 0 && (c == 0 || c == 2)) ||
           (a == 192 && b == 88 && c == 99) || (a == 198 && (b == 18 || b == 19)) ||
           (a == 198 && b == 51 && c == 100) || (a == 203 && b == 0 && c == 113));
}

std::optional<std::string> schemeRefusal(const Url& url) {
  if (!url.secure() && !url.isLoopback()) {
    return "plain http is allowed to loopback addresses only, not to " + url.host;
  }
  return std::nullopt;
}

/// Does one of the entries ("host", "host:port", "*.example.com") mean this URL?
bool named(const Url& url, const std::vector<std::string>& entries) {
  const std::string authority = url.authority();
  return std::any_of(entries.begin(), entries.end(), [&](const std::string& entry) {
    if (entry.starts_with("*.")) {
      return authority.size() > entry.size() - 1 && authority.ends_with(std::string_view(entry).substr(1));
    }
    return authority == entry || (entry == url.host + ":" + std::to_string(url.port));
  });
}

} // namespace

bool isLoopbackAddress(const IPAddress& address) {
  const Bytes bytes = bytesOf(address);
  if (bytes.v4) {
    return bytes.data[0] == 127;
  }
  std::array<std::uint8_t, 16> one{};
  one[15] = 1;
  return bytes.data == one;
}

bool isPublicAddress(const IPAddress& address) {
  const Bytes bytes = bytesOf(address);
  if (bytes.v4) {
    return isPublicV4(bytes.data);
  }
  const auto& d = bytes.data;
  const bool global = (d[0] & 0xe0U) == 0x20;                                    // 2000::/3
  const bool special = d[0] == 0x20 && d[1] == 0x01 && (d[2] == 0 || d[2] == 1); // 2001::/23, Teredo among them
  const bool documentation = d[0] == 0x20 && d[1] == 0x01 && d[2] == 0x0d && d[3] == 0xb8;
  return global && !special && !documentation;
}

std::optional<std::string> refusal(const Url& url, const std::vector<std::string>* allowedHosts) {
  if (auto why = schemeRefusal(url)) {
    return why;
  }
  if (allowedHosts == nullptr || !named(url, *allowedHosts)) {
    return url.authority() + " is not among the hosts that this plugin may talk to";
  }
  return std::nullopt;
}

std::optional<std::string> refusal(const Url& url, const TypedServers&) {
  return schemeRefusal(url);
}

std::optional<std::string> addressRefusal(const Url& url, const IPAddress& address, const TypedServers& servers) {
  const auto plain = IpAddress::parse(address.toString());
  const bool listed = named(url, servers.hosts) || (plain && contains(servers.ranges, *plain));
  return addressRefusal(url, address, !listed);
}

std::optional<std::string> addressRefusal(const Url& url, const IPAddress& address, bool publicOnly) {
  if (!url.secure() && !isLoopbackAddress(address)) {
    return "plain http is allowed to loopback addresses only, and " + url.host + " is at " + address.toString();
  }
  if (publicOnly && !isPublicAddress(address)) {
    return url.host + " is at " + address.toString() + ", which is not a public address";
  }
  return std::nullopt;
}

} // namespace calbridge::net
