#include "core/error.hpp"
#include "net/poco_http_client.hpp"
#include "scripted_server.hpp"
#include "test_authority.hpp"

#include <Poco/Net/NetSSL.h>
#include <catch2/catch.hpp>

using namespace calbridge;
using calbridge::net::PocoHttpClient;
using calbridge::test::Peer;
using calbridge::test::ScriptedServer;
using calbridge::test::TestAuthority;
using Kind = HttpFailure::Kind;

namespace {

struct TlsFixture {
  TlsFixture(const std::string& subjectAltName, ScriptedServer::Script script)
      : server(std::move(script), serverContext(subjectAltName)) {
    options.allowedHosts = &allowed;
    options.timeout = std::chrono::seconds(10);
  }
  HttpResult send(const std::string& host, bool trust, const std::string& method = "GET",
                  const std::string& body = {}) {
    allowed = {server.authority(host)};
    PocoHttpClient& client = trust ? trusting : stranger;
    return client.send({method, server.origin("https", host) + "/", {{"Authorization", "Bearer canary-9"}}, body},
                       options);
  }
  Poco::Net::Context::Ptr serverContext(const std::string& subjectAltName) {
    Poco::Net::initializeSSL();
    const auto identity = authority.issue("server", subjectAltName);
    Poco::Net::Context::Params params;
    params.certificateFile = identity.certificateFile.string();
    params.privateKeyFile = identity.keyFile.string();
    params.verificationMode = Poco::Net::Context::VERIFY_NONE;
    return new Poco::Net::Context(Poco::Net::Context::TLS_SERVER_USE, params);
  }
  static net::HttpClientOptions trustOptions(const TestAuthority& authority) {
    net::HttpClientOptions options;
    options.extraCaFile = authority.caFile();
    return options;
  }
  TestAuthority authority;
  ScriptedServer server;
  std::vector<std::string> allowed;
  HttpOptions options;
  PocoHttpClient trusting{trustOptions(authority)};
  PocoHttpClient stranger;
};

void serveForever(Peer& peer, int) {
  while (!peer.request().empty()) {
    peer.sendOk("secret");
  }
}

} // namespace

TEST_CASE("a server whose certificate the given authority made for that host is talked to, over one kept connection") {
  TlsFixture f("DNS:localhost", serveForever);
  for (int i = 0; i < 3; ++i) {
    const HttpResult result = f.send("localhost", true, "POST", std::string(100000, 'b'));
    INFO((result.failure ? result.failure->message : std::string()));
    REQUIRE(result.response);
    CHECK(result.response->body == "secret");
  }
  CHECK(f.server.connections() == 1);
}

TEST_CASE("an IP address is matched against the certificate's addresses") {
  TlsFixture f("IP:127.0.0.1", serveForever);
  CHECK(f.send("127.0.0.1", true).response);
  const HttpResult other = f.send("localhost", true);
  REQUIRE(other.failure);
  CHECK(other.failure->kind == Kind::tls);
}

TEST_CASE("a certificate for another host is refused, loopback or not, before a byte of the request is sent") {
  TlsFixture f("DNS:other.example.com", serveForever);
  const HttpResult result = f.send("localhost", true);
  REQUIRE(result.failure);
  CHECK(result.failure->kind == Kind::tls);
  CHECK_FALSE(result.failure->sent);
  CHECK(result.failure->message.find("localhost") != std::string::npos);
  CHECK(result.failure->message.find("canary") == std::string::npos);
}

TEST_CASE("a certificate of an unknown authority is refused") {
  TlsFixture f("DNS:localhost", serveForever);
  const HttpResult result = f.send("localhost", false);
  REQUIRE(result.failure);
  CHECK(result.failure->kind == Kind::tls);
  CHECK_FALSE(result.failure->sent);
}

TEST_CASE("a server that speaks plain text where TLS was asked is refused") {
  ScriptedServer server([](Peer& peer, int) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer.awaitClose();
  });
  const std::vector<std::string> allowed{server.authority()};
  HttpOptions options;
  options.allowedHosts = &allowed;
  PocoHttpClient client;
  const HttpResult result = client.send({"GET", server.origin("https") + "/", {}, {}}, options);
  REQUIRE(result.failure);
  CHECK(result.failure->kind == Kind::tls);
}

TEST_CASE("a TLS handshake that hangs ends with the deadline") {
  ScriptedServer server([](Peer& peer, int) { peer.awaitClose(); });
  const std::vector<std::string> allowed{server.authority()};
  HttpOptions options;
  options.allowedHosts = &allowed;
  options.timeout = std::chrono::milliseconds(250);
  PocoHttpClient client;
  const HttpResult result = client.send({"GET", server.origin("https") + "/", {}, {}}, options);
  REQUIRE(result.failure);
  CHECK(result.failure->kind == Kind::timeout);
  CHECK_FALSE(result.failure->sent);
}

TEST_CASE(
    "a TLS body that ends without the closing alert is truncated, even where the end of the connection ends the body") {
  TlsFixture f("DNS:localhost", [](Peer& peer, int) {
    peer.request();
    peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of");
    peer.cut();
  });
  const HttpResult result = f.send("localhost", true);
  REQUIRE(result.failure);
  CHECK(result.failure->kind == Kind::truncated);
}

TEST_CASE("a file that holds no certificates is named") {
  net::HttpClientOptions options;
  options.extraCaFile = "/nowhere/none.pem";
  CHECK_THROWS_WITH(PocoHttpClient(options), Catch::Contains("none.pem"));
}
