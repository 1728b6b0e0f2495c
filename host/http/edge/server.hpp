#pragma once
#include "core/address_range.hpp"
#include "core/logger.hpp"
#include "core/time.hpp"
#include "http/edge/request.hpp"
#include "http/edge/response.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace calbridge::http {

class TlsIdentity;

/// Answers one request; called on the connection's thread, many at a time. What it throws becomes a 500 whose reason is
/// only logged.
using Handler = std::function<Response(Request&)>;

struct ServerOptions {
  std::vector<std::string> listen; ///< "127.0.0.1:8000", "[::1]:8000", "localhost:0"; port 0 lets the system choose
  /// What `listen` speaks TLS with; null: plain.
  std::shared_ptr<TlsIdentity> tls;
  std::vector<std::string> listenPlain; ///< further addresses, never TLS
  std::size_t maxConnections = 1024;
  std::size_t maxConnectionsPerAddress = 32; ///< IPv6: per /64. Does not hold for trusted proxies
  /// Peers whose Forwarded and X-Forwarded-* headers are believed; from all others they mean nothing.
  std::vector<AddressRange> trustedProxies;
  std::size_t maxHeader = 16 * 1024;
  /// Largest body of one request in bytes; default: 1 MiB, 10 MiB for application/cloudevents-batch+json.
  std::function<std::size_t(const RequestHead&)> maxBody;
  std::chrono::milliseconds headerTimeout{
      5000}; ///< from the first byte (first request: from accepting, so with the TLS handshake) to the header's end
  std::chrono::milliseconds bodyTimeout{15000};  ///< for the whole body
  std::chrono::milliseconds idleTimeout{60000};  ///< between two requests
  std::chrono::milliseconds writeTimeout{30000}; ///< for one whole answer; a client that does not read is dropped
  std::chrono::milliseconds stopTimeout{10000};  ///< how long stop() waits for running requests
};

/// The inbound HTTP/1.1 edge: one thread accepts and keeps every deadline, each connection has a thread of a growing
/// and shrinking set. When connections run short (in all or for one address), the longest idle one is closed, then the
/// slowest sender; a request that is being answered never is.
class Server {
 public:
  /// `handler`, `logger` and `clock` are borrowed and outlive the server; the clock's monotonic time is what deadlines
  /// mean.
  Server(ServerOptions options, Handler handler, Logger& logger, const Clock& clock);
  /// stop(), then waits for handlers that are still running.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens on all addresses: from here on ports() is known and clients wait to be served. Throws
  /// Error("listen_failed") naming the address, the reason and what to do; then nothing listens.
  void listen();
  /// Serves; listens first unless that is done. Throws as listen() does.
  void start();
  /// The ports really listened on, in the order of ServerOptions::listen, then listenPlain. After listen() or start().
  std::vector<std::uint16_t> ports() const;
  /// Closes listeners and idle connections at once, lets running requests finish, and cuts off what is left after
  /// stopTimeout. True when all of them had finished. Idempotent; not from a handler.
  bool stop();
  /// Connections open at this moment.
  std::size_t connections() const;
  /// Those of them that have been answered and wait for their next request.
  std::size_t idleConnections() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

} // namespace calbridge::http
