#include "fixture.hpp"

#include <catch2/catch.hpp>

using namespace calbridge::http;

namespace {
struct Bad {
  const char* what;
  std::string bytes;
  int status;
};

const std::string kHost = "Host: h\r\n";
/// What an attacker wants to have executed as a second request.
const std::string kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
} // namespace

TEST_CASE("a malformed request gets one 4xx as problem+json, the connection ends, and what follows is not executed") {
  std::string chunked = "Transfer-Encoding: chunked\r\n";
  auto bad = GENERATE_COPY(values<Bad>({
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", "GET / HTTP/1.1\r\n" + kHost + kHost + "\r\n", 400},
      {"two different Hosts", "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400},
      {"odd Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"folded line", "GET / HTTP/1.1\r\n" + kHost + "X: a\r\n b\r\n\r\n", 400},
      {"folded with a tab", "GET / HTTP/1.1\r\n" + kHost + "X: a\r\n\tb\r\n\r\n", 400},
      {"first line folded", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
      {"bare LF in the head", "GET / HTTP/1.1\nHost: h\n\n", 400},
      {"bare LF in one line", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400},
      {"bare CR", "GET / HTTP/1.1\r\n" + kHost + "X: a\rb\r\n\r\n", 400},
      {"encoded CRLF in the path", "GET /a%0d%0aX:y HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"encoded NUL in the path", "GET /a%00 HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"bad escape", "GET /a%zz HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"bad escape in the query", "GET /a?x=%f HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"not UTF-8", "GET /%ff HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"overlong UTF-8", "GET /%c0%af HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"dot segments", "GET /a/../b HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"encoded dot segments", "GET /a/%2e%2e/b HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"fragment", "GET /a#b HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"no slash", "GET a HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"NUL in a header", "GET / HTTP/1.1\r\n" + kHost + std::string("X: a\0b\r\n\r\n", 10), 400},
      {"space before the colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},
      {"no colon", "GET / HTTP/1.1\r\n" + kHost + "nonsense\r\n\r\n", 400},
      {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 11), 400},
      {"a blank in the target", "GET /a b HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"no version", "GET /\r\n\r\n", 400},
      {"HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n", 505},
      {"HTTP/1.2", "GET / HTTP/1.2\r\n" + kHost + "\r\n", 505},
      {"CONNECT", "CONNECT h:1 HTTP/1.1\r\n" + kHost + "\r\n", 501},
      {"Content-Length and Transfer-Encoding", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\n" + chunked + "\r\n0\r\n\r\n", 400},
      {"Transfer-Encoding and Content-Length", "POST / HTTP/1.1\r\n" + kHost + chunked + "Content-Length: 3\r\n\r\n0\r\n\r\n", 400},
      {"different lengths", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"equal lengths", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
      {"comma length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 3, 3\r\n\r\nabc", 400},
      {"negative length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: -3\r\n\r\nabc", 400},
      {"signed length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: +3\r\n\r\nabc", 400},
      {"hexadecimal length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 0x3\r\n\r\nabc", 400},
      {"empty length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length:\r\n\r\nabc", 400},
      {"overflowing length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 18446744073709551619\r\n\r\nabc", 400},
      {"xchunked", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: xchunked\r\n\r\n", 400},
      {"chunked twice in a list", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
      {"chunked twice", "POST / HTTP/1.1\r\n" + kHost + chunked + chunked + "\r\n0\r\n\r\n", 400},
      {"chunked before another", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
      {"empty coding", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding:\r\n\r\n", 400},
      {"unknown coding", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip\r\n\r\n", 501},
      {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\n" + kHost + chunked + "\r\n0\r\n\r\n", 400},
      {"bad chunk size", "POST / HTTP/1.1\r\n" + kHost + chunked + "\r\nzz\r\nabc\r\n0\r\n\r\n", 400},
      {"signed chunk size", "POST / HTTP/1.1\r\n" + kHost + chunked + "\r\n+3\r\nabc\r\n0\r\n\r\n", 400},
      {"chunk longer than said", "POST / HTTP/1.1\r\n" + kHost + chunked + "\r\n3\r\nabcd\r\n0\r\n\r\n", 400},
      {"overflowing chunk size", "POST / HTTP/1.1\r\n" + kHost + chunked + "\r\nfffffffffffffffff\r\nabc\r\n", 400},
      {"endless chunk extension", "POST / HTTP/1.1\r\n" + kHost + chunked + "\r\n3;" + std::string(40000, 'a'), 400},
      {"body larger than allowed", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 1048577\r\n\r\n", 413},
      {"chunk larger than allowed", "POST / HTTP/1.1\r\n" + kHost + chunked + "\r\n200000\r\n" + std::string(0x200000, 'x'), 413},
      {"long target", "GET /" + std::string(10000, 'a') + " HTTP/1.1\r\n" + kHost + "\r\n", 414},
      {"megabyte of headers", "GET / HTTP/1.1\r\n" + kHost + "X: " + std::string(1 << 20, 'a') + "\r\n\r\n", 431},
      {"megabyte of many headers", [] { std::string many = "GET / HTTP/1.1\r\n" + kHost; for (int i = 0; i < 50000; ++i) many += "X: aaaaaaaaaaaaaaaa\r\n"; return many + "\r\n"; }(), 431},
      {"hundred and one headers", [] { std::string many = "GET / HTTP/1.1\r\n" + kHost; for (int i = 0; i < 100; ++i) many += "X: a\r\n"; return many + "\r\n"; }(), 431},
      {"unknown expectation", "POST / HTTP/1.1\r\n" + kHost + "Expect: magic\r\nContent-Length: 1\r\n\r\na", 417},
  }));
  CAPTURE(bad.what);
  Edge edge;
  std::string answer = edge.ask(bad.bytes + kSmuggled);
  CAPTURE(answer);
  CHECK(statusOf(answer) == bad.status);
  CHECK(count(answer, "HTTP/1.1 ") == 1);
  CHECK(count(answer, "Content-Type: application/problem+json") == 1);
  CHECK(count(answer, "Connection: close") == 1);
  CHECK(count(answer, "\"code\":") == 1);
  CHECK(edge.seen().empty());
}

TEST_CASE("an encoded CR LF inside a header value stays text and cannot split anything") {
  Edge edge;
  auto client = edge.client();
  client.send("GET /split?v=%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: h\r\n\r\n");
  std::string answer = client.readResponse();
  CHECK(statusOf(answer) == 500); // the response writer refuses the control character
  CHECK(answer.find("Set-Cookie") == std::string::npos);
  CHECK(client.closed());

  client = edge.client();
  client.send("GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: =?utf-8?q?chunked?=\r\n\r\n" + kSmuggled);
  CHECK(statusOf(client.readAll()) == 400);
  CHECK(edge.seen() == std::vector<std::string>{"GET /split"});
}

TEST_CASE("a body that no handler reads is never the next request") {
  Edge edge;
  std::string length = std::to_string(kSmuggled.size());
  auto client = edge.client();
  client.send("GET /first HTTP/1.1\r\nHost: h\r\nContent-Length: " + length + "\r\n\r\n" + kSmuggled +
              "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  std::string answers = client.readAll();
  CHECK(count(answers, "HTTP/1.1 200") == 2);
  CHECK(edge.seen() == std::vector<std::string>{"GET /first", "GET /last"});
}
