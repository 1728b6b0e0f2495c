#include "tls_fixture.hpp"

#include <catch2/catch.hpp>
#include <fstream>

using namespace calbridge;
using namespace calbridge::http;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

const std::string kGet = "GET /one HTTP/1.1\r\nHost: h\r\n\r\n";
const std::string kLast = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

std::string nameShownAt(std::uint16_t port) {
  return TlsClient(port).serverName();
}

} // namespace

TEST_CASE("over TLS 1.3 and 1.2 requests are answered, with forward secrecy, and the end is said") {
  TlsEdge server;
  const int version = GENERATE(TLS1_3_VERSION, TLS1_2_VERSION);
  TlsClient client(server.port(), version, "\x02h2\x08http/1.1");
  REQUIRE(client.connected);
  CHECK(client.version() == (version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2"));
  CHECK_THAT(client.cipher(), Contains("GCM") || Contains("CHACHA20"));
  CHECK_THAT(client.cipher(), Catch::StartsWith(version == TLS1_3_VERSION ? "TLS_" : "ECDHE-"));
  CHECK(client.protocol() == "http/1.1");
  CHECK(client.serverName() == "first.example");
  REQUIRE(client.send(kGet));
  CHECK_THAT(client.read(), Catch::EndsWith("GET /one? []"));
  REQUIRE(client.send(kLast));
  CHECK_THAT(client.readAll(), Catch::EndsWith("GET /last? []"));
  CHECK(client.endedProperly());
}

TEST_CASE("requests over TLS are secure ones, those of the plain listener are not") {
  TlsEdge server([](Request& request) { return Response::text(200, request.secure ? "secure" : "plain"); });
  TlsClient client(server.port());
  REQUIRE(client.send(kLast));
  CHECK_THAT(client.readAll(), Catch::EndsWith("secure"));
  RawClient plain(server.edge->server().ports().at(1));
  plain.send(kLast);
  CHECK_THAT(plain.readAll(), Catch::EndsWith("plain"));
}

TEST_CASE("a large answer and a large request pass through TLS whole") {
  TlsEdge server;
  TlsClient client(server.port());
  const std::string body(1 << 20, 'x');
  REQUIRE(client.send("POST /big HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n"));
  REQUIRE(client.send(body));
  std::string answer;
  while (!answer.ends_with("]"))
    answer += client.read();
  CHECK(answer.ends_with("POST /big? [" + body + "]"));
  REQUIRE(client.send("GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
  CHECK(client.readAll().size() > std::size_t{64} << 20);
  CHECK(client.endedProperly());
}

TEST_CASE("TLS 1.1 is refused with an alert, and so is a client that wants HTTP/2 alone") {
  TlsEdge server;
  TlsClient old(server.port(), TLS1_1_VERSION);
  CHECK_FALSE(old.connected);
  CHECK(old.error == "tlsv1 alert protocol version");
  TlsClient other(server.port(), TLS1_3_VERSION, "\x02h2");
  CHECK_FALSE(other.connected);
  CHECK(other.error == "tlsv1 alert no application protocol");
  CHECK(server.edge->seen().empty());
}

TEST_CASE("renegotiation is refused, so a client cannot make the server work without asking for anything") {
  TlsEdge server;
  TlsClient client(server.port(), TLS1_2_VERSION);
  REQUIRE(client.connected);
  ERR_clear_error();
  SSL_renegotiate(client.ssl());
  CHECK(SSL_do_handshake(client.ssl()) != 1);
  CHECK(server.edge->seen().empty());
}

TEST_CASE("plain HTTP on a TLS port is told so and closed cleanly, other noise just ends") {
  TlsEdge server;
  RawClient plain(server.port());
  plain.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + std::string(100000, 'x'));
  const std::string answer = plain.readAll();
  CHECK(statusOf(answer) == 400);
  CHECK_THAT(answer, Contains("tls_required") && Contains("Connection: close"));
  RawClient noise(server.port());
  noise.send(std::string("\x16\x03\x01\x00\x05 this is no hello", 22));
  CHECK_THAT(noise.readAll(), !Contains("HTTP")); // an alert
  CHECK(server.edge->seen().empty());
}

TEST_CASE("a handshake that does not end within the header's time is cut, silent or begun, and holds up nobody") {
  TlsEdge server;
  RawClient silent(server.port());
  RawClient begun(server.port());
  begun.send("\x16\x03\x01\x02"); // the first bytes of a client's hello
  TlsClient witness(server.port());
  REQUIRE(witness.connected); // served while the others hang
  CHECK(witness.send(kGet));
  CHECK_THAT(witness.read(), Contains("HTTP/1.1 200"));
  server.edge->clock.advance(5100ms);
  CHECK(silent.readAll() == "");
  begun.readAll(); // ends, perhaps with an alert
  CHECK(witness.send(kGet));
  CHECK_THAT(witness.read(), Contains("HTTP/1.1 200"));
}

TEST_CASE("handshake and first header share one deadline, and the 408 comes over TLS") {
  TlsEdge server;
  TlsClient slow(server.port());
  REQUIRE(slow.connected);
  CHECK(slow.send("GET / HTTP/1.1\r\nHo"));
  TlsClient witness(server.port()); // accepted after the other one
  CHECK(witness.send(kGet));
  CHECK_THAT(witness.read(), Contains("HTTP/1.1 200"));
  server.edge->clock.advance(5100ms);
  const std::string answer = slow.readAll();
  CHECK(statusOf(answer) == 408);
  CHECK(slow.endedProperly());
}

TEST_CASE("a request that is cut off is never taken for whole, with close_notify or without") {
  TlsEdge server;
  const bool notified = GENERATE(true, false);
  const std::string part = GENERATE("POST /cut HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc",
                                    "POST /cut HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                                    "GET /cut HTTP/1.1\r\nHost: h\r\n");
  TlsClient client(server.port());
  REQUIRE(client.send(part));
  if (notified)
    client.sendEnd();
  client.raw.socket().shutdownSend();
  client.readAll();
  CHECK(eventually([&] { return server.edge->server().connections() == 0; }));
  CHECK(server.edge->seen().empty());
}

TEST_CASE("new files are taken for new handshakes, and connections that are open go on") {
  TlsEdge server;
  TlsClient open(server.port());
  REQUIRE(open.connected);
  writeCertificate(server.certificate, server.key, "second.example");
  CHECK(nameShownAt(server.port()) == "first.example"); // the files were looked at less than a second ago
  server.clock.advance(1s);
  CHECK(nameShownAt(server.port()) == "second.example");
  CHECK(open.send(kGet));
  CHECK_THAT(open.read(), Contains("HTTP/1.1 200"));
}

TEST_CASE("reload takes new files at once") {
  TlsEdge server;
  writeCertificate(server.certificate, server.key, "second.example");
  CHECK(server.identity->reload());
  CHECK(nameShownAt(server.port()) == "second.example");
}

TEST_CASE("broken new files leave the former certificate in use, with one reason in the log") {
  TlsEdge server;
  const auto other = server.folder.path / "other.pem";
  SECTION("no certificate in the file") {
    std::ofstream(server.certificate) << "nothing";
    CHECK_FALSE(server.identity->reload());
    CHECK_THAT(server.logger.text(), Contains("is no PEM file of certificates"));
  }
  SECTION("another certificate's key") {
    writeCertificate(other, server.key, "other.example");
    CHECK_FALSE(server.identity->reload());
    CHECK_THAT(server.logger.text(), Contains("does not belong to the certificate"));
  }
  SECTION("no file") {
    std::filesystem::remove(server.key);
    CHECK_FALSE(server.identity->reload());
    CHECK_THAT(server.logger.text(), Contains("does not exist or can not be read"));
  }
  SECTION("half of a renewal, then the whole") {
    writeCertificate(server.certificate, other, "second.example");
    server.clock.advance(1s);
    CHECK(nameShownAt(server.port()) == "first.example");
    std::filesystem::rename(other, server.key);
    server.clock.advance(1s);
    CHECK(nameShownAt(server.port()) == "second.example");
    return;
  }
  for (int i = 0; i < 3; ++i) {
    server.clock.advance(1s);
    CHECK(nameShownAt(server.port()) == "first.example");
  }
  CHECK(count(server.logger.text(), "the former one stays") == 1);
}

TEST_CASE("a certificate that is not valid now is used all the same, with a warning") {
  TlsEdge server;
  const auto reloadedAfter = [&](std::chrono::milliseconds time) {
    server.clock.advance(time);
    CHECK(server.identity->reload());
    CHECK(nameShownAt(server.port()) == "first.example");
    return server.logger.text();
  };
  CHECK_THAT(reloadedAfter(0ms), Contains("expires at 2026-05-28T21:26:40Z"));
  CHECK_THAT(reloadedAfter(2h), Contains("has expired at 2026-05-28T21:26:40Z"));
  CHECK_THAT(reloadedAfter(-5h), Contains("is not valid before 2026-05-28T19:26:40Z"));
}

TEST_CASE("files that cannot be served with are an error at the start that names the file and what to do") {
  testing::TemporaryFolder folder;
  const auto certificate = folder.path / "certificate.pem", key = folder.path / "key.pem";
  ManualClock clock;
  NullLogger logger;
  CHECK_THROWS_WITH(TlsIdentity(certificate, key, logger, clock),
                    Contains("certificate.pem does not exist") && Contains("key.pem does not exist"));
  writeCertificate(certificate, key, "x.example");
  CHECK_NOTHROW(TlsIdentity(certificate, key, logger, clock));
}
