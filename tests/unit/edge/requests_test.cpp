#include "fixture.hpp"

#include <catch2/catch.hpp>
#include <future>

using namespace calbridge;
using namespace calbridge::http;

TEST_CASE("requests on one connection are answered in order, pipelined and byte by byte") {
  Edge edge;
  auto client = edge.client();
  client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyzGET /c?q=1 "
              "HTTP/1.1\r\nHo");
  CHECK(client.readResponse().ends_with("GET /a? []"));
  CHECK(client.readResponse().ends_with("POST /b? [xyz]"));
  client.send("st: h\r\n\r\n");
  CHECK(client.readResponse().ends_with("GET /c?q=1 []"));
  for (char c : std::string("\r\nPOST /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
                            "Chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"))
    client.send(std::string(1, c));
  CHECK(client.readResponse().ends_with("POST /d? [abcde]"));
  // Nothing but the last chunk: here Beast's parser would come back to it with four bytes, and asserts five.
  for (char c : std::string("POST /e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
    client.send(std::string(1, c));
  CHECK(client.readResponse().ends_with("POST /e? []"));
}

TEST_CASE("HEAD tells the length and sends no body, 204 and 304 have none") {
  Edge edge({}, [](Request& request) {
    if (request.path == "/204")
      return Response::noContent();
    if (request.path == "/304")
      return Response{.status = 304}.header("ETag", "\"x\"");
    return Response::text(200, "hello");
  });
  auto client = edge.client();
  client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /204 HTTP/1.1\r\nHost: h\r\n\r\nGET /304 HTTP/1.1\r\nHost: "
              "h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  std::string head = client.readResponse(true);
  CHECK(head.find("Content-Length: 5\r\n") != std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
  std::string noContent = client.readResponse();
  CHECK(statusOf(noContent) == 204);
  CHECK(noContent.find("Content-Length") == std::string::npos);
  CHECK(statusOf(client.readResponse()) == 304);
  CHECK(client.readResponse().ends_with("\r\n\r\nhello"));
}

TEST_CASE("the connection's end follows RFC 9112 section 9.3") {
  Edge edge;
  CHECK(statusOf(edge.ask("GET / HTTP/1.0\r\n\r\n")) == 200);
  CHECK(count(edge.ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: te, Close\r\n\r\n"), "Connection: close") == 1);
  auto client = edge.client();
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(statusOf(client.readResponse()) == 200);
  client.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(client.readResponse().ends_with("GET /again? []"));
}

TEST_CASE("100 Continue comes before the body is sent, and not for a body that is too large") {
  Edge edge;
  auto client = edge.client();
  client.send("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(client.readResponse() == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  CHECK(client.readResponse().ends_with("POST /a? [hi]"));
  client.send("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
  CHECK(statusOf(client.readResponse()) == 413);
  CHECK(client.closed());
}

TEST_CASE("the body limit is decided by method, path and content type") {
  ServerOptions options;
  Edge batch(options);
  std::string body(2 << 20, 'x');
  std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
  auto client = batch.client();
  client.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: application/cloudevents-batch+json; charset=utf-8\r\n" +
              length + "\r\n" + body);
  CHECK(statusOf(client.readResponse()) == 200);
  options.maxBody = [](const RequestHead& head) { return head.path == "/small" ? std::size_t{3} : std::size_t{10}; };
  Edge small(options);
  CHECK(statusOf(small.ask("POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd")) == 413);
  CHECK(statusOf(small.ask("POST /other HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd")) ==
        200);
}

TEST_CASE("targets are decoded: path, segments, query and absolute form") {
  Request seen;
  Edge edge({}, [&](Request& request) {
    seen = request;
    return Response::text(200, "ok");
  });
  edge.ask("GET /api//a%2Fb/%C3%A9/?q=a+b&r=%26&r=2&empty HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nConnection: "
           "close\r\n\r\n");
  CHECK(seen.path == "/api//a/b/\xC3\xA9/");
  CHECK(seen.segments == std::vector<std::string>{"api", "", "a/b", "\xC3\xA9"});
  CHECK(seen.queryValue("q") == "a b");
  CHECK(seen.queryValue("r") == "&");
  CHECK(seen.queryValue("empty") == "");
  CHECK_FALSE(seen.queryValue("none"));
  CHECK(seen.headers.all("X-A") == std::vector<std::string_view>{"1", "2"});
  CHECK(seen.headers.get("HOST") == "h");
  CHECK(seen.peerAddress == "127.0.0.1");
  CHECK_FALSE(seen.requestId.empty());
  std::string firstId = seen.requestId;
  edge.ask("GET http://other:80?x=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(seen.path == "/");
  CHECK(seen.query == "x=1");
  CHECK(seen.requestId != firstId);
  edge.ask("OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(seen.path == "*");
}

TEST_CASE("form decoding round-trips and refuses what is malformed") {
  std::string odd = "a b&c=d+%/\xC3\xA9\n";
  auto form = parseForm(percentEncode(odd) + "=" + percentEncode(odd));
  REQUIRE(form);
  CHECK(*form == Parameters{{odd, odd}});
  CHECK_FALSE(parseForm("a=%"));
  CHECK_FALSE(parseForm("a=%00"));
  CHECK_FALSE(parseForm("a=%ed%a0%80")); // a surrogate
  CHECK_FALSE(percentDecode("%0a"));
}

TEST_CASE("whatever a handler throws becomes a 500 that tells the client nothing, and the connection goes on") {
  Edge edge;
  auto client = edge.client();
  for (std::string path : {"/throw", "/throw-error"}) {
    client.send("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n");
    std::string answer = client.readResponse();
    CHECK(statusOf(answer) == 500);
    CHECK(answer.find("application/problem+json") != std::string::npos);
    CHECK(answer.find("secret") == std::string::npos);
    CHECK(answer.find("private") == std::string::npos);
  }
  CHECK(edge.logger.text().find("the secret reason") != std::string::npos);
  CHECK(edge.logger.text().find("private detail") != std::string::npos);
  client.send("GET /fine HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(client.readResponse()) == 200);
}

TEST_CASE("the response writer refuses headers that would split or contradict the response") {
  std::string out;
  Framing framing{.date = "now"};
  CHECK_THROWS_AS(serialize(Response{}.header("A", "b\r\nC: d"), framing, out), Error);
  CHECK_THROWS_AS(serialize(Response{}.header("A", "b\nC: d"), framing, out), Error);
  CHECK_THROWS_AS(serialize(Response{}.header("A", std::string("b\0c", 3)), framing, out), Error);
  CHECK_THROWS_AS(serialize(Response{}.header("A:", "b"), framing, out), Error);
  CHECK_THROWS_AS(serialize(Response{}.header("", "b"), framing, out), Error);
  CHECK_THROWS_AS(serialize(Response{}.header("content-length", "5"), framing, out), Error);
  CHECK_THROWS_AS(serialize(Response{.status = 100}, framing, out), Error);
  out.clear();
  serialize(Response::json(201, {{"a", 1}}).header("X-Y", "z\t"), framing, out);
  CHECK(out == "HTTP/1.1 201 Created\r\nDate: now\r\nContent-Type: application/json\r\nX-Y: z\t\r\nContent-Length: "
               "7\r\n\r\n{\"a\":1}");
}

TEST_CASE("a large shared body arrives whole") {
  Edge edge;
  auto client = edge.client();
  client.send("GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(client.readAll().size() > std::size_t{64} << 20);
}

TEST_CASE("what a handler wants done afterwards is done once the answer is there, and the connection goes on") {
  std::promise<void> answered;
  std::atomic<int> done{0};
  Edge edge({}, [&](Request& request) {
    Response response = Response::text(200, "hello");
    if (request.path == "/later")
      response.afterwards = [&] {
        answered.get_future().wait();
        ++done;
        throw std::runtime_error("of no consequence");
      };
    return response;
  });
  auto client = edge.client();
  client.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(client.readResponse().find("hello") != std::string::npos);
  CHECK(done == 0);
  answered.set_value();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(client.readResponse().find("hello") != std::string::npos);
  CHECK(done == 1);
  CHECK(edge.logger.text().find("of no consequence") != std::string::npos);
}

TEST_CASE("a handler can take the connection over") {
  Edge edge({}, [](Request& request) {
    Response response;
    bool reset = request.path == "/reset";
    response.takeOver = [reset](Wire& wire) {
      wire.send("HTTP/1.1 200 OK\r\n\r\nhalf");
      if (reset)
        wire.reset();
    };
    return response;
  });
  CHECK(edge.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n") == "HTTP/1.1 200 OK\r\n\r\nhalf");
  auto client = edge.client();
  client.send("GET /reset HTTP/1.1\r\nHost: h\r\n\r\n");
  char buffer[100];
  CHECK_THROWS(([&] {
    while (client.socket().receiveBytes(buffer, sizeof buffer) > 0) {
    }
  }()));
}
