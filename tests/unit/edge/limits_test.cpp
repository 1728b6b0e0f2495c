#include "fixture.hpp"
#include "http/edge/connection.hpp"

#include <Poco/Net/ServerSocket.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <list>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace calbridge;
using namespace calbridge::http;
using namespace std::chrono_literals;

namespace {
const std::string kRequest = "GET /legitimate HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
} // namespace

TEST_CASE("a header that does not come in five seconds gets 408, a silent connection just ends") {
  Edge edge;
  auto slow = edge.client();
  auto silent = edge.client();
  slow.send("GET / HTTP/1.1\r\nHost:");
  auto witness = edge.client(); // accepted after the others: they are being served
  witness.send("GET /one HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(witness.readResponse()) == 200);
  edge.clock.advance(4900ms);
  witness.send("GET /two HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(witness.readResponse()) == 200);
  slow.send(" h\r\nX: ");
  edge.clock.advance(200ms);
  std::string answer = slow.readAll();
  CHECK(statusOf(answer) == 408);
  CHECK(answer.find("request_timeout") != std::string::npos);
  CHECK(silent.readAll() == "");
  witness.send("GET /three HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(witness.readResponse()) == 200);
}

TEST_CASE(
    "a deadline that passes right after the last look at them is seen at the next look, though time stands still") {
  Edge edge;
  auto first = edge.client();
  auto witness = edge.client();
  witness.send("GET /one HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(witness.readResponse()) == 200); // so the first has been accepted
  edge.clock.advance(100ms);
  auto second = edge.client();
  witness.send("GET /two HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(statusOf(witness.readResponse()) == 200);
  CHECK(statusOf(edge.ask(kRequest)) == 200); // and the second
  edge.clock.advance(4900ms);
  CHECK(first.readAll() == ""); // the look
  edge.clock.advance(100ms);
  CHECK(second.readAll() == "");
}

TEST_CASE("a request that came in time is answered, however late its thread gets to read it") {
  auto [sent, status] = GENERATE(table<std::string, int>({
      {"GET /whole HTTP/1.1\r\nHost: h\r\n\r\n", 200},
      {"POST /whole HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", 200},
      {"POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo", 408},
      {"GET /half HTTP/1.1\r\nHost: h\r\n", 408},
  }));
  ManualClock clock;
  RecordingLogger logger;
  ServerContext context{.options = {},
                        .limits = {},
                        .handler = [](Request& request) { return Response::text(200, request.path); },
                        .logger = logger,
                        .clock = clock,
                        .idPrefix = "t-"};
  context.limits.body = [](const RequestHead&) { return std::size_t{100}; };
  Poco::Net::ServerSocket listener(Poco::Net::SocketAddress("127.0.0.1", 0));
  RawClient client(listener.address().port());
  REQUIRE(client.send(sent));
  client.socket().shutdownSend(); // nothing more comes: the lingering at the end is short
  auto connection = std::make_unique<Connection>(context, listener.acceptConnection(), "127.0.0.1");
  REQUIRE(connection->stage() == Connection::Stage::head);
  clock.advance(5s);
  connection->checkDeadline(clock.monotonic());
  REQUIRE(connection->stage() == Connection::Stage::late);
  connection->run();
  connection.reset();
  std::string answer = client.readAll();
  CAPTURE(answer);
  CHECK(statusOf(answer) == status);
  CHECK(answer.find("Connection: close") != std::string::npos);
}

TEST_CASE("a body that does not come in fifteen seconds gets 408") {
  Edge edge;
  auto slow = edge.client();
  slow.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  CHECK(slow.readResponse() == "HTTP/1.1 100 Continue\r\n\r\n"); // now the body's time runs
  slow.send("ab");
  edge.clock.advance(15100ms);
  CHECK(statusOf(slow.readAll()) == 408);
  CHECK(edge.seen().empty());
}

TEST_CASE("an idle connection is closed without a word after its time") {
  Edge edge;
  auto client = edge.client();
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(client.readResponse()) == 200);
  while (edge.server().connections() > 0) { // it becomes idle a moment after its answer
    edge.clock.advance(61s);
    std::this_thread::yield();
  }
  CHECK(client.readAll() == "");
}

TEST_CASE("a client that does not read its answer is dropped after the write deadline") {
  Edge edge;
  auto client = edge.client();
  client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
  char first[1];
  REQUIRE(client.socket().receiveBytes(first, 1) == 1);
  edge.clock.advance(31s);
  while (edge.server().connections() > 0)
    std::this_thread::yield();
  std::size_t rest = client.readAll().size();
  CHECK(rest < std::size_t{64} << 20);
}

TEST_CASE("with hundreds of slow connections from one address a legitimate request from there answers at once") {
  ServerOptions options;
  Edge edge(options);
  auto half = GENERATE(std::string("GET / HTTP/1.1\r\nHost:"),
                       std::string("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab"), std::string());
  std::list<RawClient> slow;
  for (int i = 0; i < 300; ++i) {
    slow.emplace_back(edge.port);
    slow.back().send(half);
  }
  for (int i = 0; i < 20; ++i) {
    auto begin = std::chrono::steady_clock::now();
    CHECK(statusOf(edge.ask(kRequest)) == 200);
    CHECK(std::chrono::steady_clock::now() - begin < 10s); // no deadline passes here: it would wait for ever
  }
  CHECK(eventually([&] { return edge.server().connections() <= options.maxConnectionsPerAddress + 1; }));
}

TEST_CASE("one address holds at most 32 connections, the longest idle gives way, others are not touched") {
  Edge edge;
  auto other = edge.client("127.0.0.2");
  other.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(other.readResponse()) == 200);
  std::list<RawClient> idle;
  for (int i = 0; i < 32; ++i) {
    edge.clock.advance(1ms);
    idle.emplace_back(edge.port);
    idle.back().send("GET /mine HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(statusOf(idle.back().readResponse()) == 200);
  }
  // A connection becomes idle a moment after its answer.
  REQUIRE(eventually([&] { return edge.server().idleConnections() == 33; }));
  edge.clock.advance(1s);
  for (auto client = std::next(idle.begin()); client != idle.end(); ++client) {
    client->send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(statusOf(client->readResponse()) == 200);
  }
  REQUIRE(eventually([&] { return edge.server().idleConnections() == 33; }));
  CHECK(statusOf(edge.ask(kRequest)) == 200);
  CHECK(idle.front().closed());
  idle.back().send("GET /mine HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(idle.back().readResponse()) == 200);
  other.send("GET /other HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(other.readResponse()) == 200);
}

TEST_CASE("when everybody is being answered a further connection gets 503 and nobody is cut off") {
  ServerOptions options;
  options.maxConnections = 2;
  Edge edge(options);
  auto one = edge.client();
  auto two = edge.client();
  one.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  two.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  edge.waitInside(2);
  auto third = edge.client();
  std::string answer = third.readAll();
  CHECK(statusOf(answer) == 503);
  CHECK(answer.find("too_many_connections") != std::string::npos);
  edge.open();
  CHECK(statusOf(one.readResponse()) == 200);
  CHECK(statusOf(two.readResponse()) == 200);
}

TEST_CASE("stop lets running requests finish, ends idle connections and then refuses new ones") {
  Edge edge;
  auto running = edge.client();
  auto idle = edge.client();
  idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(idle.readResponse()) == 200);
  running.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  edge.waitInside(1);
  bool finished = false;
  std::thread stopper([&] { finished = edge.server().stop(); });
  CHECK(idle.readAll() == "");
  edge.open();
  std::string answer = running.readAll();
  CHECK(statusOf(answer) == 200);
  CHECK(answer.find("Connection: close") != std::string::npos);
  stopper.join();
  CHECK(finished);
  CHECK_THROWS(edge.client());
  CHECK(edge.server().stop());
}

TEST_CASE("stop takes bounded time even when a handler does not end") {
  ServerOptions options;
  options.stopTimeout = 50ms;
  Edge edge(options);
  auto running = edge.client();
  running.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  edge.waitInside(1);
  auto begin = std::chrono::steady_clock::now();
  CHECK_FALSE(edge.server().stop());
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  edge.open();
}

TEST_CASE("a port in use and a bad address say what is wrong and what to do") {
  Edge edge;
  auto failure = [](const std::string& address) -> std::string {
    NullLogger logger;
    SystemClock clock;
    ServerOptions options;
    options.listen = {"127.0.0.1:0", address};
    Server server(
        options, [](Request&) { return Response(); }, logger, clock);
    try {
      server.start();
    } catch (const Error& e) {
      CHECK(e.code() == "listen_failed");
      CHECK(server.ports().empty());
      return e.message();
    }
    return "started";
  };
  std::string inUse = "127.0.0.1:" + std::to_string(edge.port);
  CHECK(failure(inUse).find("cannot listen on " + inUse + ": address already in use; stop the program") == 0);
  CHECK(failure("8000").find("the port is missing") != std::string::npos);
  CHECK(failure("127.0.0.1:").find("the port is not a number") != std::string::npos);
  CHECK(failure("127.0.0.1:70000").find("the port is not a number") != std::string::npos);
  CHECK(failure("example.org:80").find("neither an IP address nor localhost") != std::string::npos);
  CHECK(failure("::1:80").find("belongs in brackets") != std::string::npos);
  CHECK(failure("192.0.2.1:0").find("no such address") != std::string::npos);
}

TEST_CASE("several addresses are listened on, IPv6 among them") {
  ServerOptions options;
  options.listen = {"127.0.0.1:0", "localhost:0", "[::1]:0"};
  Edge edge(options);
  auto ports = edge.server().ports();
  REQUIRE(ports.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    RawClient client(ports[i], i == 2 ? "::1" : "127.0.0.1");
    client.send(kRequest);
    CHECK(statusOf(client.readAll()) == 200);
  }
}

TEST_CASE("between listening and serving the ports are known and clients wait") {
  NullLogger logger;
  SystemClock clock;
  ServerOptions options;
  options.listen = {"127.0.0.1:0", "127.0.0.1:0"};
  Server server(
      options, [](Request&) { return Response(); }, logger, clock);
  server.listen();
  const auto ports = server.ports();
  REQUIRE(ports.size() == 2);
  CHECK(ports[0] != 0);
  CHECK(ports[0] != ports[1]);
  RawClient client(ports[1]);
  CHECK(client.send(kRequest));
  server.start();
  CHECK(server.ports() == ports);
  CHECK(statusOf(client.readAll()) == 200);
}

TEST_CASE("out of file descriptors, the acceptor waits, frees idle connections and accepts again") {
  Edge edge;
  auto idle = edge.client();
  idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(statusOf(idle.readResponse()) == 200);
  auto late = RawClient(edge.port); // its own descriptor exists before the shortage
  CHECK(late.send("GET /late HTTP/1.1\r\nHost: h\r\n\r\n"));
  CHECK(statusOf(late.readResponse()) == 200);
  Poco::Net::StreamSocket hopeful(Poco::Net::SocketAddress::IPv4);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  std::vector<int> taken;
  rlimit low = before;
  low.rlim_cur = 256;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  for (int fd; (fd = ::open("/dev/null", O_RDONLY)) >= 0;)
    taken.push_back(fd);
  hopeful.connect(
      Poco::Net::SocketAddress("127.0.0.1", edge.port)); // waits in the backlog until somebody idle has been closed
  hopeful.sendBytes(kRequest.data(), static_cast<int>(kRequest.size()), MSG_NOSIGNAL);
  hopeful.setReceiveTimeout(Poco::Timespan(5, 0));
  char answer[16] = {};
  CHECK(hopeful.receiveBytes(answer, 12) == 12);
  CHECK(std::string(answer) == "HTTP/1.1 200");
  for (int fd : taken)
    ::close(fd);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(edge.logger.text().find("out of file descriptors") != std::string::npos);
  CHECK(statusOf(edge.ask(kRequest)) == 200);
}

TEST_CASE("many threads asking at once all get their own answer") {
  Edge edge;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      auto client = edge.client();
      for (int i = 0; i < 200; ++i) {
        std::string path = "/" + std::to_string(t) + "/" + std::to_string(i);
        client.send("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n");
        if (!client.readResponse().ends_with("GET " + path + "? []"))
          ++wrong;
      }
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(wrong == 0);
}
