#include "net/poco_http_client.hpp"
#include "scripted_server.hpp"

#include <catch2/catch.hpp>
#include <future>

using namespace calbridge;
using calbridge::net::PocoHttpClient;
using calbridge::test::Peer;
using calbridge::test::ScriptedServer;
using Kind = HttpFailure::Kind;
using std::chrono::milliseconds;

namespace {

constexpr auto kCanary = "canary-token-8c1f";

struct Fixture {
  explicit Fixture(ScriptedServer::Script script) : server(std::move(script)), allowed{server.authority()} {
    options.allowedHosts = &allowed;
    options.timeout = milliseconds(10000);
  }
  HttpResult send(const std::string& method, const std::string& body = {}) {
    return client.send({method,
                        server.origin() + "/path?token=" + kCanary,
                        {{"Authorization", std::string("Bearer ") + kCanary}},
                        body},
                       options);
  }
  ScriptedServer server;
  std::vector<std::string> allowed;
  HttpOptions options;
  PocoHttpClient client;
};

const HttpFailure& failureOf(const HttpResult& result) {
  REQUIRE(result.failure);
  REQUIRE_FALSE(result.response);
  CHECK(result.failure->message.find(kCanary) == std::string::npos);
  return *result.failure;
}

const HttpResponse& responseOf(const HttpResult& result) {
  INFO((result.failure ? result.failure->message : std::string()));
  REQUIRE(result.response);
  return *result.response;
}

void serveForever(Peer& peer, int) {
  while (!peer.request().empty()) {
    peer.sendOk("fine");
  }
}

} // namespace

TEST_CASE("a request carries its method, path, headers and body, and the answer comes back whole") {
  std::promise<std::string> seen;
  Fixture f([&](Peer& peer, int) {
    seen.set_value(peer.request());
    peer.send("HTTP/1.1 201 Created\r\nX-One: 1\r\nx-two: b\r\nContent-Length: 5\r\n\r\nhello");
    peer.awaitClose();
  });
  const HttpResult result = f.send("POST", "{\"a\":1}");
  const HttpResponse& response = responseOf(result);
  CHECK(response.status == 201);
  CHECK(response.body == "hello");
  CHECK(response.headers ==
        std::vector<std::pair<std::string, std::string>>{{"X-One", "1"}, {"x-two", "b"}, {"Content-Length", "5"}});
  const std::string request = seen.get_future().get();
  CHECK(request == "POST /path?token=canary-token-8c1f HTTP/1.1\r\nHost: " + f.server.authority() +
                       "\r\nAuthorization: Bearer canary-token-8c1f\r\nUser-Agent: calbridge/1.0\r\n"
                       "Content-Length: 7\r\n\r\n{\"a\":1}");
}

TEST_CASE("chunked, empty and close-delimited bodies and interim answers are understood") {
  const std::string answer =
      GENERATE(std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"),
               std::string("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"),
               std::string("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
                           "OK\r\nContent-Length: 5\r\n\r\nhello"));
  Fixture f([&](Peer& peer, int) {
    peer.request();
    for (const char c : answer) { // byte by byte: every split must work
      peer.send(std::string(1, c));
    }
  });
  const HttpResult result = f.send("GET");
  CHECK(responseOf(result).body == "hello");
}

TEST_CASE("a chunked answer without a body may come byte by byte") {
  Fixture f([](Peer& peer, int) {
    peer.request();
    for (const char c : std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")) {
      peer.send(std::string(1, c));
    }
  });
  CHECK(responseOf(f.send("GET")).body.empty());
}

TEST_CASE("HEAD and 204 have no body and keep the connection") {
  Fixture f([](Peer& peer, int) {
    peer.request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    peer.request();
    peer.send("HTTP/1.1 204 No Content\r\n\r\n");
    peer.awaitClose();
  });
  CHECK(responseOf(f.send("HEAD")).status == 200);
  CHECK(responseOf(f.send("DELETE")).status == 204);
  CHECK(f.server.connections() == 1);
}

