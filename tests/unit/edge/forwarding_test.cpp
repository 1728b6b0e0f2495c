#include "fixture.hpp"
#include "http/edge/forwarding.hpp"

#include <catch2/catch.hpp>
#include <list>

using namespace calbridge;
using namespace calbridge::http;

namespace {

std::vector<AddressRange> ranges(std::initializer_list<const char*> texts) {
  std::vector<AddressRange> list;
  std::string why;
  for (const char* text : texts)
    list.push_back(AddressRange::parse(text, why).value());
  return list;
}

struct Case {
  const char* what;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string client;
  const char* scheme = "";
  std::string host = {};
};

} // namespace

TEST_CASE("a trusted proxy's word on the client is taken from the chain's end, as far as trusted addresses reach") {
  const auto trusted = ranges({"10.0.0.0/8", "2001:db8:1::/48"});
  const auto peer = IpAddress::parse("10.0.0.1").value();
  const auto one = GENERATE_COPY(values<Case>({
      {"one client", {{"X-Forwarded-For", "192.0.2.7"}}, "192.0.2.7"},
      {"with a port", {{"X-Forwarded-For", "192.0.2.7:4711"}}, "192.0.2.7"},
      {"IPv6", {{"X-Forwarded-For", "2001:db8:2::7"}}, "2001:db8:2::7"},
      {"IPv6 in brackets, with a port", {{"X-Forwarded-For", "[2001:db8:2::7]:4711"}}, "2001:db8:2::7"},
      {"IPv4 in IPv6", {{"X-Forwarded-For", "::ffff:192.0.2.7"}}, "192.0.2.7"},
      {"a client's own invention before it", {{"X-Forwarded-For", "198.51.100.1, 192.0.2.7"}}, "192.0.2.7"},
      {"an invented trusted address before it", {{"X-Forwarded-For", "10.9.9.9, 192.0.2.7"}}, "192.0.2.7"},
      {"two trusted proxies", {{"X-Forwarded-For", "198.51.100.1, 192.0.2.7, 10.0.0.2"}}, "192.0.2.7"},
      {"two headers", {{"X-Forwarded-For", "198.51.100.1, 192.0.2.7"}, {"X-Forwarded-For", "10.0.0.2"}}, "192.0.2.7"},
      {"all trusted", {{"X-Forwarded-For", "10.0.0.3, 10.0.0.2"}}, "10.0.0.3"},
      {"garbage at the end", {{"X-Forwarded-For", "192.0.2.7, <script>"}}, "10.0.0.1"},
      {"garbage behind a trusted one", {{"X-Forwarded-For", "192.0.2.7, x, 10.0.0.2"}}, "10.0.0.2"},
      {"empty", {{"X-Forwarded-For", ""}}, "10.0.0.1"},
      {"only commas", {{"X-Forwarded-For", ",,,"}}, "10.0.0.1"},
      {"unknown", {{"X-Forwarded-For", "unknown"}}, "10.0.0.1"},
      {"half an IPv6", {{"X-Forwarded-For", "[2001:db8:2::7"}}, "10.0.0.1"},
      {"a zone", {{"X-Forwarded-For", "fe80::1%eth0"}}, "10.0.0.1"},
      {"scheme and host",
       {{"X-Forwarded-For", "192.0.2.7"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "cal.example"}},
       "192.0.2.7",
       "https",
       "cal.example"},
      {"scheme without client", {{"X-Forwarded-Proto", "HTTPS"}}, "10.0.0.1", "https"},
      {"scheme of the same hop",
       {{"X-Forwarded-For", "192.0.2.7, 10.0.0.2"}, {"X-Forwarded-Proto", "https, http"}},
       "192.0.2.7",
       "https"},
      {"invented scheme before it",
       {{"X-Forwarded-For", "192.0.2.7"}, {"X-Forwarded-Proto", "https, http"}},
       "192.0.2.7",
       "http"},
      {"odd scheme", {{"X-Forwarded-For", "192.0.2.7"}, {"X-Forwarded-Proto", "gopher"}}, "192.0.2.7", ""},
      {"RFC 7239",
       {{"Forwarded", "for=192.0.2.7;proto=https;by=10.0.0.1;host=cal.example"}},
       "192.0.2.7",
       "https",
       "cal.example"},
      {"RFC 7239 section 4, quoted IPv6", {{"Forwarded", "For=\"[2001:db8:2::7]:4711\""}}, "2001:db8:2::7"},
      {"chain",
       {{"Forwarded", "for=198.51.100.1;proto=http, for=192.0.2.7;proto=https"},
        {"Forwarded", "for=10.0.0.2;proto=http"}},
       "192.0.2.7",
       "https"},
      {"hidden", {{"Forwarded", "for=_secret;proto=https"}}, "10.0.0.1", "https"},
      {"quoted comma and semicolon",
       {{"Forwarded", "for=192.0.2.7;host=\"a,b;for=198.51.100.1\""}},
       "192.0.2.7",
       "",
       "a,b;for=198.51.100.1"},
      {"escaped quote",
       {{"Forwarded", "host=\"a\\\",for=198.51.100.1\";for=192.0.2.7"}},
       "192.0.2.7",
       "",
       "a\",for=198.51.100.1"},
      {"unclosed quote swallows the rest", {{"Forwarded", "for=\"198.51.100.1, for=192.0.2.7"}}, "10.0.0.1"},
      {"for twice in one element", {{"Forwarded", "for=198.51.100.1;for=192.0.2.7;proto=https"}}, "10.0.0.1"},
      {"element without a value", {{"Forwarded", "for"}}, "10.0.0.1"},
      {"both agree",
       {{"Forwarded", "for=192.0.2.7;proto=https"}, {"X-Forwarded-For", "192.0.2.7"}},
       "192.0.2.7",
       "https"},
      {"both disagree: one of them is the client's own",
       {{"Forwarded", "for=198.51.100.1;proto=https"}, {"X-Forwarded-For", "192.0.2.7"}},
       "10.0.0.1",
       ""},
  }));
  CAPTURE(one.what);
  Headers headers;
  for (const auto& [name, value] : one.headers)
    headers.add(name, value);
  const auto found = readForwarding(headers, peer, trusted);
  REQUIRE(found);
  CHECK(found->client == one.client);
  CHECK(std::string(!found->secure ? "" : *found->secure ? "https" : "http") == one.scheme);
  CHECK(found->host == one.host);
}

