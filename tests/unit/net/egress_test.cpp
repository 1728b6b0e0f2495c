#include "net/egress.hpp"

#include <catch2/catch.hpp>

using namespace calbridge;
using calbridge::net::addressRefusal;
using calbridge::net::isLoopbackAddress;
using calbridge::net::isPublicAddress;
using calbridge::net::refusal;
using Poco::Net::IPAddress;

namespace {
bool allowed(const std::string& url, const std::vector<std::string>& hosts) {
  return !refusal(parseUrl(url).value(), &hosts);
}
} // namespace

TEST_CASE("an entry without a port means the scheme's own port") {
  CHECK(allowed("https://api.example.com/x", {"api.example.com"}));
  CHECK(allowed("https://API.Example.com:443/x", {"api.example.com"}));
  CHECK(allowed("https://api.example.com/x", {"api.example.com:443"}));
  CHECK_FALSE(allowed("https://api.example.com:8443/x", {"api.example.com"}));
  CHECK(allowed("https://api.example.com:8443/x", {"api.example.com:8443"}));
}

TEST_CASE("similar names are not the same name") {
  CHECK_FALSE(allowed("https://evil-api.example.com/", {"api.example.com"}));
  CHECK_FALSE(allowed("https://api.example.com.evil.org/", {"api.example.com"}));
  CHECK_FALSE(allowed("https://example.com/", {"*.example.com"}));
  CHECK_FALSE(allowed("https://badexample.com/", {"*.example.com"}));
  CHECK(allowed("https://p01.example.com/", {"*.example.com"}));
  CHECK_FALSE(allowed("https://p01.example.com:444/", {"*.example.com"}));
}

TEST_CASE("plain http is for loopback, by name and by address") {
  CHECK_FALSE(allowed("http://api.example.com/", {"api.example.com"}));
  CHECK(allowed("http://localhost:9000/", {"localhost:9000"}));
  CHECK(allowed("http://[::1]:9000/", {"[::1]:9000"}));
  const Url local = parseUrl("http://localhost:9000/").value();
  CHECK(addressRefusal(local, IPAddress("10.0.0.1"), false));
  CHECK_FALSE(addressRefusal(local, IPAddress("127.0.0.1"), false));
  CHECK_FALSE(addressRefusal(local, IPAddress("::ffff:127.0.0.1"), false));
}

TEST_CASE("loopback is seen through IPv4-mapped addresses") {
  for (const char* text : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}) {
    INFO(text);
    CHECK(isLoopbackAddress(IPAddress(text)));
  }
  for (const char* text : {"128.0.0.1", "::2", "::ffff:10.0.0.1"}) {
    INFO(text);
    CHECK_FALSE(isLoopbackAddress(IPAddress(text)));
  }
}

TEST_CASE("private, local and reserved ranges are not public, in any disguise") {
  for (const char* text :
       {"0.0.0.0",         "10.1.2.3",    "100.64.0.1", "127.0.0.1",       "169.254.169.254", "172.16.0.1",
        "172.31.255.255",  "192.168.1.1", "192.0.0.1",  "198.18.0.1",      "203.0.113.9",     "224.0.0.1",
        "255.255.255.255", "::",          "::1",        "fe80::1",         "fc00::1",         "fd12::1",
        "ff02::1",         "2001:db8::1", "2001::1",    "::ffff:10.0.0.1", "64:ff9b::a00:1",  "2002:a00:1::1"}) {
    INFO(text);
    CHECK_FALSE(isPublicAddress(IPAddress(text)));
  }
  for (const char* text :
       {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    INFO(text);
    CHECK(isPublicAddress(IPAddress(text)));
  }
}

TEST_CASE("a server that somebody typed must be public and https, but for those that the operator lists") {
  std::string why;
  TypedServers servers;
  servers.hosts = {"cloud.example.lan", "localhost:5232"};
  servers.ranges = {AddressRange::parse("10.20.0.0/16", why).value()};
  const auto goes = [&](const char* url, const char* address) {
    const Url parsed = parseUrl(url).value();
    return !refusal(parsed, servers) && !addressRefusal(parsed, IPAddress(address), servers);
  };
  CHECK(goes("https://dav.example.com/", "93.184.216.34"));
  CHECK(goes("https://dav.example.com/", "2606:2800:220:1::1"));
  CHECK_FALSE(goes("http://dav.example.com/", "93.184.216.34"));
  for (const char* address : {"127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "::1", "fe80::1",
                              "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "0.0.0.0"}) {
    INFO(address);
    CHECK_FALSE(goes("https://dav.example.com/", address)); // whatever its name says
  }
  CHECK(goes("https://cloud.example.lan/", "192.168.1.1"));
  CHECK_FALSE(goes("https://cloud.example.lan:8443/", "192.168.1.1"));
  CHECK_FALSE(goes("https://other.example.lan/", "192.168.1.1"));
  CHECK(goes("https://dav.example.com/", "10.20.30.40"));
  CHECK_FALSE(goes("https://dav.example.com/", "10.21.0.1"));
  CHECK(goes("http://localhost:5232/", "127.0.0.1"));
  CHECK_FALSE(goes("http://localhost:5233/", "127.0.0.1"));
  CHECK_FALSE(goes("http://localhost:5232/", "93.184.216.34"));
  CHECK_FALSE(goes("http://cloud.example.lan/", "192.168.1.1")); // plain http is for this machine
}
