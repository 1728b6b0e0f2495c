#include "core/address_range.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>

namespace calbridge {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool bitAt(const std::array<std::uint8_t, 16>& bytes, int i) {
  return ((bytes[static_cast<std::size_t>(i) / 8] >> (7 - i % 8)) & 1) != 0;
}

} // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN)
    return std::nullopt;
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos)
    return std::nullopt;
  IpAddress address;
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes_.data() + kMapped.size()) == 1)
    std::copy(kMapped.begin(), kMapped.end(), address.bytes_.begin());
  else if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes_.data()) != 1)
    return std::nullopt;
  return address;
}

bool IpAddress::isV4() const {
  return std::equal(kMapped.begin(), kMapped.end(), bytes_.begin());
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  if (isV4())
    ::inet_ntop(AF_INET, bytes_.data() + kMapped.size(), buffer, sizeof buffer);
  else
    ::inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof buffer);
  return buffer;
}

std::optional<AddressRange> AddressRange::parse(std::string_view text, std::string& why) {
  const std::size_t slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) {
    why = "this is no address or range of addresses: write 192.0.2.7, 10.0.0.0/8, ::1 or 2001:db8::/32";
    return std::nullopt;
  }
  const bool v4 = base->isV4() && text.find(':') == std::string_view::npos;
  AddressRange range;
  range.base_ = *base;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    int length = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc{} || end != digits.data() + digits.size() || length < 0 || length > (v4 ? 32 : 128)) {
      why = std::string("the length of the prefix is not a number from 1 to ") + (v4 ? "32" : "128");
      return std::nullopt;
    }
    if (length == 0) {
      why = "this range is every address there is";
      return std::nullopt;
    }
    range.bits_ = length + (v4 ? 96 : 0);
  }
  for (int i = range.bits_; i < 128; ++i)
    if (bitAt(base->bytes(), i)) {
      why = "the address has bits behind its prefix: write the range's first address, or leave /" +
            std::string(text.substr(slash + 1)) + " out";
      return std::nullopt;
    }
  return range;
}

bool AddressRange::contains(const IpAddress& address) const {
  const auto& a = address.bytes();
  const auto& b = base_.bytes();
  const auto whole = static_cast<std::ptrdiff_t>(bits_ / 8);
  if (!std::equal(a.begin(), a.begin() + whole, b.begin()))
    return false;
  for (int i = bits_ / 8 * 8; i < bits_; ++i)
    if (bitAt(a, i) != bitAt(b, i))
      return false;
  return true;
}

bool contains(const std::vector<AddressRange>& ranges, const IpAddress& address) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const AddressRange& range) { return range.contains(address); });
}

} // namespace calbridge