TEST_CASE("redirects are returned, not followed") {
  Fixture f([](Peer& peer, int) {
    peer.request();
    peer.send("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  });
  const HttpResult result = f.send("GET");
  CHECK(responseOf(result).status == 302);
  CHECK(f.server.connections() == 1);
}

TEST_CASE("connections are kept and shared by all threads") {
  Fixture f(serveForever);
  std::vector<std::thread> threads;
  std::atomic<int> fine{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const HttpResult result = f.send("GET");
        fine += result.response && result.response->body == "fine" ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  CHECK(fine == 400);
  CHECK(f.server.connections() <= 8);
  CHECK(f.client.idleConnections() == static_cast<std::size_t>(f.server.connections()));
}

TEST_CASE("a connection that the server announces to close, or adds bytes to, is not used again") {
  const std::string answer =
      GENERATE(std::string("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"),
               std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 500 Planted\r\n\r\n"),
               std::string("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"));
  Fixture f([&](Peer& peer, int) {
    peer.request();
    peer.send(answer);
    peer.awaitClose();
  });
  CHECK(responseOf(f.send("GET")).status == 200);
  CHECK(responseOf(f.send("GET")).status == 200);
  CHECK(f.server.connections() == 2);
  CHECK(f.client.idleConnections() == 0);
}

TEST_CASE("a kept connection that the server has closed meanwhile is noticed before a POST is put on it") {
  std::promise<void> closed;
  Fixture f([&](Peer& peer, int number) {
    peer.request();
    peer.sendOk("x");
    if (number == 0) {
      peer.reset();
      closed.set_value();
    } else {
      peer.awaitClose();
    }
  });
  responseOf(f.send("GET"));
  closed.get_future().wait();
  const HttpResult result = f.send("POST", "body");
  CHECK(responseOf(result).status == 200);
  CHECK(f.server.connections() == 2);
}

TEST_CASE(
    "a kept connection that dies after the request was read: GET is repeated once, POST reports that it was sent") {
  const std::string method = GENERATE(std::string("GET"), std::string("POST"));
  Fixture f([&](Peer& peer, int number) {
    peer.request();
    peer.sendOk("first");
    if (number == 0) {
      peer.request();
      peer.reset(); // read, perhaps acted upon, never answered
    } else {
      peer.awaitClose();
    }
  });
  responseOf(f.send("GET"));
  const HttpResult result = f.send(method, method == "POST" ? "body" : "");
  if (method == "GET") {
    CHECK(responseOf(result).status == 200);
    CHECK(f.server.connections() == 2);
  } else {
    const HttpFailure& failure = failureOf(result);
    CHECK(failure.kind == Kind::truncated);
    CHECK(failure.sent);
    CHECK(f.server.connections() == 1);
  }
}

TEST_CASE("a fresh connection that dies is not retried, whatever the method") {
  Fixture f([](Peer& peer, int) {
    peer.request();
    peer.reset();
  });
  const HttpResult result = f.send("GET");
  CHECK(failureOf(result).kind == Kind::truncated);
  CHECK(failureOf(result).sent);
  CHECK(f.server.connections() == 1);
}

TEST_CASE("bodies that end early are truncated, never complete") {
  const std::string answer =
      GENERATE(std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
               std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
               std::string("HTTP/1.1 200 OK\r\nContent-Le"), std::string());
  Fixture f([&](Peer& peer, int) {
    peer.request();
    peer.send(answer);
  });
  const HttpResult result = f.send("POST", "x");
  CHECK(failureOf(result).kind == Kind::truncated);
  CHECK(failureOf(result).sent);
}

TEST_CASE("what is not HTTP is malformed") {
  const std::string answer =
      GENERATE(std::string("220 mail.example.com ESMTP\r\n\r\n"), std::string("HTTP/1.1 abc OK\r\n\r\n"),
               std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
               std::string("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
               std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
               std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nabc"),
               std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"),
               std::string("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"));
  Fixture f([&](Peer& peer, int) {
    peer.request();
    peer.send(answer);
    peer.awaitClose();
  });
  f.options.timeout = milliseconds(5000);
  const HttpResult result = f.send("GET");
  INFO(answer);
  CHECK(failureOf(result).kind == Kind::malformed);
  CHECK(failureOf(result).sent);
}

TEST_CASE("answers beyond the cap are refused, announced or not") {
  const std::string head =
      GENERATE(std::string("Content-Length: 5000\r\n\r\n"), std::string("Connection: close\r\n\r\n"),
               std::string("Transfer-Encoding: chunked\r\n\r\n1388\r\n"));
  Fixture f([&](Peer& peer, int) {
    peer.request();
    peer.send("HTTP/1.1 200 OK\r\n" + head + std::string(5000, 'x'));
  });
  f.options.maxBody = 4000;
  INFO(head);
  const HttpResult result = f.send("GET");
  CHECK(failureOf(result).kind == Kind::tooLarge);
}

TEST_CASE("a server that drips a byte at a time cannot outlive the deadline") {
  std::promise<void> over;
  const std::shared_future<void> isOver = over.get_future().share();
  Fixture f([isOver](Peer& peer, int) {
    peer.request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (isOver.wait_for(milliseconds(20)) != std::future_status::ready) {
      peer.send("x");
    }
  });
  f.options.timeout = milliseconds(1500); // enough to connect and send on a busy machine
  const auto start = std::chrono::steady_clock::now();
  const HttpResult result = f.send("GET");
  const auto took = std::chrono::steady_clock::now() - start;
  over.set_value();
  CHECK(failureOf(result).kind == Kind::timeout);
  CHECK(failureOf(result).sent);
  CHECK(took >= milliseconds(1500));
  CHECK(took < milliseconds(20000)); // the body would take half an hour
}

TEST_CASE("cancelling ends a waiting request") {
  std::atomic<bool> cancelled{false};
  Fixture f([&](Peer& peer, int) {
    peer.request();
    cancelled = true;
    peer.awaitClose();
  });
  f.options.cancelled = &cancelled;
  const HttpResult result = f.send("GET");
  CHECK(failureOf(result).kind == Kind::cancelled);
  CHECK(failureOf(result).sent);
}

TEST_CASE("nobody listening is a failure to connect, and nothing was sent") {
  std::vector<std::string> allowed;
  std::string url;
  {
    ScriptedServer gone([](Peer&, int) {});
    allowed = {gone.authority()};
    url = gone.origin();
  }
  PocoHttpClient client;
  HttpOptions options;
  options.allowedHosts = &allowed;
  const HttpResult result = client.send({"POST", url, {}, "x"}, options);
  CHECK(failureOf(result).kind == Kind::connect);
  CHECK_FALSE(failureOf(result).sent);
}

TEST_CASE("hosts that are not on the list are refused before anything is opened") {
  Fixture f(serveForever);
  SECTION("another list") {
    f.allowed = {"127.0.0.1", "example.com", "*.0.0.1:80"};
  }
  SECTION("no list") {
    f.options.allowedHosts = nullptr;
  }
  SECTION("loopback where only public addresses are allowed") {
    f.options.publicAddressesOnly = true;
  }
  const HttpResult result = f.send("GET");
  CHECK(failureOf(result).kind == Kind::refusedByEgress);
  CHECK_FALSE(failureOf(result).sent);
  CHECK(f.server.connections() == 0);
}

TEST_CASE("requests that would break the protocol are refused unsent") {
  Fixture f(serveForever);
  HttpRequest request{"POST", f.server.origin() + "/", {}, "x"};
  SECTION("line break in a value") {
    request.headers = {{"X-A", "1\r\nX-B: 2"}};
  }
  SECTION("line break in a name") {
    request.headers = {{"X-A: 1\r\nX-B", "2"}};
  }
  SECTION("empty name") {
    request.headers = {{"", "2"}};
  }
  SECTION("framing header") {
    request.headers = {{"content-length", "0"}};
  }
  SECTION("host header") {
    request.headers = {{"Host", "example.com"}};
  }
  SECTION("method with a blank") {
    request.method = "GET /x";
  }
  SECTION("tunnel") {
    request.method = "CONNECT";
  }
  SECTION("line break in the URL") {
    request.url += "a\r\nX: y";
  }
  SECTION("blank in the URL") {
    request.url += "a b";
  }
  SECTION("user information in the URL") {
    request.url = "http://user:pass@" + f.server.authority() + "/";
  }
  SECTION("another scheme") {
    request.url = "ftp://" + f.server.authority() + "/";
  }
  const HttpResult result = f.client.send(request, f.options);
  CHECK(failureOf(result).kind == Kind::malformed);
  CHECK_FALSE(failureOf(result).sent);
  CHECK(f.server.connections() == 0);
}

TEST_CASE("old idle connections are closed") {
  ScriptedServer server(serveForever);
  const std::vector<std::string> allowed{server.authority()};
  net::HttpClientOptions clientOptions;
  clientOptions.idleTimeout = milliseconds(0);
  PocoHttpClient client(clientOptions);
  HttpOptions options;
  options.allowedHosts = &allowed;
  responseOf(client.send({"GET", server.origin() + "/", {}, {}}, options));
  responseOf(client.send({"GET", server.origin() + "/", {}, {}}, options));
  CHECK(server.connections() == 2);
}
