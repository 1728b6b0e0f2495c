#include "core/address_range.hpp"

#include <catch2/catch.hpp>

using namespace calbridge;

namespace {

bool within(const char* range, const char* address) {
  std::string why;
  return AddressRange::parse(range, why).value().contains(IpAddress::parse(address).value());
}

std::string complaint(const char* range) {
  std::string why;
  CHECK_FALSE(AddressRange::parse(range, why));
  return why;
}

} // namespace

TEST_CASE("a range holds the addresses that share its prefix, and no others") {
  CHECK(within("10.0.0.0/8", "10.255.0.1"));
  CHECK_FALSE(within("10.0.0.0/8", "11.0.0.0"));
  CHECK(within("192.0.2.128/25", "192.0.2.255"));
  CHECK_FALSE(within("192.0.2.128/25", "192.0.2.127"));
  CHECK(within("192.0.2.7", "192.0.2.7"));
  CHECK_FALSE(within("192.0.2.7", "192.0.2.6"));
  CHECK(within("128.0.0.0/1", "255.0.0.1"));
  CHECK_FALSE(within("128.0.0.0/1", "127.0.0.1"));
  CHECK(within("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(within("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(within("::1", "::1"));
  CHECK_FALSE(within("::1", "127.0.0.1"));
}

TEST_CASE("an IPv4 address is the same in its IPv6 form") {
  CHECK(within("10.0.0.0/8", "::ffff:10.1.2.3"));
  CHECK(within("::ffff:10.0.0.0/104", "10.1.2.3"));
  CHECK(IpAddress::parse("::ffff:192.0.2.1").value().text() == "192.0.2.1");
  CHECK(IpAddress::parse("2001:DB8::0:1").value().text() == "2001:db8::1");
}

TEST_CASE("what is no range is refused with what is wrong with it") {
  for (const char* text :
       {"", "localhost", "10.0.0", "010.0.0.1", "10.0.0.1.2", "[::1]", "fe80::1%eth0", " ::1", "1.2.3.4:80"})
    CHECK_THAT(complaint(text), Catch::StartsWith("this is no address"));
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "::/129"})
    CHECK_THAT(complaint(text), Catch::StartsWith("the length of the prefix"));
  CHECK_THAT(complaint("0.0.0.0/0"), Catch::Contains("every address"));
  CHECK_THAT(complaint("::/0"), Catch::Contains("every address"));
  CHECK(complaint("10.0.0.1/8") ==
        "the address has bits behind its prefix: write the range's first address, or leave /8 out");
}