TEST_CASE("without forwarding headers nothing is said, and endless chains are followed from their end only") {
  const auto trusted = ranges({"10.0.0.0/8"});
  const auto peer = IpAddress::parse("10.0.0.1").value();
  Headers headers;
  headers.add("X-Forwarded", "192.0.2.7");
  CHECK_FALSE(readForwarding(headers, peer, trusted));
  std::string chain = "192.0.2.7";
  for (int i = 0; i < 1000; ++i)
    chain += ",10.0.0.2";
  headers.add("X-Forwarded-For", chain);
  CHECK(readForwarding(headers, peer, trusted)->client == "10.0.0.2");
}

TEST_CASE("forwarding headers count from trusted peers only; from all others they mean nothing") {
  ServerOptions options;
  options.trustedProxies = ranges({"127.0.0.2"});
  Edge edge(options, [](Request& request) {
    return Response::text(200, request.clientAddress + " " + request.peerAddress + " " +
                                   (request.secure ? "https" : "http") + " " + request.host);
  });
  const std::string forged = "GET / HTTP/1.1\r\nHost: own.example\r\nX-Forwarded-For: 192.0.2.7\r\n"
                             "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n\r\n";
  auto stranger = edge.client("127.0.0.3");
  stranger.send(forged);
  CHECK_THAT(stranger.readResponse(), Catch::EndsWith("127.0.0.3 127.0.0.3 http own.example"));
  auto proxy = edge.client("127.0.0.2");
  proxy.send(forged);
  CHECK_THAT(proxy.readResponse(), Catch::EndsWith("192.0.2.7 127.0.0.2 https evil.example"));
  proxy.send("GET / HTTP/1.1\r\nHost: own.example\r\n\r\n"); // nothing stays from the request before
  CHECK_THAT(proxy.readResponse(), Catch::EndsWith("127.0.0.2 127.0.0.2 http own.example"));
}

TEST_CASE("the limit per address does not hold for trusted proxies, which bring everybody's connections") {
  ServerOptions options;
  options.trustedProxies = ranges({"127.0.0.2"});
  options.maxConnectionsPerAddress = 2;
  Edge edge(options);
  std::list<RawClient> open;
  for (int i = 0; i < 10; ++i) {
    open.push_back(edge.client("127.0.0.2"));
    open.back().send("GET /mine HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(statusOf(open.back().readResponse()) == 200);
  }
  for (auto& client : open) {
    client.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(statusOf(client.readResponse()) == 200);
  }
}
