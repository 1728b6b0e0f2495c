#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace calbridge {

/// A numeric IP address in the one form that can be compared: IPv4 as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2).
class IpAddress {
 public:
  /// "192.0.2.1" or "2001:db8::1", without brackets, port or zone. nullopt for anything else.
  static std::optional<IpAddress> parse(std::string_view text);

  /// The shortest usual form; an IPv4-mapped address comes out as IPv4.
  std::string text() const;
  bool isV4() const;
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  bool operator==(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

/// All addresses that share a prefix (CIDR, RFC 4632).
class AddressRange {
 public:
  /// "10.0.0.0/8", "2001:db8::/32", or one address. nullopt with the reason in `why` for anything else, also for bits
  /// set behind the prefix and for a prefix of length 0.
  static std::optional<AddressRange> parse(std::string_view text, std::string& why);

  bool contains(const IpAddress& address) const;

 private:
  IpAddress base_;
  int bits_ = 128; ///< of the 128-bit form
};

/// Is the address in one of the ranges?
bool contains(const std::vector<AddressRange>& ranges, const IpAddress& address);

} // namespace calbridge
