// Bare HTTP: what the edge alone answers, the limit that every other figure of this machine is compared with.
#include "core/logger.hpp"
#include "core/time.hpp"
#include "http/edge/server.hpp"
#include "load_client.hpp"

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) {
  using namespace calbridge;
  std::size_t requests = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 500000;
  NullLogger logger;
  SystemClock clock;
  http::ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.maxConnectionsPerAddress = 1000;
  http::Server server(
      options, [](http::Request&) { return http::Response{.status = 202, .body = "{}"}; }, logger, clock);
  server.start();
  bench::LoadPlan plan;
  plan.port = server.ports().at(0);
  plan.requests = requests;
  std::string post = bench::postJson("/api/events/", std::string(600, ' '), "Bearer x");
  plan.request = [&](std::size_t, std::string& out) { out = post; };
  std::cout << "bare HTTP, 16 connections: " << bench::runLoad(plan).summary() << std::endl;
}
