#include "http/edge/server.hpp"

#include "core/error.hpp"
#include "core/random.hpp"
#include "http/edge/acceptor.hpp"
#include "http/edge/connection.hpp"

namespace calbridge::http {

class Server::Core {
 public:
  Core(ServerOptions options, Handler handler, Logger& logger, const Clock& clock)
      : context_{.options = std::move(options),
                 .limits = {},
                 .handler = std::move(handler),
                 .logger = logger,
                 .clock = clock,
                 .idPrefix = SystemRandom().token(6) + "-"} {
    context_.limits.header = context_.options.maxHeader;
    context_.limits.body =
        context_.options.maxBody ? context_.options.maxBody : [](const RequestHead& head) -> std::size_t {
      std::string_view type = head.headers.get("Content-Type");
      bool batch = equalIgnoringCase(type.substr(0, type.find_first_of("; \t")), "application/cloudevents-batch+json");
      return (batch ? 10 : 1) * std::size_t{1024} * 1024;
    };
  }

  ServerContext context_;
  Acceptor acceptor_{context_};
};

Server::Server(ServerOptions options, Handler handler, Logger& logger, const Clock& clock)
    : core_(std::make_unique<Core>(std::move(options), std::move(handler), logger, clock)) {}

Server::~Server() {
  core_->acceptor_.stop();
  core_->acceptor_.join();
}

void Server::listen() {
  core_->acceptor_.listen();
}
void Server::start() {
  core_->acceptor_.start();
}
std::vector<std::uint16_t> Server::ports() const {
  return core_->acceptor_.ports();
}
bool Server::stop() {
  return core_->acceptor_.stop();
}
std::size_t Server::connections() const {
  return core_->acceptor_.connections();
}
std::size_t Server::idleConnections() const {
  return core_->acceptor_.idleConnections();
}

} // namespace calbridge::http
